/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that are left to the process (seccomp(2), libseccomp): a list of what it uses once it runs. What is
 * not on the list fails with EPERM and is in the kernel's log (type=1326), so that a call that an update of a library
 * begins to use costs that one thing, not the daemon. What only an intruder would call ends the process at once: to run
 * a program, to trace, to mount, to load a module, and the like.
 */
#ifndef PORTSYNCD_SYSCALLS_H
#define PORTSYNCD_SYSCALLS_H

#include <stdbool.h>

/* What not every process needs. */
struct syscalls_more {
	bool capset;    /* what is permitted to us may still be put in force */
	bool names;     /* getaddrinfo(3): datagrams to name servers */
	bool listening; /* bind(2) and listen(2), of TCP on the ports that Landlock allows */
};

/*
 * For all threads of the process, and for ever; from then on no thread can be made. Needs no_new_privs. 0 or a negative
 * errno.
 */
int syscalls_confine(const struct syscalls_more *more);

#endif
