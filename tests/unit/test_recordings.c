/* SPDX-License-Identifier: Apache-2.0 */
/* When the daemon writes a recording by itself, how often at most, and what is said of it. */
#include "daemon/recordings.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/timer.h"
#include "daemon/connections.h"
#include "daemon/judge.h"
#include "daemon/kernel.h"
#include "daemon/status.h"
#include "daemon_fixture.h"
#include "paces.h"

/* From one recording to the next, for another reason and for the same. */
#define APART_USEC (60 * USEC_PER_SEC)
#define APART_SAME_USEC (600 * USEC_PER_SEC)
#define AFTER_USEC USEC_PER_SEC

static uint64_t passed_usec; /* that did not pass on any clock */

uint64_t __real_now_usec(void);
uint64_t __wrap_now_usec(void);

uint64_t __wrap_now_usec(void)
{
	return __real_now_usec() + passed_usec;
}

static int setup(void **state)
{
	struct fixture *fx = daemon_begin();
	struct daemon *d = &fx->daemon;

	passed_usec = 0;
	fx->config.recorder_bytes = RECORDER_MIN_BYTES;
	(void)snprintf(fx->config.recorder_folder, sizeof(fx->config.recorder_folder), "%s/recordings", fx->log.folder);
	kernel_dump_has(0, 4, "Ethernet12");
	kernel_dump_ends(0);
	assert_int_equal(connections_load(d), 0);
	assert_int_equal(connections_build(d), 0); /* to a Redis that is away */
	assert_int_equal(kernel_build(d), 0);
	assert_int_equal(judge_build(d), 0);
	assert_int_equal(status_build(d), 0);
	TURN_UNTIL(fx, d->synced_once);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	recordings_free(&fx->daemon);
	daemon_end(fx);
	return 0;
}

static void start(struct fixture *fx)
{
	static const char datagram[16];

	recordings_start(&fx->daemon);
	recordings_serve(&fx->daemon);
	recorder_time(1);
	recorder_datagram(RECORDER_EVENTS, datagram, sizeof(datagram));
	recorder_request(RECORDER_WANTS_CHECKPOINT); /* a recording begins with one */
	recordings_answer(&fx->daemon);
}

static struct snapshot_recorder stats(const struct fixture *fx)
{
	return recordings_stats(&fx->daemon);
}

static uint64_t written(const struct fixture *fx)
{
	const struct snapshot_recorder now = stats(fx);
	uint64_t sum = 0;

	for (size_t i = 0; i < RECORDER_WHYS; i++)
		sum += now.written[i];
	return sum;
}

static unsigned files(const struct fixture *fx)
{
	DIR *dir = opendir(fx->config.recorder_folder);
	const struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Whether the last recording has this text. */
static bool tells(const struct fixture *fx, const char *text)
{
	static char bytes[1 << 16];
	FILE *file = fopen(stats(fx).file, "re");
	size_t n;

	assert_non_null(file);
	n = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	return memmem(bytes, n, text, strlen(text)) != NULL;
}

/* At the end of a turn. */
static void trigger(struct fixture *fx, enum recorder_why why, const char *reason)
{
	recorder_trigger(why, "%s", reason);
	recordings_turn(&fx->daemon);
}

static void write_one(struct fixture *fx, enum recorder_why why)
{
	uint64_t before = written(fx);

	trigger(fx, why, "it");
	TURN_UNTIL(fx, written(fx) > before);
}

static void a_fault_is_written_with_what_follows(void **state)
{
	struct fixture *fx = *state;
	uint64_t begun;

	start(fx);
	begun = timer_now(fx->daemon.event);
	trigger(fx, RECORDER_WHY_LOST, "the socket ran over");
	recorder_note("reread");
	recordings_turn(&fx->daemon);
	TURN_UNTIL(fx, written(fx) > 0);
	assert_true(now_usec() - begun >= AFTER_USEC);
	assert_int_equal(stats(fx).written[RECORDER_WHY_LOST], 1);
	assert_true(stats(fx).last_nsec > 0 && stats(fx).writes && !stats(fx).failing);
	assert_true(tells(fx, "the socket ran over"));
	assert_true(tells(fx, "reread"));
	assert_int_equal(catcher_count(&fx->log, "was written: events_lost: the socket ran over"), 1);
}

static void faults_close_together_are_one(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	trigger(fx, RECORDER_WHY_LOST, "one");
	trigger(fx, RECORDER_WHY_REFUSED, "row-refused"); /* while the first one waits for what follows */
	TURN_UNTIL(fx, written(fx) > 0);
	assert_int_equal(stats(fx).suppressed, 1);
	assert_true(tells(fx, "row-refused"));
	trigger(fx, RECORDER_WHY_DRIFT, "three");
	assert_int_equal(stats(fx).suppressed, 2);
	passed_usec = APART_USEC;
	write_one(fx, RECORDER_WHY_DRIFT);
	assert_int_equal(stats(fx).written[RECORDER_WHY_DRIFT], 1);
	assert_int_equal(stats(fx).written[RECORDER_WHY_REFUSED], 0);
}

/* One that comes again every minute must not fill the folder, in which the first ones say most. */
static void the_same_fault_is_written_less_often(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	write_one(fx, RECORDER_WHY_LOST);
	passed_usec = APART_SAME_USEC - 30 * USEC_PER_SEC;
	trigger(fx, RECORDER_WHY_LOST, "again");
	assert_int_equal(stats(fx).suppressed, 1);
	passed_usec = APART_SAME_USEC;
	write_one(fx, RECORDER_WHY_LOST);
	assert_int_equal(stats(fx).written[RECORDER_WHY_LOST], 2);
}

static void a_request_is_never_too_early(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	write_one(fx, RECORDER_WHY_LOST);
	for (unsigned i = 1; i <= 2; i++) {
		recorder_request(RECORDER_WANTS_FILE);
		recordings_answer(&fx->daemon);
		TURN_UNTIL(fx, stats(fx).answered == i);
		assert_int_equal(stats(fx).written[RECORDER_WHY_REQUEST], i);
	}
	assert_int_equal(stats(fx).suppressed, 0);
	/* Nor does it keep a fault from being written. */
	passed_usec = APART_USEC;
	write_one(fx, RECORDER_WHY_DRIFT);
}

/* One file is enough for both. */
static void a_request_while_a_fault_is_owed(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	trigger(fx, RECORDER_WHY_LOST, "it");
	recorder_request(RECORDER_WANTS_FILE);
	recordings_answer(&fx->daemon);
	TURN_UNTIL(fx, stats(fx).answered == 1);
	assert_int_equal(stats(fx).written[RECORDER_WHY_LOST], 1);
	assert_int_equal(stats(fx).written[RECORDER_WHY_REQUEST], 0);
	assert_non_null(strstr(stats(fx).file, fx->config.recorder_folder));
}

static void fail_one(struct fixture *fx, uint64_t failures)
{
	recorder_request(RECORDER_WANTS_FILE);
	recordings_answer(&fx->daemon);
	TURN_UNTIL(fx, stats(fx).failed == failures);
}

/* One line, however often, until one is written again. */
static void a_folder_that_takes_nothing(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	assert_int_equal(rmdir(fx->config.recorder_folder), 0);
	fail_one(fx, 1);
	fail_one(fx, 2);
	assert_true(stats(fx).failing);
	assert_non_null(strstr(stats(fx).reason, "/recordings: No such file or directory"));
	assert_string_equal(stats(fx).file, "");
	assert_int_equal(stats(fx).answered, 2); /* with that reason */
	assert_int_equal(catcher_count(&fx->log, "cannot be written"), 1);
	assert_int_equal(mkdir(fx->config.recorder_folder, 0700), 0);
	write_one(fx, RECORDER_WHY_LOST);
	assert_false(stats(fx).failing);
	assert_string_equal(stats(fx).reason, "");
	assert_int_equal(files(fx), 1);
}

/* What is known of each port when it is written. */
static void a_recording_says_what_was_known(void **state)
{
	struct fixture *fx = *state;
	struct recorder_copy copy;
	const struct recorder_entry *entry;
	struct recorder_port port = {0};

	fx->config.recorder_folder[0] = '\0';
	start(fx);
	links_set_configured(fx->daemon.links, links_find(fx->daemon.links, "Ethernet12"), true);
	assert_false(stats(fx).writes);
	recorder_request(RECORDER_WANTS_FILE); /* there is no folder: whoever asks gets it from the ring */
	recordings_answer(&fx->daemon);
	assert_int_equal(recorder_copy(&copy), 0);
	while ((entry = recorder_next(&copy)) != NULL)
		if (entry->kind == RECORDER_ENTRY_PORT) /* the last one counts */
			memcpy(&port, entry->data, sizeof(port));
	assert_string_equal(port.name, "Ethernet12");
	assert_int_equal(port.ifindex, 4);
	assert_int_equal(port.mtu, 9100);
	assert_true(port.configured && port.owed && !port.row_known && !port.old);
	recorder_copy_free(&copy);
	trigger(fx, RECORDER_WHY_LOST, "it");
	assert_int_equal(stats(fx).suppressed, 0);
}

static void without_memory_for_it_nothing_is_recorded(void **state)
{
	struct fixture *fx = *state;

	fx->config.recorder_bytes = 0;
	start(fx);
	recorder_request(RECORDER_WANTS_FILE);
	recordings_answer(&fx->daemon);
	trigger(fx, RECORDER_WHY_LOST, "it");
	assert_true(!recorder_is_on() && !stats(fx).writes);
	assert_int_equal(access(fx->config.recorder_folder, F_OK), -1);
}

static void a_dry_run_records_nothing(void **state)
{
	struct fixture *fx = *state;

	fx->config.dry_run = true;
	start(fx);
	assert_true(!recorder_is_on() && !stats(fx).writes);
	assert_int_equal(access(fx->config.recorder_folder, F_OK), -1);
}

/* The reason for the end counts most, however shortly after another fault. */
static void a_fatal_end_is_written(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	write_one(fx, RECORDER_WHY_LOST);
	assert_int_equal(last_pace(), WORKER_STEPS_BACK);
	fx->daemon.status = EXIT_FAILURE;
	trigger(fx, RECORDER_WHY_FATAL, "standard output is gone");
	assert_int_equal(stats(fx).suppressed, 0);
	recordings_finish(&fx->daemon);
	assert_int_equal(last_pace(), WORKER_AT_ONCE);
	assert_int_equal(stats(fx).written[RECORDER_WHY_FATAL], 1);
	assert_true(tells(fx, "standard output is gone"));
}

static void what_is_owed_at_the_end_is_written(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	trigger(fx, RECORDER_WHY_LOST, "it");
	recordings_finish(&fx->daemon);
	assert_int_equal(stats(fx).written[RECORDER_WHY_LOST], 1);
	recordings_finish(&fx->daemon); /* no more of it */
	assert_int_equal(written(fx), 1);
}

static void an_orderly_end_writes_nothing(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	recordings_finish(&fx->daemon);
	assert_int_equal(files(fx), 0);
}

/* In a container that restarts again and again each would push out a recording that says something. */
static void a_start_that_failed_writes_nothing(void **state)
{
	struct fixture *fx = *state;

	recordings_start(&fx->daemon);
	recordings_serve(&fx->daemon);
	fx->daemon.status = EXIT_FAILURE;
	recorder_trigger(RECORDER_WHY_FATAL, "the password cannot be read");
	recordings_finish(&fx->daemon);
	assert_int_equal(files(fx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fault_is_written_with_what_follows),
		TEST(faults_close_together_are_one),
		TEST(the_same_fault_is_written_less_often),
		TEST(a_request_is_never_too_early),
		TEST(a_request_while_a_fault_is_owed),
		TEST(a_folder_that_takes_nothing),
		TEST(a_recording_says_what_was_known),
		TEST(without_memory_for_it_nothing_is_recorded),
		TEST(a_dry_run_records_nothing),
		TEST(a_fatal_end_is_written),
		TEST(what_is_owed_at_the_end_is_written),
		TEST(an_orderly_end_writes_nothing),
		TEST(a_start_that_failed_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
