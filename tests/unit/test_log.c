/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "log/limit.h"
#include "log/ring.h"
#include "log_catcher.h"
#include "test.h"

static int setup(void **state)
{
	static struct log_catcher catcher;

	catcher_start(&catcher, LOG_NOTICE);
	*state = &catcher;
	return 0;
}

static int teardown(void **state)
{
	catcher_stop(*state);
	return 0;
}

/* Nobody's clock is looked at: a time stamp has 15 characters, "Jun  9 12:34:56". */
static void check_line(const char *line, const char *priority, const char *text)
{
	char tag[64];
	size_t len = strlen(priority);

	(void)snprintf(tag, sizeof(tag), " portsyncd: :- %s", text);
	assert_memory_equal(line, priority, len);
	assert_true(strlen(line) > len + 15);
	assert_int_equal(line[len + 3], ' ');
	assert_int_equal(line[len + 9], ':');
	assert_string_equal(line + len + 15, tag);
}

static void line_format(void **state)
{
	struct log_catcher *k = *state;
	const struct log_site site = {"onMsg", "x.c", 1}, other = {"main", "x.c", 2};

	log_line(LOG_NOTICE, KIND_STARTED, &site, NULL, "port %s is %d", "Ethernet0", 1);
	log_line(LOG_ERR, KIND_STARTED, &other, NULL, "bad");
	assert_true(catcher_next(k));
	check_line(k->line, "<13>", "onMsg: port Ethernet0 is 1");
	assert_true(catcher_next(k));
	check_line(k->line, "<11>", "main: bad");
	assert_false(catcher_next(k));
}

static void names_the_function(void **state)
{
	struct log_catcher *k = *state;

	log_warning(KIND_STARTED, "careful");
	assert_true(catcher_next(k));
	check_line(k->line, "<12>", "names_the_function: careful");
}

static void level_filter(void **state)
{
	struct log_catcher *k = *state;

	log_info(KIND_STARTED, "no");
	log_debug(KIND_STARTED, "no");
	assert_false(catcher_next(k));
	log_set_level(LOG_DEBUG);
	assert_int_equal(log_level(), LOG_DEBUG);
	log_debug(KIND_STARTED, "yes");
	assert_int_equal(catcher_count(k, "yes"), 1);
	log_set_level(LOG_ERR);
	log_warning(KIND_STARTED, "no");
	log_err(KIND_STARTED, "yes");
	assert_int_equal(catcher_count(k, "yes"), 1);
}

static void long_lines_are_cut(void **state)
{
	struct log_catcher *k = *state;
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_notice(KIND_STARTED, "%s", text);
	assert_true(catcher_next(k));
	assert_true(strlen(k->line) > 900);
	assert_true(strlen(k->line) < 1200);
	assert_string_equal(k->line + strlen(k->line) - 4, "x...");
	text[1023] = '\0';
	log_notice(KIND_STARTED, "%s", text);
	assert_true(catcher_next(k));
	assert_string_equal(k->line + strlen(k->line) - 4, "xxxx");
}

static uint64_t dropped(void)
{
	struct log_stats stats;

	log_stats(&stats);
	return stats.dropped;
}

static uint64_t waiting(void)
{
	struct log_stats stats;

	log_stats(&stats);
	return stats.waiting;
}

static bool catcher_wait(struct log_catcher *k)
{
	struct pollfd fd = {.fd = k->fd, .events = POLLIN};

	return poll(&fd, 1, 60000) == 1 && catcher_next(k);
}

/* M5: a collector that does not read costs lines, not our time; once it reads again, a line says how many. */
static void collector_does_not_read(void **state)
{
	static const char by[] = ":- announce: ";
	struct log_catcher *k = *state;
	unsigned int kept = 0;
	char *reported = NULL;

	log_start();
	for (unsigned int i = 0; i < 20000; i++)
		log_notice(KIND_STARTED, "line");
	while (!reported && catcher_wait(k)) {
		reported = strstr(k->line, by);
		kept += !reported;
	}
	assert_non_null(reported);
	assert_in_range(kept, 100, 19999);
	assert_int_equal(strtoul(reported + strlen(by), NULL, 10), 20000 - kept);
	assert_int_equal(dropped(), 20000 - kept);
}

static void collector_restarted(void **state)
{
	struct log_catcher *k = *state;
	uint64_t before = dropped();

	(void)close(k->fd);
	catcher_listen(k);
	log_notice(KIND_STARTED, "after the restart");
	assert_int_equal(catcher_count(k, "after the restart"), 1);
	assert_int_equal(dropped(), before);
}

/* What is said meanwhile waits. */
static void collector_away_for_a_while(void **state)
{
	struct log_catcher *k = *state;
	uint64_t before = dropped();

	log_start();
	(void)close(k->fd);
	(void)unlink(k->path);
	log_notice(KIND_STARTED, "first");
	log_notice(KIND_STARTED, "second");
	catcher_listen(k);
	assert_true(catcher_wait(k));
	assert_non_null(strstr(k->line, "first"));
	assert_true(catcher_wait(k));
	assert_non_null(strstr(k->line, "second"));
	assert_int_equal(dropped(), before);
}

/* Lines of the setup, before there is a thread, wait for it too. */
static void lines_before_the_thread(void **state)
{
	struct log_catcher *k = *state;

	(void)close(k->fd);
	(void)unlink(k->path);
	log_notice(KIND_STARTED, "early");
	catcher_listen(k);
	log_start();
	assert_true(catcher_wait(k));
	assert_non_null(strstr(k->line, "early"));
}

/* A stop does not wait for a collector that hangs, and what it could not write counts. */
static void close_is_bounded(void **state)
{
	struct log_catcher *k = *state;
	uint64_t before = dropped();

	log_start();
	(void)close(k->fd);
	(void)unlink(k->path);
	log_notice(KIND_STARTED, "for nobody");
	log_close();
	assert_int_equal(dropped(), before + 1);
	assert_int_equal(waiting(), 0);
}

static void close_writes_the_rest(void **state)
{
	struct log_catcher *k = *state;

	log_start();
	for (unsigned int i = 0; i < 5; i++)
		log_notice(KIND_STARTED, "line");
	log_close();
	assert_int_equal(catcher_count(k, "line"), 5);
	log_notice(KIND_STARTED, "after the end");
	assert_int_equal(catcher_count(k, "after the end"), 1);
}

/* A target that was set while a dead one holds lines back gets them. */
static void lines_move_to_the_new_target(void **state)
{
	struct log_catcher *k = *state;
	char gone[sizeof(k->path)];

	memcpy(gone, k->path, sizeof(gone));
	(void)close(k->fd);
	(void)unlink(k->path);
	log_start();
	log_notice(KIND_STARTED, "waits");
	(void)snprintf(k->path, sizeof(k->path), "%s/other", k->folder);
	catcher_listen(k);
	catcher_open(LOG_TO_SYSLOG, LOG_NOTICE, k->path);
	assert_true(catcher_wait(k));
	assert_non_null(strstr(k->line, "waits"));
}

/* Ordinary lines leave capacity for the audit trail. */
static void audit_comes_last(void **state)
{
	struct log_catcher *k = *state;
	uint64_t before, before_audit;
	struct log_stats stats;

	(void)close(k->fd);
	(void)unlink(k->path);
	audit_enable(true);
	while (waiting() < LOG_RING_ORDINARY)
		log_notice(KIND_STARTED, "line");
	before = dropped();
	log_notice(KIND_STARTED, "no room");
	assert_int_equal(dropped(), before + 1);
	for (unsigned int i = 0; i < LOG_RING_SLOTS - LOG_RING_ORDINARY; i++)
		audit_record(AUDIT_START, AUDIT_SUCCESS, "me", NULL, "record");
	assert_int_equal(dropped(), before + 1);
	log_stats(&stats);
	before_audit = stats.dropped_audit;
	audit_record(AUDIT_START, AUDIT_SUCCESS, "me", NULL, "one too many");
	assert_int_equal(dropped(), before + 2);
	log_stats(&stats);
	assert_int_equal(stats.dropped_audit, before_audit + 1);
}

/* Numbered without gaps, whatever the level is, with all that a record needs. */
static void audit_records(void **state)
{
	struct log_catcher *k = *state;
	unsigned long first, second;
	char *at;

	audit_enable(true);
	log_set_level(LOG_EMERG);
	audit_record(AUDIT_STOP, AUDIT_FAILURE, audit_self(), NULL, "why");
	log_err(KIND_STARTED, "no line");
	audit_record(AUDIT_OVERRUN, AUDIT_SUCCESS, AUDIT_KERNEL, NULL, "what");
	assert_true(catcher_next(k));
	assert_memory_equal(k->line, "<84>", 4); /* authpriv.warning */
	at = strstr(k->line, ":- audit: seq=");
	assert_non_null(at);
	first = strtoul(at + strlen(":- audit: seq="), &at, 10);
	assert_memory_equal(at, " event=stop outcome=failure subject=\"pid ", 41);
	assert_non_null(strstr(at, "\" boot="));
	assert_non_null(strstr(at, ": why"));
	assert_true(catcher_next(k));
	assert_memory_equal(k->line, "<85>", 4);
	at = strstr(k->line, "seq=");
	assert_non_null(at);
	second = strtoul(at + 4, NULL, 10);
	assert_int_equal(second, first + 1);
	audit_enable(false);
	audit_record(AUDIT_STOP, AUDIT_FAILURE, audit_self(), NULL, "why");
	assert_false(catcher_next(k));
}

static void errno_stays(void **state)
{
	(void)state;
	errno = ENOTTY;
	log_notice(KIND_STARTED, "line");
	assert_int_equal(errno, ENOTTY);
}

/* A storm of one kind does not hide another. */
static void limit_holds_back(void **state)
{
	struct log_catcher *k = *state;

	for (unsigned int i = 0; i < 10; i++)
		log_notice(KIND_EVENTS_LOST, "storm");
	log_notice(KIND_DRIFT_REPAIRED, "other");
	assert_int_equal(catcher_count(k, "storm"), log_kinds[KIND_EVENTS_LOST].lines);
	log_report_suppressed(false);
	assert_false(catcher_next(k)); /* the window lasts */
	log_report_suppressed(true);
	assert_int_equal(catcher_count(k, "events_lost: 7 like lines suppressed"), 1);
	log_report_suppressed(true);
	assert_false(catcher_next(k));
}

static void limit_of_all_kinds(void **state)
{
	struct log_catcher *k = *state;
	unsigned held;

	loglimit_set(3600, 2);
	for (unsigned int i = 0; i < 9; i++) {
		log_notice(KIND_EVENTS_LOST, "few");
		log_notice(KIND_STARTED, "any number");
	}
	assert_int_equal(catcher_count(k, "few"), 2);
	loglimit_set(0, 2);
	for (unsigned int i = 0; i < 9; i++)
		assert_true(loglimit_pass(KIND_EVENTS_LOST, &held));
}

static void stderr_line(void **state)
{
	const struct log_site site = {"main", "x.c", 1};
	char line[200] = "";
	int ends[2], saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	catcher_open(LOG_TO_STDERR, LOG_NOTICE, "");
	log_line(LOG_WARNING, KIND_STARTED, &site, NULL, "what %s", "happened");
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
	assert_string_equal(line, "portsyncd: WARNING: main: what happened\n");
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(saved);
}

/* Lines that stderr refuses are lost. The next that it takes says how many; none is tried for ever. */
static void lost_lines_are_reported_when_it_works_again(void **state)
{
	int ends[2], saved = dup(STDERR_FILENO), n = 0;
	char text[1000] = "", reported[100];
	uint64_t before = dropped();

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)close(ends[0]);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	catcher_open(LOG_TO_STDERR, LOG_NOTICE, "");
	for (n = 0; n < 3; n++)
		log_notice(KIND_STARTED, "lost");
	assert_int_equal(dropped(), before + 3);
	(void)close(ends[1]);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_notice(KIND_STARTED, "here again");
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	(void)snprintf(reported, sizeof(reported), "%d lines were dropped, 0 of them", n);
	assert_non_null(strstr(text, "here again\n"));
	assert_non_null(strstr(text, reported));
	assert_int_equal(dropped(), before + 3);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(saved);
}

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
		TEST(lines_before_the_thread),
		TEST(close_is_bounded),
		TEST(close_writes_the_rest),
		TEST(lines_move_to_the_new_target),
		TEST(audit_comes_last),
		TEST(audit_records),
		TEST(limit_holds_back),
		TEST(limit_of_all_kinds),
		TEST(stderr_line),
		TEST(lost_lines_are_reported_when_it_works_again),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
