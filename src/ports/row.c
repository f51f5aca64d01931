/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/row.h"

#include <string.h>

#include "base/text.h"

const struct row row_nil = {{ROW_NIL, ROW_NIL, ROW_NIL, ROW_NIL}};

static const char *const field_names[ROW_FIELDS] = {
	[ROW_STATE] = "state",
	[ROW_OPER] = "netdev_oper_status",
	[ROW_ADMIN] = "admin_status",
	[ROW_MTU] = "mtu",
};

const char *row_field_name(enum row_field field)
{
	return field_names[field];
}

const char *row_format(enum row_field field, int64_t value, char buf[ROW_TEXT_MAX])
{
	if (field == ROW_STATE)
		return "ok";
	if (field == ROW_OPER || field == ROW_ADMIN)
		return value ? "up" : "down";
	buf[ROW_TEXT_MAX - 1] = '\0';
	return text_digits((uint64_t)value, buf + ROW_TEXT_MAX - 1);
}

static bool same(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* Only the canonical form counts: "09100" is a number to us, but not what we would write. */
static int64_t parse_mtu(const char *text, size_t len)
{
	int64_t value = 0;

	if (len == 0 || len > 10 || (text[0] == '0' && len > 1))
		return ROW_OTHER;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return ROW_OTHER;
		value = value * 10 + (text[i] - '0');
	}
	return value <= UINT32_MAX ? value : ROW_OTHER;
}

int64_t row_parse(enum row_field field, const char *text, size_t len)
{
	if (!text)
		return ROW_NIL;
	if (field == ROW_STATE)
		return same(text, len, "ok") ? 1 : ROW_OTHER;
	if (field == ROW_MTU)
		return parse_mtu(text, len);
	if (same(text, len, "up"))
		return 1;
	return same(text, len, "down") ? 0 : ROW_OTHER;
}

unsigned row_diff(const struct row *base, const struct row *want)
{
	unsigned changed = 0;

	for (unsigned field = 0; field < ROW_FIELDS; field++)
		if (base->value[field] != want->value[field])
			changed |= ROW_BIT(field);
	return changed;
}

/* --- packed --- */

/* The low half is the MTU, if it is a number; then four bits a field: its value - ROW_NIL, or A_NUMBER for a number. */
#define MTU_BITS 32
#define FIELD_BITS 4
#define FIELD_MASK 0xfU
#define A_NUMBER 0

static unsigned place(unsigned field)
{
	return MTU_BITS + FIELD_BITS * field;
}

static uint64_t pack_field(unsigned field, int64_t value)
{
	return (uint64_t)((unsigned)(value - ROW_NIL) & FIELD_MASK) << place(field);
}

struct row_packed row_pack(const struct row *row)
{
	int64_t mtu = row->value[ROW_MTU];
	uint64_t bits = mtu < 0 ? pack_field(ROW_MTU, mtu) : pack_field(ROW_MTU, A_NUMBER) | (uint32_t)mtu;

	for (unsigned field = 0; field < ROW_MTU; field++)
		bits |= pack_field(field, row->value[field]);
	return (struct row_packed){bits};
}

struct row row_unpack(struct row_packed packed)
{
	struct row row;

	for (unsigned field = 0; field < ROW_FIELDS; field++) {
		unsigned bits = (unsigned)(packed.bits >> place(field)) & FIELD_MASK;

		row.value[field] = bits == FIELD_MASK ? ROW_OTHER : (int64_t)bits + ROW_NIL;
	}
	if (row.value[ROW_MTU] == A_NUMBER)
		row.value[ROW_MTU] = (uint32_t)packed.bits;
	return row;
}

static int32_t number(int64_t value)
{
	return value >= ROW_OTHER && value <= INT32_MAX ? (int32_t)value : ROW_OTHER;
}

struct recorder_row row_recorded(const struct row *row)
{
	return (struct recorder_row){
		.mtu = number(row->value[ROW_MTU]),
		.state = (int8_t)row->value[ROW_STATE],
		.oper = (int8_t)row->value[ROW_OPER],
		.admin = (int8_t)row->value[ROW_ADMIN],
	};
}
