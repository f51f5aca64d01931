/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "config/config.h"

#define PASSWORD_MAX_BYTES 4096
#define CREDENTIAL "redis_password"

/* NULL, or what is wrong with it. */
static const char *check_password(struct secret *password)
{
	if (password->len > PASSWORD_MAX_BYTES)
		return "longer than 4096 bytes; allowed: a password of 1 to 4096 bytes";
	if (password->len > 0 && password->text[password->len - 1] == '\n')
		password->text[--password->len] = '\0';
	if (password->len == 0)
		return "empty; allowed: a password of 1 to 4096 bytes";
	if (memchr(password->text, '\0', password->len))
		return "has a NUL byte; allowed: a password as text";
	return NULL;
}

/* Straight into its own pages: a buffer in between would have to be wiped too. */
static int fill_password(struct secret *password, int fd, const char **wrong)
{
	ssize_t len = password->text ? file_read(fd, password->text, password->room) : -ENOMEM;

	if (len < 0) {
		*wrong = strerror((int)-len);
		return (int)len;
	}
	password->len = (size_t)len;
	*wrong = check_password(password);
	if (!*wrong)
		return 0;
	return password->len > PASSWORD_MAX_BYTES ? -EFBIG : -EINVAL;
}

static int read_password(const char *path, struct secret *ret, char *error, size_t size)
{
	const char *wrong;
	struct stat st = {0};
	int fd cleanup(close_fd) = file_open(path, PASSWORD_MAX_BYTES, &st), r;

	if (fd < 0) {
		(void)snprintf(error, size, "%s: %s; allowed: a readable file of at most %d bytes", path,
			       file_error(fd), PASSWORD_MAX_BYTES);
		return fd;
	}
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		(void)snprintf(error, size, "%s: readable or writable by others; allowed: chmod 0600 %s", path, path);
		return -EACCES;
	}
	(void)secret_new(ret, PASSWORD_MAX_BYTES + 1);
	r = fill_password(ret, fd, &wrong);
	if (r < 0) {
		secret_wipe(ret);
		(void)snprintf(error, size, "%s: %s", path, wrong);
	}
	return r;
}

bool config_password_path(const struct config *config, char *out, size_t size)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");

	out[0] = '\0';
	if (config->redis_password_file[0] != '\0')
		return (size_t)snprintf(out, size, "%s", config->redis_password_file) < size;
	if (!credentials || credentials[0] == '\0')
		return true;
	return (size_t)snprintf(out, size, "%s/" CREDENTIAL, credentials) < size;
}

int config_read_password(const struct config *config, struct secret *ret, char *error, size_t size)
{
	char path[PATH_MAX];
	int r;

	*ret = (struct secret){0};
	if (!config_password_path(config, path, sizeof(path))) {
		(void)snprintf(error, size, "CREDENTIALS_DIRECTORY: too long");
		return -ENAMETOOLONG;
	}
	if (path[0] == '\0')
		return 0;
	r = read_password(path, ret, error, size);
	return r == -ENOENT && config->redis_password_file[0] == '\0' ? 0 : r;
}
