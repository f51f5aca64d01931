/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "config/file.h"
#include "scratch.h"
#include "settings/settings.h"

static char directory[SCRATCH_BYTES];

char *captured;
size_t captured_len;
char *answered;
static size_t answered_len;

static void forget(void)
{
	free(captured);
	free(answered);
	captured = answered = NULL;
}

void write_file(const char *path, const char *bytes, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, bytes, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

void write_text(const char *path, const char *text)
{
	write_file(path, text, strlen(text), 0644);
}

int read_file(struct config *config, const char *path)
{
	FILE *err;
	int r;

	forget();
	err = open_memstream(&captured, &captured_len);
	assert_non_null(err);
	config_defaults(config);
	r = config_read_file(config, path, err);
	assert_int_equal(fclose(err), 0);
	return r;
}

int read_text(struct config *config, const char *text)
{
	write_text("F", text);
	return read_file(config, "F");
}

enum config_outcome load(struct config *config, const char *const *args)
{
	static char name[] = "portsyncd";
	char *argv[16] = {name};
	enum config_outcome outcome;
	FILE *out, *err;
	int argc = 1;

	forget();
	out = open_memstream(&answered, &answered_len);
	err = open_memstream(&captured, &captured_len);
	assert_true(out && err);
	for (; *args; args++) /* memcpy: getopt_long() takes no const, and writes nothing */
		memcpy(&argv[argc++], args, sizeof(*args));
	outcome = settings_load(config, argc, argv, out, err);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
	return outcome;
}

int config_setup(void **state)
{
	(void)state;
	scratch_make(directory);
	return chdir(directory) < 0 || unsetenv("PORTSYNCD_LOG_LEVEL") < 0 || unsetenv("CREDENTIALS_DIRECTORY") < 0;
}

int config_teardown(void **state)
{
	(void)state;
	forget();
	scratch_remove(directory);
	return 0;
}
