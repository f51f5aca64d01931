/* SPDX-License-Identifier: Apache-2.0 */
#include "base/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* Not /proc/net, which ProcSubset=pid hides. */
#define NET "/proc/self/net/"
#define LISTENS 0x0a             /* TCP_LISTEN */
#define UNIX_LISTENS 0x00010000U /* __SO_ACCEPTCON */
#define COMM_MAX 16              /* TASK_COMM_LEN */
#define NO_UID UINT64_MAX

/* A socket that listens. */
struct holder {
	uint64_t inode;
	uint64_t uid; /* NO_UID: not known */
};

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static void close_folder(DIR **folder)
{
	if (*folder)
		(void)closedir(*folder);
}

/* --- the socket --- */

/* The kernel prints each 32 bits of an address as a number (proc(5)). */
static bool parse_words(const char *hex, uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sscanf(hex + 8 * i, "%8" SCNx32, &words[i]) != 1)
			return false;
	return true;
}

static bool is_same_or_any(const char *hex, const void *wanted, size_t len)
{
	static const uint32_t any[4];
	uint32_t words[4] = {0};

	return strlen(hex) == 2 * len && parse_words(hex, words, len / sizeof(words[0])) &&
	       (memcmp(words, wanted, len) == 0 || memcmp(words, any, len) == 0);
}

/* A listener on [::] has IPv4's port too, unless it set IPV6_V6ONLY. */
static bool is_in_the_way(const char *hex, const struct address *address)
{
	static const struct in6_addr any;

	if (address->sa.any.sa_family == AF_INET)
		return is_same_or_any(hex, &address->sa.in.sin_addr, sizeof(address->sa.in.sin_addr)) ||
		       is_same_or_any(hex, &any, sizeof(any));
	return is_same_or_any(hex, &address->sa.in6.sin6_addr, sizeof(address->sa.in6.sin6_addr));
}

static bool find_tcp(const char *path, const struct address *address, struct holder *ret)
{
	FILE *file cleanup(close_file) = fopen(path, "re");
	char line[512], local[33];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned port, state;

		if (sscanf(line,
			   " %*u: %32[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*x %2x %*x:%*x %*x:%*x %*x %" SCNu64
			   " %*u %" SCNu64,
			   local, &port, &state, &ret->uid, &ret->inode) == 5 &&
		    state == LISTENS && port == address_port(address) && is_in_the_way(local, address))
			return true;
	}
	return false;
}

static bool find_unix(const char *path, struct holder *ret)
{
	FILE *file cleanup(close_file) = fopen(NET "unix", "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned flags;
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*[^:]: %*x %*x %8x %*x %*x %" SCNu64 " %n", &flags, &ret->inode, &at) == 2 &&
		    at > 0 && (flags & UNIX_LISTENS) && strcmp(line + at, path) == 0)
			return true;
	}
	return false;
}

/* --- the process --- */

static bool has_socket(int proc, const char *pid, uint64_t inode)
{
	char path[64], wanted[64], link[64];
	int fd;
	DIR *folder cleanup(close_folder) = NULL;

	(void)snprintf(path, sizeof(path), "%s/fd", pid);
	(void)snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		close_fd(&fd);
		return false;
	}
	for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		ssize_t len = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);

		if (len > 0 && (size_t)len == strlen(wanted) && memcmp(link, wanted, (size_t)len) == 0)
			return true;
	}
	return false;
}

static void name_process(int proc, const char *pid, char *out, size_t size)
{
	char path[64], comm[COMM_MAX], name[4 * COMM_MAX];
	int fd cleanup(close_fd) = -1;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "%s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, comm, sizeof(comm));
	while (len > 0 && comm[len - 1] == '\n')
		len--;
	(void)snprintf(out, size, "%s, process %s",
		       len > 0 ? printable(comm, (size_t)len, name, sizeof(name)) : "a program", pid);
}

static bool find_process(uint64_t inode, char *out, size_t size)
{
	DIR *proc cleanup(close_folder) = opendir("/proc");

	if (!proc)
		return false;
	for (const struct dirent *entry = readdir(proc); entry; entry = readdir(proc)) {
		if (!isdigit((unsigned char)entry->d_name[0]) || strlen(entry->d_name) > 10 ||
		    !has_socket(dirfd(proc), entry->d_name, inode))
			continue;
		name_process(dirfd(proc), entry->d_name, out, size);
		return true;
	}
	return false;
}

/* Only /etc/passwd is asked: a name service on the network could hold up the start. */
static void name_user(uint64_t uid, char *out, size_t size)
{
	FILE *file cleanup(close_file) = fopen("/etc/passwd", "re");
	struct passwd entry, *found;
	char buffer[1024], name[32];

	while (file && fgetpwent_r(file, &entry, buffer, sizeof(buffer), &found) == 0)
		if (found->pw_uid == uid) {
			(void)snprintf(out, size, "a process of user %s",
				       printable(found->pw_name, strlen(found->pw_name), name, sizeof(name)));
			return;
		}
	(void)snprintf(out, size, "a process of user id %" PRIu64, uid);
}

static bool describe(const struct holder *holder, char *out, size_t size)
{
	if (find_process(holder->inode, out, size))
		return true;
	if (holder->uid == NO_UID)
		return false;
	name_user(holder->uid, out, size);
	return true;
}

bool holder_of_tcp(const struct address *address, char *out, size_t size)
{
	struct holder holder = {.uid = NO_UID};
	bool ipv6 = address->sa.any.sa_family == AF_INET6;

	out[0] = '\0';
	return ((!ipv6 && find_tcp(NET "tcp", address, &holder)) || find_tcp(NET "tcp6", address, &holder)) &&
	       describe(&holder, out, size);
}

bool holder_of_unix(const char *path, char *out, size_t size)
{
	struct holder holder = {.uid = NO_UID};

	out[0] = '\0';
	return find_unix(path, &holder) && describe(&holder, out, size);
}
