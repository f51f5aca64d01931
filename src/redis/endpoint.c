/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/endpoint.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/util.h"

/*
 * Bytes asked for; the kernel caps it at net.core.wmem_max or rmem_max and doubles it for its own overhead (socket(7)).
 * Enough for the largest batch in one send(), also when the batch before was not read yet: 1,000 rows are 166 KB. A
 * Unix socket with the usual 212,992 bytes takes 219 KB in one send(), but only 278 commands of 130 bytes one by one.
 */
#define BUFFER_BYTES (1 << 20)

/* An idle connection whose other end is silent is given up after 30 + 3 * 5 s (tcp(7)). */
#define KEEPIDLE_SECS 30
#define KEEPINTVL_SECS 5
#define KEEPCNT 3

#define OWNER_BYTES 64  /* "user 107 (redis)"; a longer one is cut */
#define LINE_BYTES 8192 /* of /etc/group: nothing after a longer line is found */

/* --- addresses --- */

int endpoint_unix(struct endpoint *e, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	memcpy(&e->addresses[0].storage, &address, sizeof(address));
	e->addresses[0].len = sizeof(address);
	e->n = 1;
	(void)printable(path, len, e->text, sizeof(e->text));
	return 0;
}

/* Asks no name server. 0; EAI_NONAME: it is a name; or another of getaddrinfo(3). */
static int parse(const char *host, struct addrinfo **ret)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

	return getaddrinfo(host, NULL, &hints, ret);
}

bool endpoint_is_name(const char *host)
{
	struct addrinfo *found;
	int r = parse(host, &found);

	if (r == 0)
		freeaddrinfo(found);
	return r == EAI_NONAME;
}

static void set_port(struct endpoint_address *address, uint16_t port)
{
	if (address->storage.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
}

void endpoint_take(struct endpoint *e, const struct addrinfo *found)
{
	e->n = 0;
	for (const struct addrinfo *at = found; at && e->n < ENDPOINT_ADDRESSES_MAX; at = at->ai_next) {
		struct endpoint_address *address = &e->addresses[e->n++];

		memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
		address->len = at->ai_addrlen;
	}
}

void endpoint_renew(struct endpoint *e, const struct endpoint *found)
{
	e->n = found->n;
	memcpy(e->addresses, found->addresses, sizeof(e->addresses));
	for (size_t i = 0; i < e->n; i++)
		set_port(&e->addresses[i], e->port);
}

int endpoint_tcp(struct endpoint *e, const char *host, uint16_t port)
{
	struct endpoint parsed;
	struct addrinfo *found;
	char text[128];
	int r;

	if (!host)
		return -EINVAL;
	e->port = port;
	(void)snprintf(e->text, sizeof(e->text), "%s:%u", printable(host, strlen(host), text, sizeof(text)),
		       (unsigned int)port);
	r = parse(host, &found);
	if (r == EAI_NONAME) {
		e->n = 0;
		e->host = host;
		return 0;
	}
	if (r != 0)
		return r == EAI_MEMORY ? -ENOMEM : -EINVAL;
	endpoint_take(&parsed, found);
	freeaddrinfo(found);
	e->host = NULL;
	endpoint_renew(e, &parsed);
	return 0;
}

/* --- connecting --- */

struct socket_option {
	int level, name, value;
};

static void set_options(int fd, const struct socket_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

/*
 * For a stream socket of this family that is not connected yet: TCP chooses its window scale, by the receive buffer,
 * when it connects. What the kernel refuses stays as it was. To close a TCP socket resets the connection.
 */
static void set_socket_options(int fd, int family)
{
	/* What waits in a Unix socket counts against the sender's buffer: there is none for receiving. */
	static const struct socket_option any[] = {{SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES}};
	/*
	 * A size that was set ends TCP's own tuning, which begins small; but somebody waits for the first batch after a
	 * quiet time. The subscriptions send nothing: without keepalive they would never notice that the other end is
	 * gone.
	 */
	static const struct socket_option tcp[] = {
		{SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES},
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPIDLE_SECS},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPINTVL_SECS},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPCNT},
	};

	/*
	 * What Redis has not acknowledged when we close, for whatever reason, dies with the connection. Else the kernel
	 * would go on sending it for minutes, and an old row could arrive after a later connection had read the row
	 * back.
	 */
	static const struct linger at_once = {.l_onoff = 1};

	set_options(fd, any, ARRAY_SIZE(any));
	if (family == AF_UNIX)
		return;
	set_options(fd, tcp, ARRAY_SIZE(tcp));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

int endpoint_connect(const struct endpoint_address *address, endpoint_connect_fn connect_by)
{
	const struct sockaddr *to = (const struct sockaddr *)&address->storage;
	int fd cleanup(close_fd) = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	set_socket_options(fd, to->sa_family);
	if (connect_by)
		r = connect_by(fd, to, address->len);
	else
		r = connect(fd, to, address->len) < 0 ? -errno : 0;
	if (r < 0 && r != -EINPROGRESS && r != -EINTR)
		return r;
	return take_fd(&fd);
}

/* --- why it is closed to us --- */

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

/* The name is from the file alone: other sources of names could hold us up. */
static const char *describe_user(uid_t uid, char out[OWNER_BYTES])
{
	FILE *file cleanup(close_file) = fopen("/etc/passwd", "re");
	char line[LINE_BYTES];
	struct passwd entry, *found;

	(void)snprintf(out, OWNER_BYTES, "user %u", uid);
	while (file && fgetpwent_r(file, &entry, line, sizeof(line), &found) == 0)
		if (found->pw_uid == uid) {
			(void)snprintf(out, OWNER_BYTES, "user %u (%s)", uid, found->pw_name);
			break;
		}
	return out;
}

static const char *describe_group(gid_t gid, char out[OWNER_BYTES])
{
	FILE *file cleanup(close_file) = fopen("/etc/group", "re");
	char line[LINE_BYTES];
	struct group entry, *found;

	(void)snprintf(out, OWNER_BYTES, "group %u", gid);
	while (file && fgetgrent_r(file, &entry, line, sizeof(line), &found) == 0)
		if (found->gr_gid == gid) {
			(void)snprintf(out, OWNER_BYTES, "group %u (%s)", gid, found->gr_name);
			break;
		}
	return out;
}

/* The last part of the path that we can see: it is what stops us, since we cannot even learn whether the next exists.
 */
static bool find_closed(char *path, struct stat *st)
{
	if (stat(path, st) == 0)
		return true;
	for (char *slash = strrchr(path, '/'); slash && slash > path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (stat(path, st) == 0)
			return true;
	}
	return false;
}

static const char *opener(const struct stat *st)
{
	if (geteuid() == 0)
		return "the capability CAP_DAC_OVERRIDE, which docker gives by default";
	return S_ISDIR(st->st_mode) ? "chmod o+x for that folder, or our user in its group"
				    : "unixsocketperm 770 in redis.conf, and our user in that group";
}

static void explain_closed(const char *path, const struct stat *st, char *out, size_t size)
{
	char user[OWNER_BYTES], group[OWNER_BYTES], own[OWNER_BYTES];

	(void)snprintf(out, size, "Permission denied: %s is of %s, %s, mode %04o, and we are %s; what helps: %s", path,
		       describe_user(st->st_uid, user), describe_group(st->st_gid, group), st->st_mode & 07777,
		       describe_user(geteuid(), own), opener(st));
}

const char *endpoint_explain(const struct endpoint_address *address, int error, char *out, size_t size)
{
	const struct sockaddr_un *local = (const struct sockaddr_un *)&address->storage;
	char path[sizeof(local->sun_path)];
	struct stat st;

	(void)snprintf(out, size, "%s", strerror(-error));
	if (error != -EACCES || address->storage.ss_family != AF_UNIX)
		return out;
	memcpy(path, local->sun_path, sizeof(path));
	if (find_closed(path, &st))
		explain_closed(path, &st, out, size);
	return out;
}
