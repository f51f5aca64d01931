/* SPDX-License-Identifier: Apache-2.0 */
/* systemd's word for how the process before ended (SERVICE_RESULT, systemd.exec(5)), as the unit leaves it. */
#include "daemon/previous.h"

#include <fcntl.h>
#include <stdlib.h>

#include "daemon/counters.h"
#include "log_catcher.h"
#include "test.h"

struct fixture {
	struct log_catcher log;
	struct daemon daemon;
	char path[128];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_start(&fx->log, LOG_INFO);
	(void)snprintf(fx->path, sizeof(fx->path), "%s/last-stop", fx->log.folder);
	assert_int_equal(setenv("RUNTIME_DIRECTORY", fx->log.folder, 1), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	(void)unlink(fx->path);
	catcher_stop(&fx->log);
	(void)unsetenv("RUNTIME_DIRECTORY");
	free(fx);
	return 0;
}

const char *__wrap_counters_previous_stop(const struct daemon *d);

/* By the state file. */
const char *__wrap_counters_previous_stop(const struct daemon *d)
{
	(void)d;
	return "reboot";
}

static void put(const struct fixture *fx, const char *text)
{
	int fd = open(fx->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void an_orderly_stop_is_silent(void **state)
{
	struct fixture *fx = *state;

	put(fx, "success\n");
	previous_load(&fx->daemon);
	assert_string_equal(fx->daemon.previous_stop, PREVIOUS_ORDERLY);
	assert_false(catcher_next(&fx->log));
}

static void another_end_is_a_warning(void **state)
{
	struct fixture *fx = *state;

	put(fx, "watchdog\n");
	previous_load(&fx->daemon);
	assert_string_equal(fx->daemon.previous_stop, "watchdog");
	assert_int_equal(catcher_count(&fx->log, "did not stop cleanly: watchdog"), 1);
}

/* Of a start without an end, as after a power cut, the word of an older stop must not be left. */
static void a_word_is_for_one_start(void **state)
{
	struct fixture *fx = *state;

	put(fx, "signal\n");
	previous_load(&fx->daemon);
	assert_int_equal(access(fx->path, F_OK), -1);
	previous_load(&fx->daemon);
	assert_string_equal(fx->daemon.previous_stop, "reboot");
}

static void anything_else_is_not_believed(void **state)
{
	static const char *const texts[] = {"two words\n", "UPPER\n", "", "\n",
					    "a-word-that-is-much-too-long-for-systemd\n"};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(fx, texts[i]);
		previous_load(&fx->daemon);
		assert_string_equal(fx->daemon.previous_stop, "reboot");
		assert_int_equal(catcher_count(&fx->log, "is not used"), 1);
		assert_int_equal(access(fx->path, F_OK), -1);
	}
}

/* systemd names several runtime directories with colons between them: the first one is ours. */
static void the_first_directory_is_ours(void **state)
{
	struct fixture *fx = *state;
	char both[160];

	(void)snprintf(both, sizeof(both), "%s:/nowhere", fx->log.folder);
	assert_int_equal(setenv("RUNTIME_DIRECTORY", both, 1), 0);
	put(fx, "core-dump\n");
	previous_load(&fx->daemon);
	assert_string_equal(fx->daemon.previous_stop, "core-dump");
}

static void without_a_directory_the_state_file_says_it(void **state)
{
	struct fixture *fx = *state;

	put(fx, "watchdog\n");
	assert_int_equal(unsetenv("RUNTIME_DIRECTORY"), 0);
	previous_load(&fx->daemon);
	assert_string_equal(fx->daemon.previous_stop, "reboot");
	assert_int_equal(access(fx->path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_orderly_stop_is_silent),   TEST(another_end_is_a_warning),
		TEST(a_word_is_for_one_start),     TEST(anything_else_is_not_believed),
		TEST(the_first_directory_is_ours), TEST(without_a_directory_the_state_file_says_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
