/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/sonic/dbconfig.c */
#include "sonic/dbconfig.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

#define FOLDER "/proc/self/fd/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The result is a path that can be opened and logged, or an error of one line. */
static void check(const char *file, const char *name)
{
	char path[64], error[256] = "";
	size_t len;

	memset(path, 'x', sizeof(path));
	if (dbconfig_resolve(file, name, path, sizeof(path), error, sizeof(error)) < 0) {
		if (path[0] != '\0' || error[0] == '\0' || strchr(error, '\n'))
			abort();
		return;
	}
	len = strnlen(path, sizeof(path));
	if (len == 0 || len == sizeof(path) || path[0] != '/')
		abort();
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)path[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd cleanup(close_fd) = memfd_create("dbglobal", MFD_CLOEXEC);
	char file[sizeof(FOLDER) + 16];

	if (fd < 0 || write_all(fd, data, size) < 0)
		abort();
	(void)snprintf(file, sizeof(file), FOLDER "%d", fd);
	check(file, "asic0");
	check(file, "dpu0");
	return 0;
}
