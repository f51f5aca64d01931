/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of nanoseconds (or other counts), exact to 1/64: log-linear buckets, 64 for each power of two.
 */
#ifndef PORTSYNCD_HIST_H
#define PORTSYNCD_HIST_H

#include <stddef.h>
#include <stdint.h>

#define HIST_SUB_BITS 6
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
	uint64_t count, max, sum;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t nsec);

/* The upper end of the bucket below which this share (0.5, 0.99, ...) of the values lie; 0 when there are none. */
uint64_t hist_quantile(const struct hist *h, double share);

/*
 * Sets counts[i] to the number of values up to bounds[i]; bounds ascend. A value may be counted although it exceeds the
 * bound by less than 1/64.
 */
void hist_cumulate(const struct hist *h, const uint64_t *bounds, size_t n, uint64_t *counts);

#endif
