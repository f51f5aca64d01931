/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock (landlock(7), Documentation/userspace-api/landlock.rst): which files the calling thread, and those it starts
 * from then on, may write. All may be read; none may be executed.
 */
#ifndef PORTSYNCD_LANDLOCK_H
#define PORTSYNCD_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct landlock_allowed {
	const char *const *folders; /* in them, and below, files may be made, written and removed */
	size_t n_folders;
	const uint16_t *ports; /* that TCP may connect to */
	size_t n_ports;
	const uint16_t *listening; /* that TCP may listen on */
	size_t n_listening;
	const char *sockets;   /* one of folders, in which sockets may be made, too; or NULL */
	bool abstract_sockets; /* of other processes can be reached (unix(7)) */
};

/*
 * Cannot be undone. Needs no_new_privs. Returns the kernel's version of Landlock, from 1 on; TCP is restricted from 4
 * on, signals and abstract sockets from 6 on. A folder that is not there, or that we may not reach, is passed over: it
 * stays forbidden. -ENOSYS or -EOPNOTSUPP: the kernel does not have Landlock, or it is turned off, or a container's
 * filter forbids it; another negative errno: it refused.
 */
int landlock_confine(const struct landlock_allowed *allowed);

/* The first versions that restrict them. */
#define LANDLOCK_HOLDS_TCP 4
#define LANDLOCK_HOLDS_ABSTRACT_SOCKETS 6

/* What this version of Landlock leaves open and no filter of system calls can close: a list to show, or "". */
const char *landlock_gaps(int version);

#endif
