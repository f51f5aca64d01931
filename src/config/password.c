/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/regular.h"
#include "base/util.h"
#include "config.h"

#define PASSWORD_MAX_BYTES 4096

void config_wipe_password(char **password)
{
	if (*password)
		explicit_bzero(*password, strlen(*password));
	free(*password);
	*password = NULL;
}

static int take_password(const char *bytes, size_t len, char **ret, const char **wrong)
{
	if (len > PASSWORD_MAX_BYTES) {
		*wrong = "longer than 4096 bytes; allowed: a password of 1 to 4096 bytes";
		return -EFBIG;
	}
	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	if (len == 0) {
		*wrong = "empty; allowed: a password of 1 to 4096 bytes";
		return -EINVAL;
	}
	if (memchr(bytes, '\0', len)) {
		*wrong = "has a NUL byte; allowed: a password as text";
		return -EINVAL;
	}
	*ret = strndup(bytes, len);
	*wrong = "out of memory";
	return *ret ? 0 : -ENOMEM;
}

static int read_password(const char *path, char **ret, char *error, size_t size)
{
	char buf[PASSWORD_MAX_BYTES + 1];
	const char *wrong = "";
	struct stat st = {0};
	int fd cleanup(close_fd) = regular_open(path, PASSWORD_MAX_BYTES, &st), r;
	ssize_t len;

	if (fd < 0) {
		(void)snprintf(error, size, "%s: %s; allowed: a readable file of at most %d bytes", path,
			       regular_error(fd), PASSWORD_MAX_BYTES);
		return fd;
	}
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		(void)snprintf(error, size, "%s: readable or writable by others; allowed: chmod 0600 %s", path, path);
		return -EACCES;
	}
	len = regular_read(fd, buf, sizeof(buf));
	if (len < 0) {
		r = (int)len;
		wrong = strerror(-r);
	} else {
		r = take_password(buf, (size_t)len, ret, &wrong);
	}
	explicit_bzero(buf, sizeof(buf));
	if (r < 0)
		(void)snprintf(error, size, "%s: %s", path, wrong);
	return r;
}

int config_read_password(const struct config *config, char **ret, char *error, size_t size)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	char *path cleanup(free_ptr) = NULL;
	int r;

	*ret = NULL;
	if (config->redis_password_file[0] != '\0')
		return read_password(config->redis_password_file, ret, error, size);
	if (!credentials || credentials[0] == '\0')
		return 0;
	if (asprintf(&path, "%s/redis_password", credentials) < 0) {
		path = NULL;
		(void)snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	r = read_password(path, ret, error, size);
	return r == -ENOENT ? 0 : r;
}
