/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#include "base/util.h"

void page_livez(const struct visit *visit)
{
	const struct health_limits *limits = &visit->pages->limits;
	uint64_t stall = ask(visit).stall_nsec; /* an answer proves that the loop turns */
	bool live = health_is_live(stall, limits);

	answer_json(visit->out, live ? 200 : 503,
		    json_pack("{s:b, s:f, s:f}", "live", live, "stall_seconds", to_seconds(stall), "limit_seconds",
			      to_seconds(limits->stall_nsec)));
}

static bool redis_connected(const struct snapshot *s)
{
	bool connected = true;

	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		connected = connected && s->conns[i].ready;
	return connected;
}

void page_readyz(const struct visit *visit)
{
	const struct snapshot *s = ask_redis_too(visit).snapshot;
	bool ready = health_is_ready(s);

	answer_json(visit->out, ready ? 200 : 503,
		    json_pack("{s:b, s:b, s:b, s:b}", "ready", ready, "kernel_synced", s->sync.synced,
			      "redis_connected", redis_connected(s), "port_init_done", s->init_done));
}

static json_t *check_json(const struct visit *visit, const struct health_report *health, unsigned i)
{
	const struct health_check *check = &health->checks[i];

	return json_pack("{s:s, s:o, s:f, s:s, s:o}", "status", health_level_name(check->level), "value",
			 check->known ? json_real(check->value) : json_null(), "limit", check->limit, "unit",
			 health_check_unit(i), "since", stamp(visit->pages, check->since_nsec));
}

static void add_reason(json_t *checks, enum health_check_index check, const char *reason)
{
	if (reason[0] != '\0')
		(void)json_object_set_new(json_object_get(checks, health_check_name(check)), "reason",
					  json_string(reason));
}

void page_healthz(const struct visit *visit)
{
	struct exchange_answer answer = ask_redis_too(visit);
	struct health_report health = health_of(visit, &answer);
	json_t *checks = json_object();

	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		(void)json_object_set_new(checks, health_check_name(i), check_json(visit, &health, i));
	add_reason(checks, HEALTH_REDIS, answer.snapshot->redis_reason);
	add_reason(checks, HEALTH_HTTP, answer.snapshot->http.reason);
	add_reason(checks, HEALTH_RECORDER, answer.snapshot->recorder.reason);
	answer_json(visit->out, health.level == HEALTH_UNHEALTHY ? 503 : 200,
		    json_pack("{s:s, s:o, s:f, s:o}", "status", health_level_name(health.level), "since",
			      stamp(visit->pages, health.since_nsec), "view_age_seconds",
			      answer.fresh ? 0.0 : to_seconds(now_nsec() - answer.snapshot->taken_nsec), "checks",
			      checks));
}
