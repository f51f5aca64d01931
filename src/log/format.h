/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each target shows a record. No I/O.
 *
 * Whatever a text or value holds, a line stays one line of valid UTF-8: control characters (C0, DEL, C1) and invalid
 * UTF-8 become \xNN. Only the journal gets them unchanged; its fields are binary-safe.
 */
#ifndef PORTSYNCD_LOG_FORMAT_H
#define PORTSYNCD_LOG_FORMAT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "log/record.h"

#define LOG_FIELDS_MAX 20
#define LOG_LINE_BYTES 8192 /* enough for any record: each byte may become five */

/* Common to all lines of a process. */
struct log_origin {
	int pid;
	char hostname[HOST_NAME_MAX + 1]; /* "" or what RFC 5424 does not allow: "-" is sent */
	char boot_id[40];                 /* "": not known */
};

/* A field with its journal name ("PORT"); RFC 5424 gets it in lower case. */
struct log_pair {
	const char *name;
	const char *value;
};

struct log_pairs {
	size_t n;
	struct log_pair field[LOG_FIELDS_MAX];
	char numbers[LOG_FIELDS_MAX][24]; /* values of some fields point here */
};

/* The record's fields without MESSAGE, in a fixed order. They point into the record, the origin and *out. */
void logformat_fields(const struct log_record *record, const struct log_origin *origin, struct log_pairs *out);

/* All functions below return the length without newline and NUL. size is LOG_LINE_BYTES. */

/*
 * RFC 3164 as rsyslog's imuxsock reads it, tag and text as swss-common's logger writes them (docs/sonic.md#logging):
 * without a process id, and with upstream's names of functions where upstream has the line. Local time.
 */
size_t logformat_syslog(const struct log_record *record, const struct log_origin *origin, char *out, size_t size);

/*
 * RFC 5424: one structured data element portsyncd@32473 (the enterprise number of RFC 5612 for documentation) with all
 * fields. In PARAM-VALUE '"', '\' and ']' get a backslash (6.3.3). MSG is sent without BOM (MSG-ANY): most collectors
 * would take it for text.
 */
size_t logformat_rfc5424(const struct log_record *record, const struct log_origin *origin, char *out, size_t size);

/* For people: "portsyncd: WARNING: function: text", with the same function names. */
size_t logformat_human(const struct log_record *record, const struct log_origin *origin, bool colour, char *out,
		       size_t size);

/* The name of a level, LOG_EMERG .. LOG_DEBUG: "NOTICE". */
const char *logformat_level(int level);

#endif
