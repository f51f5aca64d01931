/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes, by /proc. */
#ifndef PORTSYNCD_CTL_PROC_H
#define PORTSYNCD_CTL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* /proc/<pid>/<name>, with a NUL after it; the caller frees it. NULL: it cannot be read. len may be NULL. */
char *proc_read(pid_t pid, const char *name, size_t *len);

/* What follows "field:" and blanks in a text of /proc/<pid>/status; NULL: there is no such field. */
const char *proc_field(const char *status, const char *field);

/* True with the network namespace of a process; pid 0: ours. */
bool proc_netns(pid_t pid, struct stat *ret);

/* True if this is the name (comm) of the process. */
bool proc_is_called(pid_t pid, const char *comm);

/* The next process whose name (comm) this is, from *pid on; false: there is no more. Begin with *pid 0. */
bool proc_next(const char *comm, pid_t *pid);

#endif
