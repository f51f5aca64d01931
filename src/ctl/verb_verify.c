/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/compare.h"
#include "ctl/out.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"

/*
 * A portsyncd writes a change within milliseconds, but orchagent may take seconds to take a port over, and route_check,
 * which asks the same of routes, waits 1 s for what comes by events and up to 45 s for what another daemon has to do.
 * An alarm that is 5 s late is no worse; a false one at each breakout is.
 */
#define GRACE_SECS 5.0
#define GRACE_MAX_SECS 3600.0
#define WATCH_MIN_SECS 0.1
#define WATCH_MAX_SECS 86400.0
/* How many looks fit into the grace. */
#define LOOKS 20.0
#define LOOK_LEAST_SECS 0.05

struct verify {
	struct ctl *ctl;
	double grace, watch; /* seconds; watch < 0: once */
	bool quiet;
	struct database *config_db, *appl_db, *state_db;
	struct differences looks[2], *now, *before; /* the last look, and the one before */
	uint64_t began_usec, last_usec;
	size_t n_looks;
};

/* --- looking --- */

static void close_databases(struct verify *v)
{
	database_close(v->config_db);
	database_close(v->appl_db);
	database_close(v->state_db);
	v->config_db = v->appl_db = v->state_db = NULL;
}

static int open_databases(struct verify *v)
{
	if (v->state_db)
		return 0;
	if (database_open(v->ctl, "CONFIG_DB", &v->config_db) < 0 ||
	    database_open(v->ctl, "APPL_DB", &v->appl_db) < 0 || database_open(v->ctl, "STATE_DB", &v->state_db) < 0)
		return -1;
	return 0;
}

/* Notes since when each difference has been there. */
static void date_differences(struct verify *v)
{
	for (size_t i = 0; i < v->now->n; i++) {
		struct difference *now = &v->now->list[i];
		const struct difference *before = differences_find(v->before, now);

		now->since_usec = before ? before->since_usec : v->last_usec;
	}
}

static int read_all(struct verify *v, struct db_rows *config, struct db_rows *appl, struct db_rows *state,
		    struct ctl_links *links)
{
	if (open_databases(v) < 0 || database_keys(v->ctl, v->config_db, "PORT", config) < 0 ||
	    database_keys(v->ctl, v->appl_db, "PORT_TABLE", appl) < 0)
		return -1;
	/* These two right after each other: they are what changes every second. */
	if (database_table(v->ctl, v->state_db, "PORT_TABLE", compare_fields, state) < 0)
		return -1;
	return ctl_links_read(v->ctl, links);
}

/* One look. 0; or -1, ctl_fail() is due. */
static int look(struct verify *v)
{
	struct db_rows config = {0}, appl = {0}, state = {0};
	struct ctl_links links = {0};
	struct differences *spare = v->before;
	int r;

	v->before = v->now;
	v->now = spare;
	r = read_all(v, &config, &appl, &state, &links);
	v->last_usec = now_usec();
	v->n_looks++;
	if (r == 0)
		compare(&(struct compare_input){&links, &config, &appl, &state}, v->now);
	if (r == 0 && v->now->failed)
		r = ctl_set_error(v->ctl, CTL_NO_SOURCE, NULL, "no memory");
	if (r == 0)
		date_differences(v);
	db_rows_done(&config);
	db_rows_done(&appl);
	db_rows_done(&state);
	ctl_links_done(&links);
	return r;
}

/* --- the grace --- */

static double age(const struct verify *v, const struct difference *difference)
{
	return (double)(v->last_usec - difference->since_usec) / (double)USEC_PER_SEC;
}

static bool counts(const struct verify *v, const struct difference *difference)
{
	return age(v, difference) >= v->grace;
}

static size_t count(const struct verify *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->now->n; i++)
		n += counts(v, &v->now->list[i]);
	return n;
}

/* Looks until nothing differs, or every difference has lasted for the grace. A late one has its own grace, but if they
 * keep coming and going, it ends after twice the grace. 0 or -1. */
static int check(struct verify *v)
{
	double pause = MAX(v->grace / LOOKS, LOOK_LEAST_SECS);
	uint64_t end = 0;

	v->began_usec = now_usec();
	v->now->n = v->before->n = v->n_looks = 0;
	for (;;) {
		if (look(v) < 0)
			return -1;
		if (v->n_looks == 1) /* the look itself may have taken long */
			end = v->last_usec + (uint64_t)(2 * v->grace * (double)USEC_PER_SEC);
		if (count(v) == v->now->n || v->last_usec >= end)
			return 0;
		wait_seconds(pause);
	}
}

/* --- the answer --- */

static json_t *optional_text(const char *text)
{
	return text ? json_string(text) : json_null(); /* it is printable() already */
}

static json_t *difference_json(const struct verify *v, const struct difference *d)
{
	json_t *json = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:f}", "kind", difference_name(d->kind), "port",
				 json_string(d->port), "database", d->database, "field", optional_text(d->field), "is",
				 optional_text(d->is), "should_be", optional_text(d->should_be), "seconds", age(v, d));

	if (json && d->note)
		(void)json_object_set_new(json, "note", json_string(d->note));
	return json;
}

static json_t *answer_json(const struct verify *v)
{
	json_t *list = json_array();
	size_t n = count(v);

	for (size_t i = 0; i < v->now->n; i++)
		if (counts(v, &v->now->list[i]))
			(void)json_array_append_new(list, difference_json(v, &v->now->list[i]));
	return json_pack("{s:b, s:I, s:I, s:f, s:o, s:I}", "equal", n == 0, "ports", (json_int_t)v->now->ports, "looks",
			 (json_int_t)v->n_looks, "grace_seconds", v->grace, "differences", list, "unsettled",
			 (json_int_t)(v->now->n - n));
}

static void print_table(const struct verify *v)
{
	static const char *const headings[] = {"PORT", "DATABASE", "FIELD", "IS", "SHOULD BE", "FOR"};
	struct out_table *t = out_table_new(v->ctl, ARRAY_SIZE(headings), headings);

	for (size_t i = 0; i < v->now->n; i++) {
		const struct difference *d = &v->now->list[i];

		if (!counts(v, d))
			continue;
		out_cell(t, OUT_PLAIN, "%s", d->port);
		out_cell(t, OUT_PLAIN, "%s", d->database);
		out_cell(t, OUT_PLAIN, "%s", d->field ? d->field : "(row)");
		out_cell(t, OUT_BAD, "%s", d->is ? d->is : "missing");
		out_cell(t, OUT_GOOD, "%s", d->should_be ? d->should_be : "no row: no link");
		out_cell(t, OUT_DIM, "%.1f s", age(v, d));
	}
	out_table_print(t);
}

static void print_notes(const struct verify *v)
{
	for (size_t i = 0; i < v->now->n; i++)
		if (counts(v, &v->now->list[i]) && v->now->list[i].note)
			ctl_say(v->ctl, "%s: %s", v->now->list[i].port, v->now->list[i].note);
}

static void print_verdict(const struct verify *v, size_t n)
{
	enum out_style style = n > 0 ? OUT_BAD : OUT_GOOD;
	char stamp[32] = "";
	time_t seconds = time(NULL);
	struct tm utc;

	if (v->watch >= 0)
		(void)strftime(stamp, sizeof(stamp), "%FT%TZ ", gmtime_r(&seconds, &utc));
	(void)printf("%s%s%s%s: ", stamp, out_on(v->ctl, style), n > 0 ? "DIFFERENT" : "EQUAL", out_off(v->ctl, style));
	if (n > 0)
		(void)printf("%zu difference%s, %zu ports with a link", n, n == 1 ? "" : "s", v->now->ports);
	else
		(void)printf("STATE_DB, APPL_DB and CONFIG_DB agree with the kernel's links, %zu ports", v->now->ports);
	if (v->now->n > n)
		(void)printf("; %zu more came and went", v->now->n - n);
	(void)putchar('\n');
}

static int answer(const struct verify *v)
{
	size_t n = count(v);

	if (n == 0 && v->quiet)
		return CTL_GOOD;
	if (v->ctl->json && v->watch >= 0)
		out_json_line(v->ctl, answer_json(v));
	else if (v->ctl->json)
		out_json(v->ctl, answer_json(v));
	else
		print_verdict(v, n);
	if (!v->ctl->json && n > 0) {
		print_table(v);
		print_notes(v);
	}
	return n > 0 ? CTL_NEGATIVE : CTL_GOOD;
}

/* Goes on until it is interrupted. If Redis or the kernel cannot be reached, it says so and tries again. */
static int run(struct verify *v)
{
	for (;;) {
		int code = check(v) < 0 ? ctl_fail(v->ctl) : answer(v);

		if (v->watch < 0)
			return code;
		if (code == CTL_NO_SOURCE)
			close_databases(v);
		(void)fflush(stdout);
		wait_seconds(v->watch);
	}
}

int verb_verify(struct ctl *ctl, int argc, char **argv)
{
	struct verify v = {.ctl = ctl, .quiet = ctl_option(ctl, "quiet") != NULL};
	int code;

	(void)argc;
	(void)argv;
	if (ctl_seconds(ctl, "grace", GRACE_SECS, 0, GRACE_MAX_SECS, &v.grace) < 0 ||
	    ctl_seconds(ctl, "watch", -1, WATCH_MIN_SECS, WATCH_MAX_SECS, &v.watch) < 0)
		return ctl_fail(ctl);
	v.now = &v.looks[0];
	v.before = &v.looks[1];
	code = run(&v);
	close_databases(&v);
	differences_done(&v.looks[0]);
	differences_done(&v.looks[1]);
	return code;
}
