/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration means to the modules that it is for. */
#include "settings/databases.h"
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/options.h"
#include "scratch.h"
#include "test.h"

struct fixture {
	struct config config;
	char folder[SCRATCH_BYTES], path[96], error[256];
	struct secret password;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	config_defaults(&fx->config);
	scratch_make(fx->folder);
	(void)snprintf(fx->path, sizeof(fx->path), "%s/redis_password", fx->folder);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	secret_wipe(&fx->password);
	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

static void put_password(const struct fixture *fx, const void *bytes, size_t len, mode_t mode)
{
	int fd = open(fx->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void name_password_file(struct fixture *fx)
{
	(void)snprintf(fx->config.redis_password_file, sizeof(fx->config.redis_password_file), "%s", fx->path);
}

static int read_password(struct fixture *fx)
{
	return settings_read_password(&fx->config, &fx->password, fx->error, sizeof(fx->error));
}

static void without_a_password_there_is_none(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(read_password(fx), 0);
	assert_null(fx->password.text);
}

/* A text file ends with a newline; the password is what precedes it. */
static void the_last_newline_is_not_of_the_password(void **state)
{
	static const struct {
		const char *bytes, *password;
		mode_t mode;
	} good[] = {
		{"secret", "secret", 0600},
		{"secret\n", "secret", 0640},
		{"pass\nword\n", "pass\nword", 0600},
		{"se cret \n\n", "se cret \n", 0400},
	};
	struct fixture *fx = *state;

	name_password_file(fx);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		put_password(fx, good[i].bytes, strlen(good[i].bytes), good[i].mode);
		assert_int_equal(read_password(fx), 0);
		assert_string_equal(fx->password.text, good[i].password);
		assert_int_equal(fx->password.len, strlen(good[i].password));
		secret_wipe(&fx->password);
		assert_null(fx->password.text);
		(void)unlink(fx->path);
	}
}

static void a_long_password_is_taken_a_longer_one_refused(void **state)
{
	static char bytes[4097];
	struct fixture *fx = *state;

	memset(bytes, 'p', sizeof(bytes));
	name_password_file(fx);
	put_password(fx, bytes, 4096, 0600);
	assert_int_equal(read_password(fx), 0);
	assert_int_equal(strlen(fx->password.text), 4096);
	secret_wipe(&fx->password);
	put_password(fx, bytes, 4097, 0600);
	assert_int_equal(read_password(fx), -EFBIG);
	assert_non_null(strstr(fx->error, "allowed: a readable file of at most 4096 bytes"));
}

static void what_is_no_file_is_refused(void **state)
{
	struct fixture *fx = *state;

	(void)snprintf(fx->config.redis_password_file, sizeof(fx->config.redis_password_file), "/");
	assert_int_equal(read_password(fx), -EISDIR);
	/* It opens, but nothing is mapped where reading starts. */
	(void)snprintf(fx->config.redis_password_file, sizeof(fx->config.redis_password_file), "/proc/self/mem");
	assert_true(read_password(fx) < 0);
	assert_null(fx->password.text);
}

/* systemd's credential serves where no file is named, and may be missing. */
static void a_credential_of_systemd(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", fx->folder, 1), 0);
	assert_int_equal(read_password(fx), 0);
	assert_null(fx->password.text);
	put_password(fx, "secret", 6, 0400);
	assert_int_equal(read_password(fx), 0);
	assert_string_equal(fx->password.text, "secret");
	secret_wipe(&fx->password);
	assert_int_equal(chmod(fx->path, 0604), 0);
	assert_int_equal(read_password(fx), -EPERM);
}

static void a_named_file_must_be_there(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", fx->folder, 1), 0);
	name_password_file(fx);
	assert_int_equal(read_password(fx), -ENOENT);
	assert_non_null(strstr(fx->error, fx->path));
	assert_null(fx->password.text);
}

static void a_file_for_others_is_refused_with_the_remedy(void **state)
{
	struct fixture *fx = *state;

	put_password(fx, "secret", 6, 0644);
	name_password_file(fx);
	assert_int_equal(read_password(fx), -EPERM);
	assert_non_null(strstr(fx->error, "allowed: chmod 0600"));
	assert_int_equal(chmod(fx->path, 0602), 0); /* or that they may write */
	assert_int_equal(read_password(fx), -EPERM);
	assert_null(fx->password.text);
}

static void what_cannot_be_a_password(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *allowed;
	} wrong[] = {
		{"", 0, "empty; allowed: a password of 1 to 4096 bytes"},
		{"\n", 1, "empty; allowed: a password of 1 to 4096 bytes"},
		{"a\0b", 3, "has a NUL byte; allowed: a password as text"},
	};
	struct fixture *fx = *state;

	name_password_file(fx);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		put_password(fx, wrong[i].bytes, wrong[i].len, 0600);
		assert_int_equal(read_password(fx), -EINVAL);
		assert_non_null(strstr(fx->error, wrong[i].allowed));
		assert_null(fx->password.text);
	}
}

static void a_socket_of_ours_replaces_host_and_port(void **state)
{
	struct fixture *fx = *state;
	struct dbconfig_db db = {.number = 6, .host = "192.0.2.1", .port = 6380};

	(void)snprintf(fx->config.redis_unix_socket, sizeof(fx->config.redis_unix_socket), "/run/redis.sock");
	settings_override_database(&fx->config, &db);
	assert_string_equal(db.unix_socket, "/run/redis.sock");
	assert_int_equal(db.number, 6);
}

/* A host alone has Redis' port, a port alone is of this machine; both leave no Unix socket. */
static void a_host_or_a_port_of_ours_replaces_the_socket(void **state)
{
	struct fixture *fx = *state;
	struct dbconfig_db host = {.unix_socket = "/run/redis.sock"}, port = host;

	(void)snprintf(fx->config.redis_host, sizeof(fx->config.redis_host), "192.0.2.7");
	settings_override_database(&fx->config, &host);
	assert_null(host.unix_socket);
	assert_string_equal(host.host, "192.0.2.7");
	assert_int_equal(host.port, 6379);
	fx->config.redis_host[0] = '\0';
	fx->config.redis_port = 6380;
	settings_override_database(&fx->config, &port);
	assert_null(port.unix_socket);
	assert_string_equal(port.host, "127.0.0.1");
	assert_int_equal(port.port, 6380);
}

static void nothing_said_of_redis_leaves_it_as_it_is(void **state)
{
	struct fixture *fx = *state;
	struct dbconfig_db db = {.unix_socket = "/run/redis.sock", .number = 4};

	settings_override_database(&fx->config, &db);
	assert_string_equal(db.unix_socket, "/run/redis.sock");
	assert_int_equal(db.number, 4);
}

static void old_links_are_retired_as_configured(void **state)
{
	static const enum oldlinks_policy expected[] = {
		[CONFIG_OLD_LINKS_AUTO] = OLDLINKS_AUTO,
		[CONFIG_OLD_LINKS_ALWAYS] = OLDLINKS_ALWAYS,
		[CONFIG_OLD_LINKS_NEVER] = OLDLINKS_NEVER,
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		fx->config.retire_old_links = (int)i;
		assert_int_equal(settings_old_links(&fx->config), expected[i]);
	}
}

static void lines_go_to_the_target_that_was_chosen(void **state)
{
	static const enum log_target_type expected[] = {
		[LOG_TARGET_JOURNAL] = LOG_TO_JOURNAL,
		[LOG_TARGET_SYSLOG] = LOG_TO_SYSLOG,
		[LOG_TARGET_RFC5424] = LOG_TO_RFC5424,
		[LOG_TARGET_STDERR] = LOG_TO_STDERR,
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		fx->config.log_target = (enum config_log_target)i;
		assert_int_equal(settings_log_target(&fx->config),
				 i == LOG_TARGET_AUTO ? log_auto_target() : expected[i]);
	}
}

static void http_can_be_turned_off(void **state)
{
	struct fixture *fx = *state;
	struct http_options http;

	assert_true(settings_http(&fx->config, &http));
	assert_true(http.n_listen > 0);
	assert_null(http.cert);
	fx->config.http_listen.n = 0;
	assert_true(settings_http(&fx->config, &http));
	fx->config.http_unix_socket[0] = '\0';
	assert_false(settings_http(&fx->config, &http));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_password_there_is_none),
		TEST(the_last_newline_is_not_of_the_password),
		TEST(a_long_password_is_taken_a_longer_one_refused),
		TEST(what_is_no_file_is_refused),
		TEST(a_credential_of_systemd),
		TEST(a_named_file_must_be_there),
		TEST(a_file_for_others_is_refused_with_the_remedy),
		TEST(what_cannot_be_a_password),
		TEST(a_socket_of_ours_replaces_host_and_port),
		TEST(a_host_or_a_port_of_ours_replaces_the_socket),
		TEST(nothing_said_of_redis_leaves_it_as_it_is),
		TEST(old_links_are_retired_as_configured),
		TEST(lines_go_to_the_target_that_was_chosen),
		TEST(http_can_be_turned_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
