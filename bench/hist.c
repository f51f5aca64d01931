/* SPDX-License-Identifier: Apache-2.0 */
#include "hist.h"

#include <inttypes.h>

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

void hist_print(const struct hist *h, FILE *out)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};

	(void)fprintf(out, "{\"n\": %" PRIu64 ", ", h->count);
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
		(void)fprintf(out, "\"%s\": %.1f, ", quantiles[i].name,
			      (double)hist_quantile(h, quantiles[i].share) / 1e3);
	(void)fprintf(out, "\"max\": %.1f}", (double)h->max / 1e3);
}
