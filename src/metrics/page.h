/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page for one request, and what the pages share. Each page_<name>.c has one page, or a few that belong together;
 * pages.c has the table of them. All run with the lock of struct pages held.
 */
#ifndef PORTSYNCD_METRICS_PAGE_H
#define PORTSYNCD_METRICS_PAGE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/text.h"
#include "http/server.h"
#include "metrics/exchange.h"
#include "metrics/health.h"
#include "metrics/prometheus.h"
#include "ports/changes.h"

#define JSON_TYPE "application/json"
#define PAGES_MAX 24
#define PORT_TEXT_BYTES (4 * IFNAMSIZ) /* of a port's name, text_utf8() */

struct pages {
	struct exchange *exchange;
	struct health_limits limits;
	const char *proc;
	struct changes *changes;                   /* NULL: there are none */
	uint64_t started_nsec, started_monotonic;  /* since the epoch; and by CLOCK_MONOTONIC */
	_Atomic(const struct http_stats *) server; /* NULL: there is none */
	uint64_t epoch_nsec;                       /* added to a CLOCK_MONOTONIC time it makes one since the epoch */
	pthread_mutex_t lock;                      /* of what follows: the server may have several threads */
	struct prometheus_page served[PAGES_MAX];
	size_t n_served; /* how many pages there are */
	uint64_t cpu_nsec;
	int changes_fd;             /* eventfd that rings while there are watchers */
	unsigned watchers;          /* of the changes */
	struct feed *feed;          /* NULL: nobody has looked at the page */
	_Atomic(char *) new_config; /* JSON that the loop left here; NULL: it has been taken */
	char *config;               /* the last that was taken */
};

struct visit {
	struct pages *pages;
	const struct http_request *request;
	struct http_answer *out;
};

/* --- the pages --- */

void page_metrics(const struct visit *visit);
void page_livez(const struct visit *visit);
void page_readyz(const struct visit *visit);
void page_healthz(const struct visit *visit);
void page_status(const struct visit *visit);
void page_ports(const struct visit *visit);
/* /ports/<name> */
void page_port(const struct visit *visit);
void page_history(const struct visit *visit);
void page_config(const struct visit *visit);
void page_watch(const struct visit *visit);
void page_recording(const struct visit *visit);
void page_record(const struct visit *visit);
void page_live(const struct visit *visit);
void page_index(const struct visit *visit);

/* The page for browsers, page.html, and the policy under which it runs; made by scripts/embed-page. */
extern const unsigned char page_html[];
extern const size_t page_html_size;
extern const char page_html_policy[];

/* --- CPU time and the lock --- */

/* Takes the lock; returns what pages_leave() needs, to release it and to count the CPU time. For streams' sources. */
uint64_t pages_enter(struct pages *p);
void pages_leave(struct pages *p, uint64_t began);

/* --- figures --- */

/* The daemon's figures; waits for the loop for at most a second. */
struct exchange_answer ask(const struct visit *visit);
/* The same after the loop asked Redis for the markers, which may vanish without a notification. */
struct exchange_answer ask_redis_too(const struct visit *visit);
/* The health report of an answer, and whether the loop hangs. */
struct health_report health_of(const struct visit *visit, const struct exchange_answer *answer);

/* Each check that is not healthy, as /status has it: an array. */
json_t *page_problems(const struct visit *visit, const struct snapshot *s, const struct health_report *health);
/* NULL is fine. */
void feed_free(struct feed *f);

/* --- arguments --- */

/* An argument that is a number of at most so many digits, 18 at most. 1: it is in *ret; 0: there is none, *ret stays;
 * -EINVAL: it is no such number. */
int page_number(const struct visit *visit, const char *name, size_t digits, uint64_t *ret);

/* --- answers --- */

/* Takes ownership of json. Without memory *out stays as it is, status 500. */
void answer_json(struct http_answer *out, unsigned status, json_t *json);
/* Status 200. Takes ownership of the text. */
void answer_text(struct http_answer *out, const char *content_type, struct text *text);

/* --- times --- */

uint64_t clock_nsec(clockid_t clock);
/* What makes a CLOCK_MONOTONIC time one since the epoch. */
uint64_t epoch_nsec(struct pages *p);
/* JSON: "2026-10-09T08:07:06.005Z" of milliseconds since the epoch, null for 0. */
void put_stamp(struct text *out, uint64_t since_epoch);
/* The same of a CLOCK_MONOTONIC time. */
json_t *stamp(struct pages *p, uint64_t nsec);
double to_seconds(uint64_t nsec);

#endif
