/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four fields of STATE_DB PORT_TABLE|<port> that are ours (docs/sonic.md#readers). All other fields of the row
 * belong to other daemons and are never read or written here.
 */
#ifndef PORTSYNCD_ROW_H
#define PORTSYNCD_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/recorder.h"

enum row_field { ROW_STATE, ROW_OPER, ROW_ADMIN, ROW_MTU, ROW_FIELDS };

#define ROW_BIT(field) (1U << (field))
#define ROW_ALL (ROW_BIT(ROW_FIELDS) - 1)

#define ROW_NIL (-1)   /* the field is not there */
#define ROW_OTHER (-2) /* the field holds what we never write */

/* Values: ROW_STATE 1 = "ok"; ROW_OPER and ROW_ADMIN 0 = "down", 1 = "up"; ROW_MTU the number of bytes. */
struct row {
	int64_t value[ROW_FIELDS];
};

#define ROW_TEXT_MAX 24

extern const struct row row_nil;

/* A row in one word, for where many rows are kept. Zero: no field is there. */
struct row_packed {
	uint64_t bits;
};

struct row_packed row_pack(const struct row *row);
struct row row_unpack(struct row_packed packed);

const char *row_field_name(enum row_field field);
/* The text Redis holds for a value >= 0; the result is buf or a constant. */
const char *row_format(enum row_field field, int64_t value, char buf[ROW_TEXT_MAX]);
/* What row_format() would have been given to write these bytes; text NULL means ROW_NIL. */
int64_t row_parse(enum row_field field, const char *text, size_t len);
/* ROW_BIT() of each field of want that base does not hold. */
unsigned row_diff(const struct row *base, const struct row *want);
/* The row as the flight recorder keeps it. */
struct recorder_row row_recorded(const struct row *row);

#endif
