/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* A FIFO must not hold us up, hence O_NONBLOCK. */
int file_open(const char *path, off_t max, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) < 0)
		r = -errno;
	else if (S_ISDIR(st->st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st->st_mode))
		r = -ENOTSUP;
	else if (st->st_size > max)
		r = -EFBIG;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

ssize_t file_read(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Reads len bytes and the NUL behind them. */
static int read_text(int fd, char *text, size_t len, size_t *ret)
{
	ssize_t n = file_read(fd, text, len);

	if (n < 0)
		return (int)n;
	text[n] = '\0';
	*ret = (size_t)n;
	return memchr(text, '\0', (size_t)n) ? -EINVAL : 0;
}

int file_read_text(const char *path, size_t max, char **ret)
{
	struct stat st = {0};
	int fd cleanup(close_fd) = file_open(path, (off_t)max, &st), r;
	char *text cleanup(free_ptr) = NULL;
	size_t len;

	if (fd < 0)
		return fd;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	r = read_text(fd, text, (size_t)st.st_size, &len);
	if (r < 0)
		return r;
	*ret = text;
	text = NULL;
	return 0;
}

/* Straight into its own pages: a buffer in between would have to be wiped too. */
int file_read_secret(const char *path, size_t max, struct secret *ret)
{
	struct stat st = {0};
	int fd cleanup(close_fd) = file_open(path, (off_t)max, &st), r;

	*ret = (struct secret){0};
	if (fd < 0)
		return fd;
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return -EPERM;
	r = secret_new(ret, (size_t)st.st_size);
	if (r == 0)
		r = read_text(fd, ret->text, (size_t)st.st_size, &ret->len);
	if (r < 0)
		secret_wipe(ret);
	return r;
}

int file_write_and_close(int fd, const void *bytes, size_t len)
{
	int r = write_all(fd, bytes, len);

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

const char *file_error(int error)
{
	if (error == -ENOTSUP)
		return "not a regular file";
	if (error == -EPERM)
		return "readable or writable by others";
	return strerror(-error);
}
