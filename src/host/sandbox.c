/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/text.h"
#include "base/util.h"
#include "host/capabilities.h"
#include "host/landlock.h"
#include "host/memory.h"
#include "host/syscalls.h"
#include "log/audit.h"

#define FOLDERS_MAX 8
#define PORTS_MAX 8
#define DNS_PORT 53 /* by TCP, where an answer is too long */

/* meson.build says which parts an instrumented build cannot have. */
#ifdef PORTSYNCD_WITHOUT_SECCOMP
#define WITH_SECCOMP false
#else
#define WITH_SECCOMP true
#endif
#ifdef PORTSYNCD_WITHOUT_LANDLOCK
#define WITH_LANDLOCK false
#else
#define WITH_LANDLOCK true
#endif

struct sandbox {
	char *folders[FOLDERS_MAX];
	uint16_t ports[PORTS_MAX], listening[PORTS_MAX];
	size_t n_folders, n_ports, n_listening;
	size_t sockets; /* 1 + the index of the folder in which sockets may be made; 0: none */
	bool listens;   /* sockets may be bound */
	bool abstract_sockets;
	bool missing;  /* the kernel has no Landlock */
	bool gaps;     /* it has an old one, which leaves something open */
	bool names;    /* host names are looked up */
	bool override; /* CAP_DAC_OVERRIDE is kept for Redis' Unix sockets */
	struct sandbox_parts parts;
	char in_force[1024]; /* for the line that reports it */
};

int sandbox_seal(void)
{
	const struct rlimit none = {0, 0};

	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

struct sandbox *sandbox_new(void)
{
	return calloc(1, sizeof(struct sandbox));
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_folders; i++)
		free(s->folders[i]);
	free(s);
}

/* --- what is needed --- */

static int add_path(char **list, size_t *n, size_t max, const char *path, size_t len)
{
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < *n; i++)
		if (strncmp(list[i], path, len) == 0 && list[i][len] == '\0')
			return 0;
	if (*n == max)
		return -ENOSPC;
	list[*n] = strndup(path, len);
	return list[(*n)++] ? 0 : -ENOMEM;
}

static size_t folder_length(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? (size_t)(slash - file) : 0;
}

int sandbox_allow_folder_of(struct sandbox *s, const char *file)
{
	size_t len = folder_length(file);

	return len == 0 ? 0 : add_path(s->folders, &s->n_folders, FOLDERS_MAX, file, len);
}

void sandbox_allow_sockets(struct sandbox *s)
{
	s->override = capabilities_override();
}

int sandbox_allow_port(struct sandbox *s, uint16_t port)
{
	if (sandbox_may_connect(s, port))
		return 0;
	if (s->n_ports == PORTS_MAX)
		return -ENOSPC;
	s->ports[s->n_ports++] = port;
	return 0;
}

int sandbox_allow_listening(struct sandbox *s, uint16_t port)
{
	if (s->n_listening == PORTS_MAX)
		return -ENOSPC;
	s->listening[s->n_listening++] = port;
	s->listens = true;
	return 0;
}

int sandbox_allow_socket(struct sandbox *s, const char *file)
{
	int r = sandbox_allow_folder_of(s, file);
	size_t len = folder_length(file);

	for (size_t i = 0; r == 0 && i < s->n_folders; i++)
		if (strncmp(s->folders[i], file, len) == 0 && s->folders[i][len] == '\0')
			s->sockets = i + 1;
	s->listens = true;
	return r;
}

void sandbox_allow_abstract_sockets(struct sandbox *s)
{
	s->abstract_sockets = true;
}

int sandbox_allow_names(struct sandbox *s)
{
	s->names = true;
	return sandbox_allow_port(s, DNS_PORT);
}

bool sandbox_may_write(const struct sandbox *s, const char *file)
{
	size_t len = folder_length(file);

	for (size_t i = 0; i < s->n_folders; i++) {
		size_t allowed = strlen(s->folders[i]);

		if (len >= allowed && strncmp(file, s->folders[i], allowed) == 0 && file[allowed] == '/' &&
		    !strstr(file, "/../"))
			return true;
	}
	return false;
}

bool sandbox_may_connect(const struct sandbox *s, uint16_t port)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (s->ports[i] == port)
			return true;
	return false;
}

/* --- what is in force --- */

PRINTF_LIKE(2, 3) static void note(struct sandbox *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_append_args(s->in_force, sizeof(s->in_force), "", format, args);
	va_end(args);
}

static int refuse(int error, const char *what, char *text, size_t size)
{
	(void)snprintf(text, size, "the sandbox cannot be entered: %s: %s", what, strerror(-error));
	return error;
}

static void note_landlock(struct sandbox *s, int version)
{
	s->gaps = landlock_gaps(version)[0] != '\0';
	s->parts.files = true;
	s->parts.tcp = version >= LANDLOCK_HOLDS_TCP;
	s->parts.abstract_sockets = version >= LANDLOCK_HOLDS_ABSTRACT_SOCKETS && !s->abstract_sockets;
}

static int enter_landlock(struct sandbox *s)
{
	const struct landlock_allowed allowed = {
		.folders = (const char *const *)s->folders,
		.n_folders = s->n_folders,
		.ports = s->ports,
		.n_ports = s->n_ports,
		.listening = s->listening,
		.n_listening = s->n_listening,
		.sockets = s->sockets ? s->folders[s->sockets - 1] : NULL,
		.abstract_sockets = s->abstract_sockets,
	};
	int r;

	if (!WITH_LANDLOCK) {
		note(s, ", Landlock left out of this build");
		return 0;
	}
	r = landlock_confine(&allowed);
	if (r == -ENOSYS || r == -EOPNOTSUPP) {
		s->missing = true;
		note(s, ", no Landlock (the kernel, or a container's filter: %s)", strerror(-r));
		return 0;
	}
	if (r < 0)
		return r;
	note_landlock(s, r);
	note(s, ", Landlock %d (writes in", r);
	for (size_t i = 0; i < s->n_folders; i++)
		note(s, " %s%s", s->folders[i], access(s->folders[i], F_OK) < 0 ? " (missing)" : "");
	note(s, "%s", s->n_folders == 0 ? " no folder" : "");
	note(s, "%s", s->listens ? "; may still listen on what the HTTP server lacks" : "");
	if (s->gaps)
		note(s, "; this kernel leaves open: %s", landlock_gaps(r));
	else if (s->abstract_sockets)
		note(s, "; abstract Unix sockets stay open: NOTIFY_SOCKET is one");
	note(s, ")");
	return 0;
}

static int enter_capabilities(struct sandbox *s)
{
	bool whole, net_admin = capabilities_net_admin();
	int r;

	if (memory_settle() < 0)
		note(s, ", memory no longer locked");
	r = capabilities_give_up(s->override, &whole);
	if (r == 0)
		note(s, ", capabilities %s%s%s", net_admin ? "CAP_NET_ADMIN" : "none",
		     s->override ? " and, to connect to Redis' Unix sockets alone, CAP_DAC_OVERRIDE" : "",
		     whole ? "" : " (sets that no_new_privs makes ineffective remain)");
	return r;
}

int sandbox_enter(struct sandbox *s, char *error, size_t size)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return refuse(-errno, "no_new_privs", error, size);
	note(s, "no_new_privs");
	r = enter_landlock(s);
	if (r < 0)
		return refuse(r, "Landlock", error, size);
	r = enter_capabilities(s);
	if (r < 0)
		return refuse(r, "capabilities", error, size);
	s->parts.capabilities = true;
	return 0;
}

int sandbox_lock(struct sandbox *s, char *error, size_t size)
{
	if (WITH_SECCOMP) {
		int r = syscalls_confine(&(const struct syscalls_more){
			.capset = s->override, .names = s->names, .listening = s->listens});

		if (r < 0)
			return refuse(r, "seccomp", error, size);
		s->parts.system_calls = true;
	}
	note(s, WITH_SECCOMP ? ", seccomp" : ", seccomp left out of this build");
	audit_event(s->missing ? LOG_WARNING : LOG_NOTICE, KIND_SANDBOX_IN_FORCE, AUDIT_SANDBOX,
		    s->missing || s->gaps || !WITH_SECCOMP || !WITH_LANDLOCK ? AUDIT_FAILURE : AUDIT_SUCCESS,
		    audit_self(), "sandbox in force: %s", s->in_force);
	return 0;
}

struct sandbox_parts sandbox_parts(const struct sandbox *s)
{
	return s->parts;
}
