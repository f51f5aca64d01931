/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All figures as Prometheus reads them: text format 0.0.4, or OpenMetrics 1.0. To add one, write its line in
 * prometheus.c and its row in docs/metrics.md; a test compares the two.
 */
#ifndef PORTSYNCD_METRICS_PROMETHEUS_H
#define PORTSYNCD_METRICS_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "http/server.h"
#include "metrics/exchange.h"
#include "metrics/health.h"
#include "metrics/procstat.h"

#define PROMETHEUS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define PROMETHEUS_OPEN_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Answers of one page. */
struct prometheus_page {
	const char *name;
	uint64_t served;
};

struct prometheus_input {
	const struct exchange_answer *answer;
	const struct procstat *proc;
	const struct health_report *health; /* the answer's, and whether the loop hangs */
	const struct prometheus_page *pages;
	size_t n_pages;
	uint64_t pages_cpu_nsec;
	const struct http_stats *server; /* NULL: none is known */
	uint64_t now_nsec;               /* CLOCK_MONOTONIC */
	uint64_t epoch_nsec;             /* added to a time of that clock it makes one since the epoch */
	uint64_t started_nsec;           /* since the epoch */
	bool without_ports;              /* no family that has a sample for each port */
};

/* True when a header Accept prefers OpenMetrics to plain text; NULL: there is none. */
bool prometheus_wants_open(const char *accept);

/* Adds the whole page to *out; a lack of memory shows in out->failed. */
void prometheus_write(struct text *out, bool open, const struct prometheus_input *in);

#endif
