/* SPDX-License-Identifier: Apache-2.0 */
/* Which process listens on an address that is in use. Reads /proc; for messages only. */
#ifndef PORTSYNCD_BASE_HOLDER_H
#define PORTSYNCD_BASE_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

#define HOLDER_TEXT_MAX 96

/*
 * "prometheus, process 1234"; "a process of user prometheus" where the process may not be looked at: it is another
 * user's and we lack CAP_SYS_PTRACE, or it is hidden (hidepid, ProtectProc=). False with "" in out if nobody is found:
 * the address is free, or its holder does not listen, or is in another network namespace.
 */
bool holder_of_tcp(const struct address *address, char *out, size_t size);
/* The same of a Unix socket's file, by the path with which it was bound. */
bool holder_of_unix(const char *path, char *out, size_t size);

#endif
