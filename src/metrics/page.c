/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define PATIENCE_NSEC NSEC_PER_SEC
#define CLOCK_STEP_NSEC (100 * NSEC_PER_MSEC)
#define JSON_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(9) | JSON_ENSURE_ASCII)

/* --- times --- */

uint64_t clock_nsec(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Small corrections of the clock are ignored: with them every timestamp would seem to change at each scrape. */
uint64_t epoch_nsec(struct pages *p)
{
	uint64_t now = clock_nsec(CLOCK_REALTIME) - now_nsec();
	uint64_t step = now > p->epoch_nsec ? now - p->epoch_nsec : p->epoch_nsec - now;

	if (step > CLOCK_STEP_NSEC)
		p->epoch_nsec = now;
	return p->epoch_nsec;
}

void put_stamp(struct text *out, uint64_t since_epoch)
{
	if (since_epoch == 0 || since_epoch > UINT64_MAX / USEC_PER_MSEC) {
		text_put(out, "null");
		return;
	}
	text_put(out, "\"");
	text_stamp(out, since_epoch * USEC_PER_MSEC, TEXT_MILLISECONDS);
	text_put(out, "\"");
}

json_t *stamp(struct pages *p, uint64_t nsec)
{
	struct text text = {0};
	json_t *json;

	put_stamp(&text, nsec ? (nsec + epoch_nsec(p)) / NSEC_PER_MSEC : 0);
	json = text.failed ? NULL : json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
	free(text.data);
	return json;
}

double to_seconds(uint64_t nsec)
{
	return (double)nsec / (double)NSEC_PER_SEC;
}

/* --- CPU time and the lock --- */

uint64_t pages_enter(struct pages *p)
{
	(void)pthread_mutex_lock(&p->lock);
	return clock_nsec(CLOCK_THREAD_CPUTIME_ID);
}

void pages_leave(struct pages *p, uint64_t began)
{
	p->cpu_nsec += clock_nsec(CLOCK_THREAD_CPUTIME_ID) - began;
	(void)pthread_mutex_unlock(&p->lock);
}

/* --- arguments --- */

int page_number(const struct visit *visit, const char *name, size_t digits, uint64_t *ret)
{
	const char *text = http_argument(visit->request, name);

	if (!text)
		return 0;
	if (text[0] == '\0' || strlen(text) > digits || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	*ret = strtoull(text, NULL, 10);
	return 1;
}

/* --- answers --- */

void answer_json(struct http_answer *out, unsigned status, json_t *json)
{
	char *body = json ? json_dumps(json, JSON_FLAGS) : NULL;

	json_decref(json);
	if (!body)
		return;
	*out = (struct http_answer){.status = status, .content_type = JSON_TYPE, .body = body, .len = strlen(body)};
}

void answer_text(struct http_answer *out, const char *content_type, struct text *text)
{
	if (text->failed) {
		free(text->data);
		return;
	}
	*out = (struct http_answer){.status = 200, .content_type = content_type, .body = text->data, .len = text->len};
}

/* --- figures --- */

struct exchange_answer ask(const struct visit *visit)
{
	return exchange_get(visit->pages->exchange, PATIENCE_NSEC, false);
}

struct exchange_answer ask_redis_too(const struct visit *visit)
{
	return exchange_get(visit->pages->exchange, PATIENCE_NSEC, true);
}

struct health_report health_of(const struct visit *visit, const struct exchange_answer *answer)
{
	struct health_report report = *answer->health;

	health_add_stall(&report, answer->stall_nsec, now_nsec(), &visit->pages->limits);
	return report;
}
