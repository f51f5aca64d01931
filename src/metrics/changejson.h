/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of a row as the pages /history and /watch have it:
 * {"number", "at", "port", "kind": "set"|"deleted", "before": {"oper", "admin", "mtu"}|null, "after", "changed": [...],
 * "latency_usec": N|null}. A field that was not there is null, one that held something else "other". docs/metrics.md
 * says what each means.
 */
#ifndef PORTSYNCD_METRICS_CHANGEJSON_H
#define PORTSYNCD_METRICS_CHANGEJSON_H

#include <jansson.h>

#include "base/text.h"
#include "ports/changes.h"

/* Adds it, without a newline. By hand: there are thousands of them, or hundreds a second. */
void changejson_write(struct text *out, const struct change *change);
/* The same as a value, which the caller owns. NULL without memory. */
json_t *changejson_make(const struct change *change);

#endif
