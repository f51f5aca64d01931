/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: what can change does, the rest is named, and a bad file changes nothing. */
#include "daemon/reload.h"

#include <stdlib.h>

#include "daemon/confine.h"
#include "daemon/status.h"
#include "log_catcher.h"
#include "settings/settings.h"
#include "test.h"

#define WHO "pid 7 uid 0"
#define NO_CHANGE "in force now: no change"
#define RESTART "in force after a restart only"
#define REFUSED "the one in force stays"

struct fixture {
	struct log_catcher log;
	struct config config;
	struct daemon daemon;
	char file[128];
	char *argv[4];
};

static bool reaches_log;
static unsigned certificates;

bool __wrap_confine_allows_log(const struct daemon *d, const struct config *config);
void __wrap_status_reload(struct daemon *d, const char *who);

/* By the sandbox, which only the program itself enters. */
bool __wrap_confine_allows_log(const struct daemon *d, const struct config *config)
{
	(void)d;
	(void)config;
	return reaches_log;
}

void __wrap_status_reload(struct daemon *d, const char *who)
{
	(void)d;
	(void)who;
	certificates++;
}

/* The rest of [log], then other sections. */
static void put(const struct fixture *fx, const char *text)
{
	FILE *file = fopen(fx->file, "we");

	assert_non_null(file);
	(void)fprintf(file, "[log]\ntarget = rfc5424\nrfc5424_to = unix:%s\n%s", fx->log.path, text);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	static char name[] = "portsyncd", option[] = "--config";
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	(void)unsetenv("PORTSYNCD_LOG_LEVEL");
	catcher_start(&fx->log, LOG_INFO);
	(void)snprintf(fx->file, sizeof(fx->file), "%s/portsyncd.conf", fx->log.folder);
	put(fx, "");
	fx->argv[0] = name;
	fx->argv[1] = option;
	fx->argv[2] = fx->file;
	assert_int_equal(settings_load(&fx->config, 3, fx->argv, stdout, stderr), CONFIG_RUN);
	settings_open_log(&fx->config);
	fx->daemon.config = &fx->config;
	reaches_log = true;
	certificates = 0;
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	free(fx->daemon.reread);
	(void)unlink(fx->file);
	catcher_stop(&fx->log);
	free(fx);
	return 0;
}

static void hang_up(struct fixture *fx, const char *text)
{
	put(fx, text);
	reload(&fx->daemon, WHO);
}

/* How many lines since the last look contain the text. */
static unsigned said(struct fixture *fx, const char *text)
{
	return catcher_count(&fx->log, text);
}

static void without_a_change_it_says_so(void **state)
{
	struct fixture *fx = *state;

	reload(&fx->daemon, WHO);
	assert_true(catcher_next(&fx->log));
	assert_non_null(strstr(fx->log.line, NO_CHANGE));
	assert_false(catcher_next(&fx->log));
	assert_int_equal(certificates, 1); /* their files may have changed all the same */
}

static void a_level_is_in_force_at_once(void **state)
{
	struct fixture *fx = *state;

	log_debug(KIND_WATCH_STATE, "before");
	assert_int_equal(said(fx, "before"), 0);
	hang_up(fx, "level = debug\n");
	assert_int_equal(log_level(), LOG_DEBUG);
	log_debug(KIND_WATCH_STATE, "after");
	assert_true(said(fx, "after") > 0);
}

/* The audit trail says who. */
static void a_change_is_recorded_with_its_requester(void **state)
{
	struct fixture *fx = *state;
	bool found = false;

	hang_up(fx, "limit_secs = 7\n");
	while (catcher_next(&fx->log))
		found = found || (strstr(fx->log.line, "in force now: log.limit_secs") && strstr(fx->log.line, WHO));
	assert_true(found);
}

static void the_next_one_compares_with_the_last(void **state)
{
	struct fixture *fx = *state;

	hang_up(fx, "level = info\n");
	assert_int_equal(said(fx, NO_CHANGE), 0);
	reload(&fx->daemon, WHO);
	assert_int_equal(said(fx, NO_CHANGE), 1);
	hang_up(fx, "");
	assert_int_equal(log_level(), LOG_NOTICE);
}

/* What was changed in LOGGER or by SIGUSR1 meanwhile stays, unless the file's own level changes. */
static void a_level_from_elsewhere_stays(void **state)
{
	struct fixture *fx = *state;

	log_set_level(LOG_INFO);
	hang_up(fx, "limit_lines = 3\n");
	assert_int_equal(log_level(), LOG_INFO);
}

static void other_sections_wait_for_a_restart(void **state)
{
	struct fixture *fx = *state;

	hang_up(fx, "[sonic]\nkeep_rows_secs = 5\n[health]\nmax_memory_mb = 99\n");
	assert_int_equal(said(fx, RESTART ": health.max_memory_mb, sonic.keep_rows_secs"), 1);
	assert_int_equal(fx->daemon.config->keep_rows_secs, 60);
	/* Each time again, as long as it differs from what runs. */
	reload(&fx->daemon, WHO);
	assert_int_equal(said(fx, RESTART), 1);
	hang_up(fx, "");
	assert_int_equal(said(fx, RESTART), 0);
}

static void a_bad_file_changes_nothing(void **state)
{
	struct fixture *fx = *state;

	hang_up(fx, "level = loud\nlimit_secs = -1\n");
	assert_int_equal(log_level(), LOG_NOTICE);
	assert_null(fx->daemon.reread);
	assert_int_equal(certificates, 0);
	assert_true(catcher_next(&fx->log));
	assert_non_null(strstr(fx->log.line, REFUSED));
	assert_non_null(strstr(fx->log.line, WHO));
	/* Each fault has its line. */
	assert_true(catcher_next(&fx->log));
	assert_non_null(strstr(fx->log.line, "portsyncd.conf:4: log.level: \"loud\" is not a level"));
	assert_true(catcher_next(&fx->log));
	assert_non_null(strstr(fx->log.line, "portsyncd.conf:5: log.limit_secs"));
	assert_false(catcher_next(&fx->log));
}

/* Supervisord's daemon started with a bad file; that does not make a bad file good later. */
static void supervised_too(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(setenv("SUPERVISOR_ENABLED", "1", 1), 0);
	assert_int_equal(setenv("SUPERVISOR_PROCESS_NAME", "portsyncd", 1), 0);
	hang_up(fx, "level = loud\n");
	assert_int_equal(unsetenv("SUPERVISOR_ENABLED"), 0);
	assert_int_equal(unsetenv("SUPERVISOR_PROCESS_NAME"), 0);
	assert_int_equal(said(fx, REFUSED), 1);
	assert_null(fx->daemon.reread);
}

static void after_a_bad_file_a_good_one_counts(void **state)
{
	struct fixture *fx = *state;

	hang_up(fx, "level = loud\n");
	hang_up(fx, "level = info\n");
	assert_int_equal(log_level(), LOG_INFO);
}

static void a_missing_file_changes_nothing(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(unlink(fx->file), 0);
	reload(&fx->daemon, WHO);
	assert_int_equal(said(fx, REFUSED), 1);
	assert_null(fx->daemon.reread);
}

/* A new destination needs a restart; everything else in the section is in force. */
static void what_the_sandbox_keeps_away_waits(void **state)
{
	struct fixture *fx = *state;

	reaches_log = false;
	hang_up(fx, "level = info\n");
	assert_int_equal(log_level(), LOG_INFO);
	assert_int_equal(said(fx, "lies outside of the sandbox"), 1);
}

/* A trail that ends says so in its last record, not after it. */
static void the_end_of_the_trail_is_recorded(void **state)
{
	struct fixture *fx = *state;
	unsigned before;

	assert_true(audit_enabled());
	before = (unsigned)audit_last();
	hang_up(fx, "audit = false\n");
	assert_false(audit_enabled());
	assert_int_equal(audit_last(), before + 1);
	assert_true(said(fx, "in force now: log.audit") > 0);
}

static void a_trail_that_moves_is_recorded_in_both_places(void **state)
{
	struct fixture *fx = *state;
	struct log_catcher second = {.fd = -1};
	FILE *file;

	(void)snprintf(second.path, sizeof(second.path), "%s/log2", fx->log.folder);
	catcher_listen(&second);
	file = fopen(fx->file, "we");
	assert_non_null(file);
	(void)fprintf(file, "[log]\ntarget = rfc5424\nrfc5424_to = unix:%s\n", second.path);
	assert_int_equal(fclose(file), 0);
	reload(&fx->daemon, WHO);
	assert_int_equal(said(fx, "changed by SIGHUP: log.rfc5424_to"), 1);
	assert_true(catcher_count(&second, "in force now: log.rfc5424_to") > 0);
	(void)close(second.fd);
	(void)unlink(second.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_change_it_says_so),
		TEST(a_level_is_in_force_at_once),
		TEST(a_change_is_recorded_with_its_requester),
		TEST(the_next_one_compares_with_the_last),
		TEST(a_level_from_elsewhere_stays),
		TEST(other_sections_wait_for_a_restart),
		TEST(a_bad_file_changes_nothing),
		TEST(supervised_too),
		TEST(after_a_bad_file_a_good_one_counts),
		TEST(a_missing_file_changes_nothing),
		TEST(what_the_sandbox_keeps_away_waits),
		TEST(the_end_of_the_trail_is_recorded),
		TEST(a_trail_that_moves_is_recorded_in_both_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
