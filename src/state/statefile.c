/* SPDX-License-Identifier: Apache-2.0 */
#include "state/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"

#define NAME_BYTES (NAME_MAX + 16) /* openat(2) refuses a longer name */

struct statefile {
	char folder[PATH_MAX];
	char name[NAME_BYTES], temporary[NAME_BYTES], refused[NAME_BYTES], lock[NAME_BYTES]; /* in the folder */
	int folder_fd, lock_fd;                                                              /* -1: not yet */
	bool stuck;
	int unseen; /* why the folder could not be opened before the file was to be read; 0: it could, or is missing */
};

/* --- folder and lock --- */

/* Makes the folders above it if they are missing too: SONiC's swss container has no /var/lib/sonic. */
static void make_parents(const char *folder)
{
	char path[PATH_MAX];
	size_t len = strlen(folder);

	for (size_t i = 1; i < len && i < sizeof(path); i++) {
		if (folder[i] != '/')
			continue;
		memcpy(path, folder, i);
		path[i] = '\0';
		(void)mkdir(path, 0755);
	}
}

static int open_folder(struct statefile *f)
{
	static const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	if (f->folder_fd >= 0)
		return 0;
	f->folder_fd = open(f->folder, flags);
	if (f->folder_fd < 0 && errno == ENOENT) {
		make_parents(f->folder);
		if (mkdir(f->folder, 0700) == 0 || errno == EEXIST)
			f->folder_fd = open(f->folder, flags);
	}
	return f->folder_fd < 0 ? -errno : 0;
}

static int take_lock(struct statefile *f)
{
	int fd, r;

	if (f->lock_fd >= 0)
		return 0;
	fd = openat(f->folder_fd, f->lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		f->lock_fd = fd;
		return 0;
	}
	r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	(void)close(fd);
	return r;
}

static int prepare(struct statefile *f)
{
	int r = open_folder(f);

	return r < 0 ? r : take_lock(f);
}

int statefile_new(struct statefile **ret, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct statefile *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->folder_fd = f->lock_fd = -1;
	(void)snprintf(f->folder, sizeof(f->folder), "%.*s", slash > path ? (int)(slash - path) : 1, path);
	(void)snprintf(f->name, sizeof(f->name), "%s", slash + 1);
	(void)snprintf(f->temporary, sizeof(f->temporary), "%s.tmp", slash + 1);
	(void)snprintf(f->refused, sizeof(f->refused), "%s.refused", slash + 1);
	(void)snprintf(f->lock, sizeof(f->lock), "%s.lock", slash + 1);
	r = prepare(f);
	if (r == -EBUSY) {
		statefile_free(f);
		return -EBUSY;
	}
	if (f->folder_fd < 0 && access(f->folder, F_OK) == 0)
		f->unseen = r;
	*ret = f;
	return 0;
}

void statefile_free(struct statefile *f)
{
	if (!f)
		return;
	close_fd(&f->lock_fd);
	close_fd(&f->folder_fd);
	free(f);
}

/* --- loading --- */

/* NULL, or what is wrong with the file that *st describes. */
static const char *judge(const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return "it is a symbolic link";
	if (S_ISDIR(st->st_mode))
		return "it is a directory";
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "it is neither this user's nor root's";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "users other than its owner can write it";
	if (st->st_size > (off_t)STATE_MAX_BYTES)
		return "it is too large";
	return NULL;
}

/* Checked before it is opened, since opening a device can have effects; and again after, since it may be another file
 * by then. */
static int open_trusted(const struct statefile *f, const char **wrong)
{
	struct stat st;
	int fd;

	*wrong = NULL;
	if (fstatat(f->folder_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*wrong = judge(&st);
	if (*wrong)
		return -EPERM;
	fd = openat(f->folder_fd, f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*wrong = fstat(fd, &st) < 0 ? "it cannot be looked at" : judge(&st);
	if (!*wrong)
		return fd;
	(void)close(fd);
	return -EPERM;
}

/* A byte more than allowed, so that a file that grew is seen. */
static int read_state(int fd, struct state *s, char why[STATEFILE_WHY_BYTES])
{
	char *bytes cleanup(free_ptr) = malloc(STATE_MAX_BYTES + 1);
	ssize_t len = bytes ? file_read(fd, bytes, STATE_MAX_BYTES + 1) : -ENOMEM;

	if (len >= 0)
		return state_parse(s, bytes, (size_t)len, why, STATEFILE_WHY_BYTES);
	(void)snprintf(why, STATEFILE_WHY_BYTES, "%s", strerror((int)-len));
	return (int)len;
}

static enum statefile_found keep_aside(struct statefile *f, char why[STATEFILE_WHY_BYTES])
{
	if (renameat(f->folder_fd, f->name, f->folder_fd, f->refused) == 0)
		return STATEFILE_REFUSED;
	text_append(why, STATEFILE_WHY_BYTES, "; ", "it cannot be renamed: %s", strerror(errno));
	f->stuck = true;
	return STATEFILE_STUCK;
}

enum statefile_found statefile_load(struct statefile *f, struct state *s, char why[STATEFILE_WHY_BYTES])
{
	const char *wrong;
	int fd cleanup(close_fd) = f->folder_fd < 0 ? -ENOENT : open_trusted(f, &wrong);

	(void)snprintf(why, STATEFILE_WHY_BYTES, "%s", f->unseen ? strerror(-f->unseen) : "");
	if (f->unseen)
		return STATEFILE_UNSEEN;
	if (fd == -ENOENT)
		return STATEFILE_MISSING;
	if (fd < 0)
		(void)snprintf(why, STATEFILE_WHY_BYTES, "%s", wrong ? wrong : strerror(-fd));
	else if (read_state(fd, s, why) == 0)
		return STATEFILE_LOADED;
	return keep_aside(f, why);
}

/* --- saving --- */

static int write_temporary(const struct statefile *f, const char *bytes, size_t len)
{
	int fd = openat(f->folder_fd, f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : file_write_and_close(fd, bytes, len);
}

/* A temporary file left by a crash belongs to nobody: we have the lock. */
static int replace(const struct statefile *f, const char *bytes, size_t len)
{
	int r;

	(void)unlinkat(f->folder_fd, f->temporary, 0);
	r = write_temporary(f, bytes, len);
	if (r == 0 && renameat(f->folder_fd, f->temporary, f->folder_fd, f->name) < 0)
		r = -errno;
	if (r < 0 && r != -EEXIST)
		(void)unlinkat(f->folder_fd, f->temporary, 0);
	if (r == 0 && fsync(f->folder_fd) < 0)
		r = -errno;
	return r;
}

/* What nobody has read may be good. */
static int keep_unseen(struct statefile *f)
{
	if (renameat(f->folder_fd, f->name, f->folder_fd, f->refused) < 0 && errno != ENOENT)
		return -errno;
	f->unseen = 0;
	return 0;
}

int statefile_save(struct statefile *f, const struct state *s, char why[STATEFILE_WHY_BYTES])
{
	char *bytes cleanup(free_ptr) = NULL;
	const char *what = "what is there was refused and cannot be moved";
	size_t len = 0;
	int r = f->stuck ? -EEXIST : prepare(f);

	if (r == 0 && f->unseen)
		r = keep_unseen(f);
	if (r == 0)
		r = state_format(s, &bytes, &len);
	if (r == 0)
		r = replace(f, bytes, len);
	if (r < 0)
		(void)snprintf(why, STATEFILE_WHY_BYTES, "%s", f->stuck ? what : strerror(-r));
	return r;
}
