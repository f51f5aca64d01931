/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/util.h"

#define SOCKET_MODE 0660
#define FOLDER_MODE 0755

static int stream_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int set_flag(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int prepare_tcp(int fd, const struct address *address)
{
	bool ipv6 = address->sa.any.sa_family == AF_INET6;
	int r = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);

	if (r == 0 && ipv6)
		r = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 && !address_is_loopback(address))
		r = ipv6 ? set_flag(fd, IPPROTO_IPV6, IPV6_FREEBIND) : set_flag(fd, IPPROTO_IP, IP_FREEBIND);
	return r;
}

int http_listen_tcp(const struct address *address)
{
	int fd = stream_socket(address->sa.any.sa_family), r;

	if (fd < 0)
		return fd;
	r = prepare_tcp(fd, address);
	if (r == 0 && (bind(fd, &address->sa.any, address->len) < 0 || listen(fd, SOMAXCONN) < 0))
		r = -errno;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

bool http_listen_lacks_ipv6(const struct address *address, int error)
{
	return address->sa.any.sa_family == AF_INET6 && address_is_loopback(address) &&
	       (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT);
}

/* Connects to find out: 0 if nobody listens. */
static int ask_who_listens(const struct sockaddr_un *address)
{
	int fd cleanup(close_fd) = stream_socket(AF_UNIX);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return errno == ECONNREFUSED ? 0 : -errno;
}

static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int r;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	r = ask_who_listens(address);
	if (r < 0)
		return r;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Only the last folder: its parents are not ours to make. */
static int make_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	if (!slash || slash == path)
		return 0;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	if (mkdir(folder, FOLDER_MODE) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(folder, FOLDER_MODE) < 0 ? -errno : 0; /* whatever our umask is */
}

/* The descriptor's mode, less the umask, is the file's from the moment it exists (unix(7) hardly mentions it).
 */
static int bind_unix(int fd, const struct sockaddr_un *address, struct http_socket_file *file)
{
	struct stat st;

	if (fchmod(fd, SOCKET_MODE) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, SOCKET_MODE) < 0 || lstat(address->sun_path, &st) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		int r = -errno;

		(void)unlink(address->sun_path);
		return r;
	}
	*file = (struct http_socket_file){st.st_dev, st.st_ino};
	return 0;
}

int http_listen_unix(const char *path, struct http_socket_file *file)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd, r;

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	r = make_folder(path);
	if (r == 0)
		r = remove_stale(&address);
	if (r < 0)
		return r;
	fd = stream_socket(AF_UNIX);
	if (fd < 0)
		return fd;
	r = bind_unix(fd, &address, file);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

void http_unlisten_unix(const char *path, const struct http_socket_file *file)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
		(void)unlink(path);
}
