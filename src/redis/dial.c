/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/dial.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/util.h"
#include "redis/sockopt.h"

#define OWNER_BYTES 64  /* "user 107 (redis)"; of a longer one the end is missing */
#define LINE_BYTES 8192 /* of /etc/group: what is behind a longer line is not found */

int dial(const struct endpoint_address *address, dial_connect_fn connect_by)
{
	const struct sockaddr *to = (const struct sockaddr *)&address->storage;
	int fd cleanup(close_fd) = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	sockopt_apply(fd, to->sa_family);
	if (connect_by)
		r = connect_by(fd, to, address->len);
	else
		r = connect(fd, to, address->len) < 0 ? -errno : 0;
	if (r < 0 && r != -EINPROGRESS && r != -EINTR)
		return r;
	return take_fd(&fd);
}

/* ---- what is closed to us ---- */

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

/* What of the path stops us: the last that can be seen. Of what is behind it not even that it is there is told us. */
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

static void explain_closed(const char *path, const struct stat *st, char *out, size_t size)
{
	char user[OWNER_BYTES], group[OWNER_BYTES], own[OWNER_BYTES];

	(void)snprintf(out, size, "Permission denied: %s is of %s, %s, mode %04o, and we are %s; what helps: %s", path,
		       describe_user(st->st_uid, user), describe_group(st->st_gid, group), st->st_mode & 07777,
		       describe_user(geteuid(), own),
		       geteuid() == 0 ? "the capability CAP_DAC_OVERRIDE, which docker gives by default"
				      : "unixsocketperm 770 in redis.conf, and our user in that group");
}

const char *dial_explain(const struct endpoint_address *address, int error, char *out, size_t size)
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
