/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/config/file.c src/config/keys.c src/base/cpulist.c */
#include "config/file.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the file says, each text must fit its field and each number its range. */
static void check(const struct config *config)
{
	if (!memchr(config->redis_host, '\0', sizeof(config->redis_host)) ||
	    !memchr(config->redis_unix_socket, '\0', sizeof(config->redis_unix_socket)) ||
	    !memchr(config->database_config, '\0', sizeof(config->database_config)))
		abort();
	if (config->redis_port < 0 || config->redis_port > 65535 || config->reconcile_interval_secs < 1 ||
	    config->log_level < 0 || config->log_level > 7)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static FILE *err;
	int fd cleanup(close_fd) = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	if (!err)
		err = fopen("/dev/null", "we");
	if (!err || fd < 0 || write_all(fd, data, size) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config_defaults(&config);
	(void)config_read_file(&config, path, err);
	check(&config);
	return 0;
}
