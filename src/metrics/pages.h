/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP server serves: /metrics (prometheus.h), /livez, /readyz, /healthz (health.h), /status, /ports,
 * /ports/<name>, /history, /config, /watch and an index. docs/metrics.md describes each page.
 */
#ifndef PORTSYNCD_METRICS_PAGES_H
#define PORTSYNCD_METRICS_PAGES_H

#include "http/server.h"
#include "metrics/exchange.h"
#include "metrics/health.h"
#include "ports/changes.h"

struct pages;

/* exchange must outlive it. proc: "/proc" but for tests. NULL without memory. */
struct pages *pages_new(struct exchange *exchange, const struct health_limits *limits, const char *proc);
/*
 * Once, before the first request: the changes that /history and /watch show, which must outlive the pages. NULL: none.
 * 0 or negative errno.
 */
int pages_set_changes(struct pages *p, struct changes *changes);
/* For http_follow(), with the pages as user; -1 without changes. */
int pages_changes_fd(const struct pages *p);
void pages_changes_heard(void *user);
/* Call it in the loop's thread, when no pages_handle() runs or can still be called. NULL is fine. */
void pages_free(struct pages *p);

/* From then on /metrics also has the figures of this server; stats must outlive the pages. NULL: no server. */
void pages_set_server(struct pages *p, const struct http_stats *stats);

/* What /config shows from then on: JSON, of which it takes ownership. NULL changes nothing. For the loop alone. */
void pages_set_config(struct pages *p, char *json);

/*
 * For http_new(), with the pages as user. Any thread but the loop's; while one waits for the loop, at most a second,
 * the others wait.
 */
void pages_handle(const struct http_request *request, struct http_answer *answer, void *user);

#endif
