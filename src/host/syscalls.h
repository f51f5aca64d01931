/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that the process may still make (seccomp(2), libseccomp): a list of what it uses once it runs. What
 * is not on the list fails with EPERM and is in the kernel's log (type=1326), so that a call that an update of a
 * library begins to use costs that one thing, not the daemon. What only an intruder would call ends the process at
 * once: running a program, tracing, mounting, loading a module, and the like.
 */
#ifndef PORTSYNCD_SYSCALLS_H
#define PORTSYNCD_SYSCALLS_H

#include <stdbool.h>

/* Calls that only some configurations need. */
struct syscalls_more {
	bool capset;    /* permitted capabilities may still be put in force */
	bool names;     /* getaddrinfo(3): datagrams to name servers */
	bool listening; /* bind(2) and listen(2), of TCP on the ports that Landlock allows */
};

/*
 * For all threads of the process, and for ever; from then on no thread can be started. Needs no_new_privs. 0 or a
 * negative errno.
 */
int syscalls_confine(const struct syscalls_more *more);

#endif
