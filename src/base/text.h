/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows. Once memory runs out, failed is set and nothing more is added. */
#ifndef PORTSYNCD_BASE_TEXT_H
#define PORTSYNCD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct text {
	char *data; /* not terminated; free() it */
	size_t len, size;
	bool failed;
};

/* Reserves memory for that many more bytes. */
void text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const char *bytes, size_t len);
void text_put(struct text *t, const char *string);
void text_number(struct text *t, uint64_t value);
/* Nanoseconds as seconds, exactly: "0.000005". */
void text_seconds(struct text *t, uint64_t nsec);

/*
 * A kernel name may hold any bytes, but readers insist on UTF-8: other bytes become \xNN, and so does a backslash, so
 * that no two names look alike. out needs 4 * strlen(name) + 1 bytes. Returns out.
 */
const char *text_utf8(const char *name, char *out);
/* The value of a label, quotes included, as both of Prometheus' formats escape it. */
void text_label(struct text *t, const char *value);

#endif
