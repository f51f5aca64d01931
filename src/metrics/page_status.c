/* SPDX-License-Identifier: Apache-2.0 */
/* /status: the verdict, and each problem with its cause, how long it lasts, and its remedy. */
#include "metrics/page.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "metrics/checkadvice.h"

static const char *reason_of(const struct snapshot *s, enum health_check_index check)
{
	if (check == HEALTH_REDIS)
		return s->redis_reason;
	if (check == HEALTH_RECORDER)
		return s->recorder.reason;
	return check == HEALTH_HTTP ? s->http.reason : "";
}

/* Whether the port is one of those that make this check fail. */
static bool concerns(enum health_check_index check, const struct snapshot_port *port)
{
	switch ((unsigned)check) {
	case HEALTH_AWAITED:
		return port->appl.expected;
	case HEALTH_OLD_LINKS:
		return port->link.old;
	case HEALTH_NO_PORTS:
		return port->link.ifindex != 0;
	case HEALTH_PORTS:
		return port->appl.configured && !port->in_sync;
	default:
		return false;
	}
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *ports_of(const struct snapshot *s, enum health_check_index check)
{
	const char **found cleanup(free_ptr) = calloc(s->n_ports + 1, sizeof(*found));
	json_t *names = json_array();
	char text[PORT_TEXT_BYTES];
	size_t n = 0;

	for (size_t i = 0; found && i < s->n_ports; i++)
		if (concerns(check, &s->ports[i]))
			found[n++] = s->ports[i].name;
	if (n > 0)
		qsort(found, n, sizeof(*found), by_name);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(names, json_string(text_utf8(found[i], text)));
	return names;
}

static json_t *problem(const struct visit *visit, const struct snapshot *s, const struct health_check *check,
		       enum health_check_index i)
{
	const char *reason = reason_of(s, i);
	const struct advice *advice = check_advice(i, reason);
	uint64_t now = now_nsec();
	json_t *json =
		json_pack("{s:s, s:s, s:o, s:f, s:o, s:f, s:s, s:o, s:s, s:s, s:s?}", "check", health_check_name(i),
			  "level", health_level_name(check->level), "since", stamp(visit->pages, check->since_nsec),
			  "seconds", to_seconds(now - MIN(check->since_nsec, now)), "value",
			  check->known ? json_real(check->value) : json_null(), "limit", check->limit, "unit",
			  health_check_unit(i), "ports", ports_of(s, i), "subject", advice->subject, "cause",
			  advice->cause, "remedy", advice->remedy);

	/* Redis' own words may not be UTF-8: then the problem is shown without them. */
	if (reason[0] != '\0')
		(void)json_object_set_new(json, "reason", json_string(reason));
	return json;
}

static json_t *counts(const struct snapshot_sums *sums)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "configured", (json_int_t)sums->configured,
			 "present", (json_int_t)sums->present, "up", (json_int_t)sums->up, "in_sync",
			 (json_int_t)sums->in_sync, "awaited", (json_int_t)sums->awaited, "old", (json_int_t)sums->old,
			 "owed", (json_int_t)sums->owed, "waiting", (json_int_t)sums->waiting);
}

static json_t *state(const struct visit *visit, const struct exchange_answer *answer)
{
	const struct snapshot *s = answer->snapshot;

	return json_pack("{s:i, s:s, s:i, s:f, s:b, s:b, s:b, s:b, s:b, s:f, s:o}", "schema", 1, "version",
			 PORTSYNCD_VERSION, "pid", (int)getpid(), "uptime_seconds",
			 to_seconds(now_nsec() - visit->pages->started_monotonic), "config_done", s->config_done,
			 "init_done", s->init_done, "kernel_synced", s->sync.synced, "warm_start", s->warm, "dry_run",
			 s->dry_run, "view_age_seconds", answer->fresh ? 0.0 : to_seconds(now_nsec() - s->taken_nsec),
			 "ports", counts(&s->sums));
}

json_t *page_problems(const struct visit *visit, const struct snapshot *s, const struct health_report *health)
{
	json_t *problems = json_array();

	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		if (health->checks[i].level != HEALTH_HEALTHY)
			(void)json_array_append_new(problems, problem(visit, s, &health->checks[i], i));
	return problems;
}

void page_status(const struct visit *visit)
{
	struct exchange_answer answer = ask_redis_too(visit);
	struct health_report health = health_of(visit, &answer);
	json_t *status = state(visit, &answer), *healthy = json_array();

	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		if (health.checks[i].level == HEALTH_HEALTHY)
			(void)json_array_append_new(healthy, json_string(health_check_name(i)));
	(void)json_object_set_new(status, "verdict", json_string(health_level_name(health.level)));
	(void)json_object_set_new(status, "since", stamp(visit->pages, health.since_nsec));
	(void)json_object_set_new(status, "problems", page_problems(visit, answer.snapshot, &health));
	(void)json_object_set_new(status, "healthy", healthy);
	answer_json(visit->out, 200, status);
}
