/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/log/format.c */
/* Any bytes in a record make one line of valid UTF-8 without control characters, in every format. */
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "base/util.h"
#include "log/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t len)
{
	const unsigned char *at = (const unsigned char *)line, *end = at + len;

	if (len >= LOG_LINE_BYTES)
		abort();
	while (at < end) {
		size_t n = text_utf8_length(at, (size_t)(end - at));

		if (n == 0 || *at < 0x20 || *at == 0x7f)
			abort();
		at += n;
	}
}

/* In the structured data quotes, backslashes and brackets are escaped: the element ends at its own bracket. */
static void check_data(const char *line, size_t len)
{
	const char *at = memmem(line, len, " [portsyncd@", 12), *end = line + len;
	bool quoted = false;

	for (; at && at < end && (quoted || *at != ']'); at++) {
		if (quoted && *at == '\\')
			at++;
		else if (*at == '"')
			quoted = !quoted;
	}
	if (!at || at + 1 >= end || at[1] != ' ')
		abort();
}

static void take(char *out, size_t room, const uint8_t **data, size_t *size)
{
	size_t n = MIN(*size, room - 1);

	memcpy(out, *data, n);
	out[n] = '\0';
	*data += n;
	*size -= n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_origin origin = {.pid = 1};
	struct log_record record = {.function = "f", .file = "x.c", .outcome = "success"};
	struct destination address;
	char line[LOG_LINE_BYTES];
	size_t len;

	if (size < 2)
		return 0;
	record.kind = data[0] % KINDS;
	record.level = data[1] % 8;
	record.audit_seq = data[1] / 8;
	data += 2;
	size -= 2;
	take(record.port, sizeof(record.port), &data, &size);
	take(record.subject, sizeof(record.subject), &data, &size);
	take(origin.hostname, sizeof(origin.hostname), &data, &size);
	take(record.reason, sizeof(record.reason), &data, &size);
	take(record.text, sizeof(record.text), &data, &size);
	check_line(line, logformat_syslog(&record, &origin, line, sizeof(line)));
	check_line(line, logformat_human(&record, &origin, false, line, sizeof(line)));
	len = logformat_rfc5424(&record, &origin, line, sizeof(line));
	check_line(line, len);
	check_data(line, len);
	(void)address_parse_destination(record.text, &address);
	return 0;
}
