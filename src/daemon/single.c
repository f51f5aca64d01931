/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One daemon at a time on the same databases and links. A running daemon holds an abstract Unix socket named by
 * STATE_DB: such names are the network namespace's own, also where containers share it but no folder, and go with the
 * process. It listens, so that the kernel names the holder.
 *
 * Any user can take such a name. Its holder must therefore be root, our own user, or have CAP_NET_ADMIN; any other
 * holder keeps nobody from starting.
 */
#include "daemon/single.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log/log.h"
#include "settings/databases.h"

#define PREFIX "portsyncd "
#define WAITING 16
#define ASKED_A_SECOND 10 /* by all processes together: more would cost the loop too much */
#define FAIL_WAIT_MS 1000
#define TRIES 50 /* while the holder is starting or ending */
#define TRY_USEC (10 * USEC_PER_MSEC)

struct name_holder {
	pid_t pid; /* 0: it is in another PID namespace */
	uid_t uid;
};

/* Two spellings of a folder (/var/run and /run) become one. The socket itself need not exist yet. */
static void resolve(const char *path, char *out, size_t size)
{
	char folder[PATH_MAX], resolved[PATH_MAX];
	const char *slash = strrchr(path, '/');

	(void)snprintf(out, size, "%s", path);
	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(folder))
		return;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	if (realpath(folder, resolved))
		(void)snprintf(out, size, "%s%s", resolved, slash);
}

/* STATE_DB in words; while it is not known, the awaited file. */
static void describe(struct daemon *d, char *out, size_t size)
{
	struct dbconfig *databases = NULL;
	char where[2 * PATH_MAX], error[512];
	struct dbconfig_db db;

	d->single_awaits = settings_read_databases(d->config, &databases, error, sizeof(error)) < 0;
	if (d->single_awaits) {
		(void)snprintf(out, size, "awaits %s%s", d->config->database_config, d->config->namespace_name);
		return;
	}
	db = *dbconfig_get(databases, "STATE_DB");
	settings_override_database(d->config, &db);
	if (db.unix_socket)
		resolve(db.unix_socket, where, sizeof(where));
	else
		(void)snprintf(where, sizeof(where), "%s:%u", db.host, db.port);
	(void)snprintf(out, size, "%u %s", db.number, where);
	dbconfig_free(databases);
}

/* A text that is too long for a name keeps its end, which says most. */
static socklen_t name_lock(struct daemon *d, struct sockaddr_un *name)
{
	char text[2 * PATH_MAX + 16];
	size_t n, capacity = sizeof(name->sun_path) - sizeof(PREFIX) - 1;

	describe(d, text, sizeof(text));
	n = strlen(text);
	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = (size_t)snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, PREFIX "%s",
			     n > capacity ? text + n - capacity : text);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

/* Whether a process may do what this one does. */
static bool may_administer(pid_t pid)
{
	char path[40], line[128];
	bool may = false;
	FILE *status;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = pid > 0 ? fopen(path, "re") : NULL;
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "CapEff:", 7) == 0)
			may = (strtoull(line + 7, NULL, 16) >> CAP_NET_ADMIN & 1) != 0;
	if (status)
		(void)fclose(status);
	return may;
}

/* False: no process listens, or it is not known which. */
static bool find_holder(const struct sockaddr_un *name, socklen_t len, struct name_holder *ret)
{
	int fd cleanup(close_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < 0 || connect(fd, (const struct sockaddr *)name, len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	*ret = (struct name_holder){peer.pid, peer.uid};
	return true;
}

static int report_holder(const struct sockaddr_un *name, const struct name_holder *holder)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "another one runs on the same databases and links (pid %d, user %u; %s): this one ends, and has "
		       "touched nothing",
		       (int)holder->pid, (unsigned)holder->uid, name->sun_path + 1);
	log_err(KIND_RUNS_ALREADY, "%s", text);
	if (!log_shows_on_stderr())
		say_on_stderr(FAIL_WAIT_MS, "portsyncd: %s", text);
	return -EADDRINUSE;
}

/* -EADDRINUSE: it is another portsyncd. 0: it is not. */
static int judge_holder(const struct sockaddr_un *name, const struct name_holder *holder)
{
	if (holder->uid == 0 || holder->uid == geteuid() || may_administer(holder->pid))
		return report_holder(name, holder);
	log_warning(
		KIND_LOCK_TAKEN,
		"the name that keeps a second portsyncd from starting (%s) is held by a process that has no business "
		"with it (pid %d, user %u): it is not known whether another portsyncd runs",
		name->sun_path + 1, (int)holder->pid, (unsigned)holder->uid);
	return 0;
}

static bool hold(int fd, const struct sockaddr_un *name, socklen_t len)
{
	return bind(fd, (const struct sockaddr *)name, len) == 0 && listen(fd, WAITING) == 0;
}

/* A process that has bound the name but does not listen is starting or ending, or cannot be reached. */
static int claim(int fd, const struct sockaddr_un *name, socklen_t len)
{
	struct name_holder holder;

	for (unsigned i = 0; i < TRIES; i++) {
		if (hold(fd, name, len))
			return 1;
		if (errno != EADDRINUSE)
			break;
		if (find_holder(name, len, &holder))
			return judge_holder(name, &holder);
		(void)usleep(TRY_USEC);
	}
	log_warning(KIND_LOCK_TAKEN, "%s: cannot be held, so nothing keeps a second portsyncd from starting: %s",
		    name->sun_path + 1, strerror(errno));
	return 0;
}

int single_claim(struct daemon *d)
{
	struct sockaddr_un name;
	int fd cleanup(close_fd) = -1, r;
	socklen_t len;

	if (d->config->dry_run)
		return 0;
	len = name_lock(d, &name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? 0 : claim(fd, &name, len);
	if (r == 1) {
		close_fd(&d->single);
		d->single = take_fd(&fd);
	}
	return r < 0 ? r : 0;
}

int single_claim_known(struct daemon *d)
{
	int r = d->single_awaits ? single_claim(d) : 0;

	if (r < 0)
		d->status = EXIT_FAILURE;
	return r;
}

/* The connection itself is the answer. */
static int on_asked(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)revents;
	(void)user;
	if (client >= 0)
		(void)close(client);
	return 0;
}

int single_serve(struct daemon *d)
{
	int r = d->single < 0 ? 0 : sd_event_add_io(d->event, &d->single_asked, d->single, EPOLLIN, on_asked, d);

	if (r < 0 || d->single < 0)
		return r;
	return sd_event_source_set_ratelimit(d->single_asked, USEC_PER_SEC, ASKED_A_SECOND);
}
