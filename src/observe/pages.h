/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP server serves: /metrics (metrics.h), /livez, /readyz, /healthz (health.h), /ports, /ports/<name> and an
 * index. docs/metrics.md says what stands in each.
 */
#ifndef PORTSYNCD_PAGES_H
#define PORTSYNCD_PAGES_H

#include <stddef.h>

#include "observe/health.h"
#include "observe/view.h"

struct pages;

/* exchange must outlive it. proc: "/proc" but for tests. NULL without memory. */
struct pages *pages_new(struct view_exchange *exchange, const struct health_limits *limits, const char *proc);
/* When no call of pages_get() runs or can come. NULL is fine. */
void pages_free(struct pages *p);

struct page {
	unsigned status;
	const char *content_type;
	char *body; /* free() it; NULL without memory, then the status is 500 */
	size_t len;
};

/*
 * path: decoded, without a query; accept: the header, or NULL. Any thread but the loop's; while one waits for the loop,
 * at most a second, the others wait.
 */
void pages_get(struct pages *p, const char *path, const char *accept, struct page *out);

#endif
