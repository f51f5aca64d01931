/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of nanoseconds (or of any other counts) that keeps every value to 1/64: log-linear buckets, 64 for each
 * power of two.
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
 * counts[i] becomes the number of values up to bounds[i], which ascend; a value that is more than a bound by less than
 * 1/64 may be among them. Walks only as far as there are values.
 */
void hist_cumulate(const struct hist *h, const uint64_t *bounds, size_t n, uint64_t *counts);

#endif
