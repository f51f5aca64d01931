/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least privilege (NIST SP 800-53 AC-6, CM-7): what a process that was taken over could still do. The caller
 * names what it needs (sandbox_allow_...), enters while it has one thread, and locks itself up once it has all:
 *
 *   seal   no core dump, no tracer but one with CAP_SYS_PTRACE; early, before a secret is read
 *   enter  no_new_privs; files by landlock.h; of the capabilities CAP_NET_ADMIN alone is in force. Threads inherit it.
 *   lock   system calls by syscalls.h, for all threads; no more threads.
 *
 * The privileged sockets are opened before it enters.
 */
#ifndef PORTSYNCD_SANDBOX_H
#define PORTSYNCD_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox;

/* 0 or a negative errno. */
int sandbox_seal(void);

/* NULL without memory. */
struct sandbox *sandbox_new(void);

/*
 * Before sandbox_enter(). Files may be made, written and removed in this file's folder, given by an absolute path, but
 * never in "/"; TCP may connect to this port. 0, -ENOSPC (there are too many) or -ENAMETOOLONG.
 */
int sandbox_allow_folder_of(struct sandbox *s, const char *file);
int sandbox_allow_port(struct sandbox *s, uint16_t port);
/* TCP may listen on this port; a Unix socket may be made and listened on in this file's folder. The same errors. */
int sandbox_allow_listening(struct sandbox *s, uint16_t port);
int sandbox_allow_socket(struct sandbox *s, const char *file);
/* Host names may be looked up, by /etc/hosts and by name servers. The same errors. */
int sandbox_allow_names(struct sandbox *s);
/* Redis has Unix sockets: root connects to them by capabilities_connect(), whoever owns them. */
void sandbox_allow_sockets(struct sandbox *s);

/* Before sandbox_enter(): for a supervisor whose NOTIFY_SOCKET is an abstract one, abstract sockets can be reached. */
void sandbox_allow_abstract_sockets(struct sandbox *s);

/*
 * A kernel without Landlock is no error. Returns 0, or a negative errno with a one-line text in
 * error: then some of it may be in force.
 */
int sandbox_enter(struct sandbox *s, char *error, size_t size);

/* The same; then one line and one audit record say what is in force. */
int sandbox_lock(struct sandbox *s, char *error, size_t size);

/* Which parts hold, each on its own: what portsyncd_sandbox_holds shows. */
struct sandbox_parts {
	bool files, tcp, abstract_sockets, capabilities, system_calls;
};

/* What holds so far, as it is entered and locked. */
struct sandbox_parts sandbox_parts(const struct sandbox *s);

/* Whether a file may be made there, and TCP connect there: what was allowed, whether or not the kernel can enforce it.
 */
bool sandbox_may_write(const struct sandbox *s, const char *file);
bool sandbox_may_connect(const struct sandbox *s, uint16_t port);

void sandbox_free(struct sandbox *s);

#endif
