/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root without CAP_DAC_OVERRIDE is a user as any other: Redis' socket, which SONiC gives to the group redis (mode
 * 0760), would be closed to it from the first reconnect on.
 */
#ifndef PORTSYNCD_GROUPS_H
#define PORTSYNCD_GROUPS_H

#include <stddef.h>
#include <sys/types.h>

#define GROUPS_MAX 8

/*
 * Becomes a member of the groups to which these Unix sockets and their folders are open, where neither owner nor others
 * is how we get in. Of a socket that is not there yet only the folder counts. Needs CAP_SETGID; without it nothing is
 * done. Returns how many were joined, named in joined, or a negative errno.
 */
int groups_join(const char *const *sockets, size_t n, gid_t joined[GROUPS_MAX]);

#endif
