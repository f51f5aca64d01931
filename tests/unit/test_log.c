/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "log_catcher.h"

static int start(void **state)
{
	static struct log_catcher catcher;

	catcher_start(&catcher, LOG_NOTICE);
	*state = &catcher;
	return 0;
}

static int stop(void **state)
{
	catcher_stop(*state);
	return 0;
}

/* Nobody's clock is looked at: a time stamp has 15 characters, "Jun  9 12:34:56". */
static void check_line(const char *line, const char *priority, const char *text)
{
	char tag[64];
	size_t len = strlen(priority);

	(void)snprintf(tag, sizeof(tag), " portsyncd[%d]: :- %s", (int)getpid(), text);
	assert_memory_equal(line, priority, len);
	assert_true(strlen(line) > len + 15);
	assert_int_equal(line[len + 3], ' ');
	assert_int_equal(line[len + 9], ':');
	assert_string_equal(line + len + 15, tag);
}

static void line_format(void **state)
{
	struct log_catcher *k = *state;

	log_line(LOG_NOTICE, "onMsg", "port %s is %d", "Ethernet0", 1);
	log_line(LOG_ERR, "main", "bad");
	assert_true(catcher_next(k));
	check_line(k->line, "<13>", "onMsg: port Ethernet0 is 1");
	assert_true(catcher_next(k));
	check_line(k->line, "<11>", "main: bad");
	assert_false(catcher_next(k));
}

static void names_the_function(void **state)
{
	struct log_catcher *k = *state;

	log_warning("careful");
	assert_true(catcher_next(k));
	check_line(k->line, "<12>", "names_the_function: careful");
}

static void level_filter(void **state)
{
	struct log_catcher *k = *state;

	log_info("no");
	log_debug("no");
	assert_false(catcher_next(k));
	log_set_level(LOG_DEBUG);
	assert_int_equal(log_level(), LOG_DEBUG);
	log_debug("yes");
	assert_int_equal(catcher_count(k, "yes"), 1);
	log_set_level(LOG_ERR);
	log_warning("no");
	log_err("yes");
	assert_int_equal(catcher_count(k, "yes"), 1);
}

static void long_lines_are_cut(void **state)
{
	struct log_catcher *k = *state;
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_notice("%s", text);
	assert_true(catcher_next(k));
	assert_true(strlen(k->line) > 900);
	assert_true(strlen(k->line) < 1200);
}

/* M5: a collector that does not read costs its lines, not our time. */
static void collector_does_not_read(void **state)
{
	struct log_catcher *k = *state;
	uint64_t begin = now_usec(), dropped = log_dropped();
	unsigned int kept;

	for (unsigned int i = 0; i < 20000; i++)
		log_notice("line");
	assert_true(now_usec() - begin < 5 * USEC_PER_SEC);
	kept = catcher_count(k, "line");
	assert_true(kept > 0);
	assert_int_equal(kept + (log_dropped() - dropped), 20000);
	log_notice("again");
	assert_int_equal(catcher_count(k, "again"), 1);
}

static void collector_restarted(void **state)
{
	struct log_catcher *k = *state;
	uint64_t dropped = log_dropped();

	(void)close(k->fd);
	catcher_listen(k);
	log_notice("after the restart");
	assert_int_equal(catcher_count(k, "after the restart"), 1);
	assert_int_equal(log_dropped(), dropped);
}

static void collector_away_for_a_while(void **state)
{
	struct log_catcher *k = *state;
	uint64_t dropped = log_dropped();

	(void)close(k->fd);
	(void)unlink(k->path);
	log_notice("lost");
	log_notice("lost");
	assert_int_equal(log_dropped(), dropped + 2);
	catcher_listen(k);
	log_notice("here");
	assert_int_equal(catcher_count(k, "here"), 1);
}

static void errno_stays(void **state)
{
	(void)state;
	errno = ENOTTY;
	log_notice("line");
	assert_int_equal(errno, ENOTTY);
}

static void limit_holds_back(void **state)
{
	struct log_catcher *k = *state;
	struct log_limit limit = {0};

	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(log_limit_pass(&limit, 3), i < 3);
	assert_int_equal(limit.suppressed, 7);
	assert_false(catcher_next(k));
	/* The window is over. */
	limit.since -= 11 * USEC_PER_SEC;
	assert_true(log_limit_pass(&limit, 3));
	assert_int_equal(catcher_count(k, "7 like lines were held back"), 1);
	assert_int_equal(limit.suppressed, 0);
}

static void stderr_line(void **state)
{
	char line[200] = "";
	int ends[2], saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_open(LOG_SINK_STDERR, LOG_NOTICE, "");
	log_line(LOG_WARNING, "main", "what %s", "happened");
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
	assert_string_equal(line, "portsyncd: WARNING: main: what happened\n");
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(saved);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(line_format),
		TEST(names_the_function),
		TEST(level_filter),
		TEST(long_lines_are_cut),
		TEST(collector_does_not_read),
		TEST(collector_restarted),
		TEST(collector_away_for_a_while),
		TEST(errno_stays),
		TEST(limit_holds_back),
		TEST(stderr_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
