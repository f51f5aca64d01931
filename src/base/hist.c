/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include "base/util.h"

#define SUB (UINT64_C(1) << HIST_SUB_BITS)

static unsigned index_of(uint64_t value)
{
	unsigned shift;

	if (value < SUB)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	return (shift << HIST_SUB_BITS) + (unsigned)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t upper_end(unsigned index)
{
	unsigned shift;

	if (index < 2 * SUB)
		return index;
	shift = (index >> HIST_SUB_BITS) - 1;
	return ((index - ((uint64_t)shift << HIST_SUB_BITS) + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t nsec)
{
	h->bucket[index_of(nsec)]++;
	h->count++;
	h->sum += nsec;
	h->max = MAX(h->max, nsec);
}

uint64_t hist_quantile(const struct hist *h, double share)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && (double)seen >= share * (double)h->count)
			return MIN(upper_end(i), h->max);
	}
	return h->max;
}

/* Four at once: adding up is most of what a snapshot takes. */
static uint64_t sum_of(const uint64_t *bucket, const uint64_t *end)
{
	uint64_t sum = 0;

	for (; end - bucket >= 4; bucket += 4)
		sum += bucket[0] + bucket[1] + bucket[2] + bucket[3];
	while (bucket < end)
		sum += *bucket++;
	return sum;
}

void hist_cumulate(const struct hist *h, const uint64_t *bounds, size_t n, uint64_t *counts)
{
	unsigned last = index_of(h->max), at = 0;
	uint64_t seen = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned end = MIN(index_of(bounds[i]), last) + 1;

		if (at < end)
			seen += sum_of(h->bucket + at, h->bucket + end);
		at = MAX(at, end);
		counts[i] = seen;
	}
}
