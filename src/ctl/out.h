/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to stdout: tables, colours, JSON. If the reader is gone the process ends quietly (SIGPIPE). */
#ifndef PORTSYNCD_CTL_OUT_H
#define PORTSYNCD_CTL_OUT_H

#include <jansson.h>

#include "ctl/ctl.h"

enum out_style { OUT_PLAIN, OUT_GOOD, OUT_WARN, OUT_BAD, OUT_DIM, OUT_BOLD };

/* The codes of a terminal around text of this style; "" where stdout has no colours. */
const char *out_on(const struct ctl *ctl, enum out_style style);
const char *out_off(const struct ctl *ctl, enum out_style style);

/* Ends the process with CTL_NO_SOURCE and a line on stderr: an answer that lacks a part would be a wrong one. */
_Noreturn void out_no_memory(void);
/* malloc(), or out_no_memory(). jansson has it, too, so its constructors do not fail for want of memory. */
void *out_take(size_t size);

struct out_table;

/* Columns are as wide as their widest cell. headings: columns of them. */
struct out_table *out_table_new(const struct ctl *ctl, size_t columns, const char *const *headings);
/* The next cell, row by row. Bytes that are not printable ASCII become \xNN. */
void out_cell(struct out_table *t, enum out_style style, const char *format, ...) PRINTF_LIKE(3, 4);
/* Prints it, and frees it. */
void out_table_print(struct out_table *t);

/*
 * One document: "schema" and "verb", then the members of this object, which is consumed. NULL, which jansson returns
 * without memory, is out_no_memory().
 */
void out_json(const struct ctl *ctl, json_t *members);
/* The same as one line of a stream, written at once. */
void out_json_line(const struct ctl *ctl, json_t *members);
/* {"code":..., "message":..., "remedy":...} */
json_t *out_json_error(const struct ctl_error *error);
/* A string, in which bytes that are not UTF-8 become \xNN; null for NULL. */
json_t *out_json_text(const char *text);

/* Flushes stdout. 0; or CTL_NO_SOURCE, with a line on stderr. */
int out_finish(void);

#endif
