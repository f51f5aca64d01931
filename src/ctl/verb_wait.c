/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait init-done|in-sync: for scripts and units. It also waits for what cannot be read yet. Redis does not announce a
 * FLUSHALL, so this looks again and again, several times a second.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/compare.h"
#include "ctl/databases.h"
#include "ctl/links.h"
#include "ctl/out.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"

#define LOOK_SECS 0.1        /* between two looks for PortInitDone */
#define COMPARE_SECS 0.25    /* between two comparisons, which cost more */
#define RESTS 9              /* a pause is this many times as long as the look before it */
#define TIMEOUT_MAX 31536000 /* a year */

struct goal {
	const char *name;
	double pause;
	/* True once it is reached; else why says what is missing. Never says so because of an error. */
	bool (*reached)(struct ctl *ctl, char *why, size_t size);
};

static bool init_is_done(struct ctl *ctl, char *why, size_t size)
{
	static const char *const keys[] = {COMPARE_INIT_DONE}, *const fields[] = {"lanes", NULL};
	struct database *appl cleanup(database_close_ptr) = NULL;
	struct db_rows rows = {0};
	bool there;

	(void)snprintf(why, size, "APPL_DB has no %s", COMPARE_INIT_DONE);
	if (database_open(ctl, "APPL_DB", &appl) < 0 ||
	    database_rows(ctl, appl, "PORT_TABLE", fields, keys, 1, &rows) < 0) {
		(void)snprintf(why, size, "%s", ctl->error.message);
		return false;
	}
	there = db_find(&rows, COMPARE_INIT_DONE) != NULL;
	db_rows_done(&rows);
	return there;
}

static int read_keys(struct ctl *ctl, const char *name, const char *table, struct db_rows *ret)
{
	struct database *db cleanup(database_close_ptr) = NULL;

	return database_open(ctl, name, &db) < 0 ? -1 : database_keys(ctl, db, table, ret);
}

/* What verify compares. */
struct look {
	struct db_rows config, appl, state;
	struct ctl_links links;
	struct differences found;
};

static int read_all(struct ctl *ctl, struct look *look)
{
	struct database *state cleanup(database_close_ptr) = NULL;

	if (read_keys(ctl, "CONFIG_DB", "PORT", &look->config) < 0 ||
	    read_keys(ctl, "APPL_DB", "PORT_TABLE", &look->appl) < 0 || database_open(ctl, "STATE_DB", &state) < 0 ||
	    database_table(ctl, state, "PORT_TABLE", compare_fields, &look->state) < 0)
		return -1;
	return ctl_links_read(ctl, &look->links);
}

static void look_done(struct look *look)
{
	differences_done(&look->found);
	db_rows_done(&look->config);
	db_rows_done(&look->appl);
	db_rows_done(&look->state);
	ctl_links_done(&look->links);
}

static bool judge(const struct look *look, char *why, size_t size)
{
	const struct difference *first = look->found.list;

	if (look->found.n > 0)
		(void)snprintf(why, size, "%s: %s: %s%s%s", first->database, first->port, difference_name(first->kind),
			       first->field ? " of " : "", first->field ? first->field : "");
	else
		(void)snprintf(why, size, "the links change all the time");
	return look->found.n == 0 && !look->links.interrupted;
}

static int look_at_all(struct ctl *ctl, struct look *look)
{
	if (read_all(ctl, look) < 0)
		return -1;
	compare(&(struct compare_input){&look->links, &look->config, &look->appl, &look->state}, &look->found);
	return look->found.failed ? ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "no memory") : 0;
}

static bool is_in_sync(struct ctl *ctl, char *why, size_t size)
{
	struct look look = {.links = {.links = NULL}};
	bool equal = false;

	if (look_at_all(ctl, &look) < 0)
		(void)snprintf(why, size, "%s", ctl->error.message);
	else
		equal = judge(&look, why, size);
	look_done(&look);
	return equal;
}

static const struct goal goals[] = {
	{"init-done", LOOK_SECS, init_is_done},
	{"in-sync", COMPARE_SECS, is_in_sync},
};

static const struct goal *goal_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(goals); i++)
		if (strcmp(goals[i].name, name) == 0)
			return &goals[i];
	return NULL;
}

static double seconds_since(uint64_t begun_usec)
{
	return (double)(now_usec() - begun_usec) / (double)USEC_PER_SEC;
}

static int show(const struct ctl *ctl, const struct goal *goal, bool reached, double seconds, const char *why)
{
	if (ctl->json) {
		json_t *json = json_pack("{s:s, s:b, s:f}", "for", goal->name, "reached", reached, "seconds", seconds);

		if (!reached)
			(void)json_object_set_new(json, "missing", out_json_text(why));
		out_json(ctl, json);
	} else if (!reached) {
		ctl_say(ctl, "%s: not within %.1f s: %s", goal->name, seconds, why);
	}
	return reached ? CTL_GOOD : CTL_NEGATIVE;
}

/* Once for each reason: what cannot be read may still appear, or be a mistake that somebody must mend. */
static void report_error(struct ctl *ctl, char *reported, size_t size)
{
	if (ctl->error.message[0] == '\0' || strcmp(reported, ctl->error.message) == 0)
		return;
	(void)snprintf(reported, size, "%s", ctl->error.message);
	ctl_say(ctl, "waits: %s", reported);
}

static int wait_for(struct ctl *ctl, const struct goal *goal, double timeout)
{
	char why[sizeof(ctl->error.message)], reported[sizeof(ctl->error.message)] = "";
	uint64_t begun_usec = now_usec();

	for (;;) {
		uint64_t look_usec = now_usec();
		bool reached;
		double passed;

		ctl->error.message[0] = '\0';
		wait_answers_for(timeout - seconds_since(begun_usec));
		reached = goal->reached(ctl, why, sizeof(why));
		passed = seconds_since(begun_usec);
		if (reached || passed >= timeout)
			return show(ctl, goal, reached, passed, why);
		report_error(ctl, reported, sizeof(reported));
		wait_seconds(MIN(MAX(goal->pause, RESTS * seconds_since(look_usec)), timeout - passed));
	}
}

int verb_wait(struct ctl *ctl, int argc, char **argv)
{
	const struct goal *goal = goal_find(argv[0]);
	double timeout;

	(void)argc;
	if (!goal) {
		(void)ctl_set_error(ctl, CTL_USAGE, NULL, "wait for what? allowed: init-done, in-sync");
		return ctl_fail(ctl);
	}
	if (ctl_seconds(ctl, "timeout", TIMEOUT_MAX, 0, TIMEOUT_MAX, &timeout) < 0)
		return ctl_fail(ctl);
	return wait_for(ctl, goal, timeout);
}
