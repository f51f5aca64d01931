/* SPDX-License-Identifier: Apache-2.0 */
/* No number of an event or of a record comes twice, whatever the disk takes of the state file; killed or not. */
#include "daemon/counters.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/util.h"
#include "faults.h"
#include "log/audit.h"
#include "log_catcher.h"
#include "paces.h"
#include "patience.h"
#include "ports/changes.h"
#include "state/state.h"
#include "test.h"

#define LIVES 8

struct range {
	uint64_t first, last;
};

struct fixture {
	struct log_catcher log;
	struct config config;
	struct daemon daemon;
	char obstacle[PATH_MAX + 8];
	struct range issued[LIVES];
	size_t n_issued;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_start(&fx->log, LOG_INFO);
	(void)snprintf(fx->config.state_file, sizeof(fx->config.state_file), "%s/state.json", fx->log.folder);
	(void)snprintf(fx->obstacle, sizeof(fx->obstacle), "%s.tmp", fx->config.state_file);
	fx->config.state_save_interval_secs = 3600;
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	static const char *const endings[] = {"", ".lock", ".refused"};
	struct fixture *fx = *state;
	char path[sizeof(fx->config.state_file) + 16];

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", fx->config.state_file, endings[i]);
		(void)unlink(path);
	}
	(void)rmdir(fx->obstacle);
	catcher_stop(&fx->log);
	free(fx);
	return 0;
}

/* Where the file is written first there is a folder: also root's write fails. */
static void disk_takes(struct fixture *fx, bool takes)
{
	assert_int_equal(takes ? rmdir(fx->obstacle) : mkdir(fx->obstacle, 0700), 0);
}

static void begin(struct fixture *fx)
{
	fx->daemon = (struct daemon){.config = &fx->config, .sleep_fd = -1, .single = -1};
	audit_go_on(0);
	counters_load(&fx->daemon);
	assert_non_null(fx->daemon.counters);
}

/* With a thread that saves. */
static void work(struct fixture *fx)
{
	struct daemon *d = &fx->daemon;

	d->links = links_new(4);
	d->changes = changes_new(4);
	assert_true(d->links && d->changes);
	assert_int_equal(sd_event_new(&d->event), 0);
	counters_build(d);
}

/* A machine takes longer than a microsecond for one. */
static void pass_time(uint64_t numbers)
{
	const uint64_t until = realtime_nsec() + MIN(numbers, UINT64_C(100)) * NSEC_PER_USEC;

	while (realtime_nsec() < until)
		continue;
}

static void issue(struct fixture *fx, uint64_t numbers)
{
	struct range now = {.first = audit_last() + 1, .last = audit_last() + numbers};

	for (size_t i = 0; i < fx->n_issued; i++)
		assert_true(now.first > fx->issued[i].last || now.last < fx->issued[i].first);
	audit_skip(numbers);
	pass_time(numbers);
	assert_true(fx->n_issued < LIVES);
	fx->issued[fx->n_issued++] = now;
}

static void kill_it(struct fixture *fx)
{
	struct daemon *d = &fx->daemon;

	counters_free(d);
	changes_free(d->changes);
	links_free(d->links);
	sd_event_unref(d->event);
}

static void stop(struct fixture *fx)
{
	counters_finish(&fx->daemon);
	kill_it(fx);
}

/* It still says that an orderly stop wrote it, whatever came after. */
static void the_file_of_an_orderly_stop_serves_once(void **state)
{
	struct fixture *fx = *state;

	begin(fx);
	issue(fx, 100);
	stop(fx);
	disk_takes(fx, false);
	for (unsigned i = 0; i < 3; i++) {
		begin(fx);
		assert_true(counters_last_event(&fx->daemon) > STATE_APART);
		assert_non_null(strstr(counters_note(&fx->daemon), "numbers go on, and "));
		assert_non_null(strstr(counters_note(&fx->daemon), "the state file cannot be written"));
		issue(fx, 10);
		kill_it(fx);
	}
	disk_takes(fx, true);
	begin(fx);
	assert_string_equal(counters_note(&fx->daemon), "; numbers go on");
	issue(fx, 10);
	kill_it(fx);
	begin(fx);
	issue(fx, 10);
	stop(fx);
}

static void so_does_one_of_a_process_that_was_killed(void **state)
{
	struct fixture *fx = *state;

	begin(fx);
	issue(fx, 100);
	kill_it(fx);
	disk_takes(fx, false);
	for (unsigned i = 0; i < 3; i++) {
		begin(fx);
		assert_non_null(strstr(counters_note(&fx->daemon), "the last stop was not orderly, and "));
		issue(fx, 10);
		stop(fx);
	}
	disk_takes(fx, true);
	begin(fx);
	issue(fx, 10);
	stop(fx);
}

/* Nor of a first start, and the record of the refusal has such a number too. */
static void without_a_file_numbers_are_apart_too(void **state)
{
	struct fixture *fx = *state;

	disk_takes(fx, false);
	for (unsigned i = 0; i < 2; i++) {
		begin(fx);
		issue(fx, 10);
		kill_it(fx);
	}
	assert_int_equal(mkdir(fx->config.state_file, 0700), 0); /* is refused */
	audit_enable(true);
	begin(fx);
	audit_enable(false);
	assert_true(audit_last() > STATE_APART);
	assert_non_null(strstr(counters_note(&fx->daemon), "the state file was refused, numbers begin again, and "));
	issue(fx, 10);
	kill_it(fx);
}

/* A descriptor too few, and it would be a first start: numbers would begin again, and the file be overwritten. */
static void a_folder_that_cannot_be_opened_hides_no_file(void **state)
{
	struct fixture *fx = *state;
	char refused[sizeof(fx->config.state_file) + 16];
	struct stat good, kept;

	begin(fx);
	issue(fx, 10);
	stop(fx);
	assert_int_equal(stat(fx->config.state_file, &good), 0);
	audit_enable(true);
	faults_begin(FAULT_CALL, 0, false);
	begin(fx);
	assert_string_equal(faults_end(), "open");
	assert_int_equal(catcher_count(&fx->log, "refused"),
			 0); /* until all is built: a daemon that cannot start says why */
	work(fx);
	audit_enable(false);
	assert_int_equal(catcher_count(&fx->log, "is refused: Too many open files; it is kept aside as *.refused"),
			 2); /* also in the trail */
	assert_non_null(strstr(counters_note(&fx->daemon), "are skipped because the state file cannot be read"));
	issue(fx, 10);
	stop(fx);
	assert_int_equal(last_pace(), WORKER_AT_ONCE);
	(void)snprintf(refused, sizeof(refused), "%s.refused", fx->config.state_file);
	assert_int_equal(stat(refused, &kept), 0);
	assert_int_equal(kept.st_ino, good.st_ino); /* later saves leave it there */
	begin(fx);
	issue(fx, 10);
	stop(fx);
}

/* The next process skips STATE_STRIDE, and no more. */
static void a_disk_that_fails_for_long_moves_the_numbers(void **state)
{
	struct fixture *fx = *state;

	begin(fx);
	work(fx);
	disk_takes(fx, false);
	issue(fx, STATE_STRIDE * 3 / 4);
	assert_true(audit_last() < STATE_APART);
	counters_turn(&fx->daemon);
	assert_true(audit_last() > STATE_APART && counters_last_event(&fx->daemon) > STATE_APART);
	assert_int_equal(catcher_count(&fx->log, "was not saved for long: numbers jump by"), 1);
	assert_true(sd_event_run(fx->daemon.event, patience_ends_usec() - now_usec()) > 0); /* the save has failed */
	issue(fx, STATE_STRIDE * 2);
	counters_turn(&fx->daemon); /* once */
	assert_int_equal(catcher_count(&fx->log, "jump"), 0);
	kill_it(fx);
	disk_takes(fx, true);
	begin(fx);
	assert_true(audit_last() < STATE_APART);
	issue(fx, STATE_STRIDE * 3 / 4);
	kill_it(fx);
}

/* What it saves after all, the next one goes on from. */
static void a_disk_that_takes_again_has_the_numbers(void **state)
{
	struct fixture *fx = *state;
	uint64_t last;

	disk_takes(fx, false);
	begin(fx);
	issue(fx, 10);
	disk_takes(fx, true);
	last = audit_last();
	stop(fx);
	begin(fx);
	assert_int_equal(audit_last(), last);
	issue(fx, 10);
	stop(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_file_of_an_orderly_stop_serves_once),      TEST(so_does_one_of_a_process_that_was_killed),
		TEST(without_a_file_numbers_are_apart_too),         TEST(a_folder_that_cannot_be_opened_hides_no_file),
		TEST(a_disk_that_fails_for_long_moves_the_numbers), TEST(a_disk_that_takes_again_has_the_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
