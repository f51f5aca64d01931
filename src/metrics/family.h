/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families of metrics, written as Prometheus' text format 0.0.4 or as OpenMetrics 1.0: a head, then its samples. A lack
 * of memory shows in out->failed.
 */
#ifndef PORTSYNCD_METRICS_FAMILY_H
#define PORTSYNCD_METRICS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "metrics/snapshot.h"

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

/* How a figure is written: as it is, or nanoseconds as seconds. */
enum family_form { FAMILY_NUMBER, FAMILY_SECONDS };

/* The page while it is made; name is that of the family whose samples are being written. */
struct families {
	struct text *out;
	bool open;           /* OpenMetrics */
	uint64_t epoch_nsec; /* added to a time of CLOCK_MONOTONIC it makes one since the epoch */
	const char *name;
	size_t name_len;
};

struct family_label {
	const char *name, *value;
};

/* The list ends with the first one that has no name. */
struct family_labels {
	struct family_label at[3];
};

extern const struct family_labels family_none;

struct family_labels family_one(const char *name, const char *text);
struct family_labels family_two(struct family_label first, struct family_label second);

/* Begins a family. name: its full name in one piece, so that a search finds it; a counter's ends in _total. */
void family_begin(struct families *f, enum family_type type, const char *name, const char *help);

/* One sample of the family, and a figure in nanoseconds that is written in seconds. */
void family_sample(const struct families *f, struct family_labels labels, uint64_t figure);
void family_sample_seconds(const struct families *f, struct family_labels labels, uint64_t nsec);
void family_sample_histogram(const struct families *f, struct family_labels own, const struct snapshot_hist *h,
			     const struct snapshot_bounds *bounds, enum family_form form);

/* The labels of several samples are text that was made once: labels begins with {, more is what follows it before }. */
void family_sample_text(const struct families *f, const char *labels, size_t len, const char *more,
			enum family_form form, uint64_t figure);

/* Families with one sample and no label. */
void family_counter(struct families *f, const char *name, const char *help, uint64_t figure);
void family_counter_seconds(struct families *f, const char *name, const char *help, uint64_t nsec);
void family_gauge(struct families *f, const char *name, const char *help, uint64_t figure);
void family_gauge_seconds(struct families *f, const char *name, const char *help, uint64_t nsec);
void family_histogram(struct families *f, const char *name, const char *help, const struct snapshot_hist *h,
		      const struct snapshot_bounds *bounds, enum family_form form);
/* A time of CLOCK_MONOTONIC; absent when it is 0: not yet. */
void family_gauge_timestamp(struct families *f, const char *name, const char *help, uint64_t nsec);

#endif
