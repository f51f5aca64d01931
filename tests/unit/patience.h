/* SPDX-License-Identifier: Apache-2.0 */
/* How long a test waits for what must come: it fails then, so a busy machine must never get there. */
#ifndef PORTSYNCD_PATIENCE_H
#define PORTSYNCD_PATIENCE_H

#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"

/* The monotonic time at which a test gives up: in 30 s, or TEST_PATIENCE times that. */
static inline uint64_t patience_ends_usec(void)
{
	const char *factor = getenv("TEST_PATIENCE");
	double times = factor ? strtod(factor, NULL) : 1;

	return now_usec() + (uint64_t)((times > 0 ? times : 1) * 30 * (double)USEC_PER_SEC);
}

#endif
