/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

#define PREFIX "swss.portsyncd."
#define SUFFIX ".pcapng"
#define TEMPORARY PREFIX "pcapng.tmp"
#define SAME_SECOND 9 /* there are no names for more recordings in one second */
#define MODE 0640
#define FOLDER_MODE 0755

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

int folder_make(const char *path)
{
	return mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST ? 0 : -errno;
}

/* --- rotation --- */

static bool is_ours(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(PREFIX SUFFIX) && len < FOLDER_NAME_BYTES && strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
	       strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* Names sort by time. Keeps the newest ones in kept, counts all. */
static size_t list(DIR *dir, char kept[FOLDER_KEPT][FOLDER_NAME_BYTES])
{
	const struct dirent *entry;
	size_t n = 0;

	rewinddir(dir);
	while ((entry = readdir(dir))) {
		size_t at = MIN(n, (size_t)FOLDER_KEPT);

		if (!is_ours(entry->d_name))
			continue;
		n++;
		while (at > 0 && strcmp(entry->d_name, kept[at - 1]) > 0) {
			if (at < FOLDER_KEPT)
				memcpy(kept[at], kept[at - 1], FOLDER_NAME_BYTES);
			at--;
		}
		if (at < FOLDER_KEPT)
			memcpy(kept[at], entry->d_name, strlen(entry->d_name) + 1);
	}
	return n;
}

/* Removes all but the newest FOLDER_KEPT. */
static void rotate(int folder, DIR *dir)
{
	char kept[FOLDER_KEPT][FOLDER_NAME_BYTES];
	const struct dirent *entry;

	if (list(dir, kept) <= FOLDER_KEPT)
		return;
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (is_ours(entry->d_name) && strcmp(entry->d_name, kept[FOLDER_KEPT - 1]) < 0)
			(void)unlinkat(folder, entry->d_name, 0);
}

/* --- writing --- */

static int write_temporary(int folder, const void *bytes, size_t len)
{
	int fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, MODE) < 0) { /* whatever our umask is */
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return file_write_and_close(fd, bytes, len);
}

/* The first name of this second that is free. */
static int give_name(int folder, time_t when, char name[FOLDER_NAME_BYTES])
{
	char stamp[32];
	struct tm tm;

	if (!gmtime_r(&when, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm) == 0)
		return -EOVERFLOW;
	for (unsigned i = 0; i <= SAME_SECOND; i++) {
		(void)snprintf(name, FOLDER_NAME_BYTES, PREFIX "%s.%uZ" SUFFIX, stamp, i);
		if (renameat2(folder, TEMPORARY, folder, name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int replace(int folder, time_t when, const void *bytes, size_t len, char name[FOLDER_NAME_BYTES])
{
	int r;

	(void)unlinkat(folder, TEMPORARY, 0);
	r = write_temporary(folder, bytes, len);
	if (r == 0)
		r = give_name(folder, when, name);
	if (r < 0)
		(void)unlinkat(folder, TEMPORARY, 0);
	return r;
}

int folder_write(const char *path, time_t when, const void *bytes, size_t len, char name[FOLDER_NAME_BYTES])
{
	DIR *dir cleanup(close_dir) = opendir(path);
	int r;

	name[0] = '\0';
	if (!dir)
		return -errno;
	r = replace(dirfd(dir), when, bytes, len, name);
	if (r == 0)
		rotate(dirfd(dir), dir);
	return r;
}
