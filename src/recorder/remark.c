/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/remark.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define KEYS_MAX 10
#define WORD_MAX 640 /* as written, with each byte as %NN */

static const char *const sockets[] = {"events", "dump", "asked", NULL};
static const char *const losses[] = {"overrun", "truncated", "error", NULL};
static const char *const states[] = {"unsynced", "dumping", "settling", "synced", NULL};
static const char *const bools[] = {"0", "1", NULL};
static const char *const owed[] = {"state", "oper", "admin", "mtu", "doubt", "deletion", NULL};

enum remark_type { NUMBER, ROW_FIELD, CHOICE, BITS, WORD };

struct remark_key {
	const char *name;
	enum remark_type type;
	size_t field;
	size_t size;              /* of a WORD's buffer */
	const char *const *names; /* of CHOICE and BITS */
};

#define FIELD(member) .field = offsetof(struct remark, member)
#define WORD_KEY(name, member)                                                                                         \
	{                                                                                                              \
		name, WORD, FIELD(member), .size = sizeof(((struct remark *)0)->member)                                \
	}

enum key_number {
	NONE, /* ends a list */
	VERSION,
	REASON,
	DAEMON,
	HOST,
	DROPPED,
	PORT,
	LINK,
	OLD,
	CONFIGURED,
	KNOWN,
	OWES,
	STATE_FIELD,
	OPER,
	ADMIN,
	MTU,
	SOCKET,
	AFTER,
	LOSS,
	STATE,
	OWED,
	ERROR,
	UP,
	NOTE,
	PACKETS,
};

static const struct remark_key keys[] = {
	[VERSION] = {"version", NUMBER, FIELD(version)},
	[REASON] = WORD_KEY("reason", text),
	[DAEMON] = WORD_KEY("daemon", daemon),
	[HOST] = WORD_KEY("host", host),
	[DROPPED] = {"dropped", NUMBER, FIELD(dropped)},
	[PORT] = WORD_KEY("port", port),
	[LINK] = {"link", CHOICE, FIELD(link), .names = bools},
	[CONFIGURED] = {"configured", CHOICE, FIELD(configured), .names = bools},
	[KNOWN] = {"known", CHOICE, FIELD(known), .names = bools},
	[OWES] = {"owes", CHOICE, FIELD(owes), .names = bools},
	[OLD] = {"old", CHOICE, FIELD(old), .names = bools},
	[STATE_FIELD] = {"state", ROW_FIELD, FIELD(row[0])},
	[OPER] = {"oper", ROW_FIELD, FIELD(row[1])},
	[ADMIN] = {"admin", ROW_FIELD, FIELD(row[2])},
	[MTU] = {"mtu", ROW_FIELD, FIELD(row[3])},
	[SOCKET] = {"socket", CHOICE, FIELD(socket), .names = sockets},
	[AFTER] = {"after", NUMBER, FIELD(after)},
	[LOSS] = {"what", CHOICE, FIELD(loss), .names = losses},
	[STATE] = {"state", CHOICE, FIELD(state), .names = states},
	[OWED] = {"fields", BITS, FIELD(owed), .names = owed},
	[ERROR] = WORD_KEY("error", text),
	[UP] = {"up", CHOICE, FIELD(up), .names = bools},
	[NOTE] = WORD_KEY("text", text),
	[PACKETS] = {"packets", NUMBER, FIELD(packets)},
};

static const struct {
	const char *name;
	enum key_number keys[KEYS_MAX + 1];
} kinds[REMARK_KINDS] = {
	[REMARK_RECORDING] = {"recording", {VERSION, REASON, DAEMON, HOST, DROPPED}},
	[REMARK_CHECKPOINT] = {"checkpoint", {AFTER, STATE}},
	[REMARK_PORT] = {"port", {PORT, LINK, OLD, CONFIGURED, KNOWN, OWES, STATE_FIELD, OPER, ADMIN, MTU}},
	[REMARK_DATAGRAM] = {"datagram", {SOCKET}},
	[REMARK_LOST] = {"lost", {AFTER, LOSS}},
	[REMARK_STATE] = {"state", {AFTER, STATE}},
	[REMARK_OWED] = {"owed", {AFTER, PORT, OWED}},
	[REMARK_SENT] = {"sent", {AFTER, PORT, OWED, STATE_FIELD, OPER, ADMIN, MTU}},
	[REMARK_ACKED] = {"acked", {AFTER, PORT, OWED}},
	[REMARK_REFUSED] = {"refused", {AFTER, PORT, OWED, ERROR}},
	[REMARK_CONN] = {"conn", {AFTER, UP, NOTE}},
	[REMARK_NOTE] = {"note", {AFTER, NOTE}},
	[REMARK_END] = {"end", {PACKETS}},
};

/* --- writing --- */

static bool is_plain(unsigned char c)
{
	return c > ' ' && c <= '~' && c != '%';
}

static void put_word(struct text *out, const char *word)
{
	if (word[0] == '\0' || strcmp(word, "-") == 0)
		text_put(out, word[0] ? "%2d" : "-");
	else
		for (const unsigned char *at = (const unsigned char *)word; *at; at++) {
			char coded[4];

			(void)snprintf(coded, sizeof(coded), is_plain(*at) ? "%c" : "%%%02x", *at);
			text_put(out, coded);
		}
}

static void put_bits(struct text *out, const struct remark_key *key, uint64_t value)
{
	const char *separator = "";

	for (size_t i = 0; key->names[i]; i++) {
		if (!(value >> i & 1))
			continue;
		text_put(out, separator);
		text_put(out, key->names[i]);
		separator = ",";
	}
	if (separator[0] == '\0')
		text_put(out, "-");
}

static void put_row_field(struct text *out, int64_t value)
{
	if (value >= 0)
		text_number(out, (uint64_t)value);
	else
		text_put(out, value == -1 ? "-" : "?");
}

static void put_value(struct text *out, const struct remark_key *key, const void *field)
{
	uint64_t number = 0;

	if (key->type != WORD)
		memcpy(&number, field, sizeof(number));
	switch (key->type) {
	case NUMBER:
		text_number(out, number);
		break;
	case ROW_FIELD:
		put_row_field(out, (int64_t)number);
		break;
	case CHOICE:
		text_put(out, key->names[number]);
		break;
	case BITS:
		put_bits(out, key, number);
		break;
	case WORD:
		put_word(out, field);
		break;
	}
}

void remark_format(struct text *out, const struct remark *remark)
{
	text_put(out, REMARK_PREFIX);
	text_put(out, kinds[remark->kind].name);
	for (const enum key_number *number = kinds[remark->kind].keys; *number != NONE; number++) {
		const struct remark_key *key = &keys[*number];

		text_put(out, " ");
		text_put(out, key->name);
		text_put(out, "=");
		put_value(out, key, (const char *)remark + key->field);
	}
}

/* --- reading --- */

/* What is left of a comment. */
struct piece {
	const char *at;
	size_t len;
};

/* Takes the text up to and including the character; everything if it does not occur. */
static struct piece take(struct piece *rest, char until)
{
	const char *found = memchr(rest->at, until, rest->len);
	struct piece taken = {.at = rest->at, .len = found ? (size_t)(found - rest->at) : rest->len};
	size_t used = taken.len + (found != NULL);

	rest->at += used;
	rest->len -= used;
	return taken;
}

static bool is(struct piece text, const char *name)
{
	return text.len == strlen(name) && memcmp(text.at, name, text.len) == 0;
}

/* Decimal digits without a leading 0. */
static bool read_number(struct piece text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.len == 0 || (text.len > 1 && text.at[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned char)text.at[i] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

static bool read_row_field(struct piece text, uint64_t *ret)
{
	if (is(text, "-") || is(text, "?")) {
		*ret = (uint64_t)(text.at[0] == '-' ? -1 : -2);
		return true;
	}
	return read_number(text, ret) && *ret <= INT64_MAX;
}

static bool read_choice(const struct remark_key *key, struct piece text, uint64_t *ret)
{
	for (size_t i = 0; key->names[i]; i++)
		if (is(text, key->names[i])) {
			*ret = i;
			return true;
		}
	return false;
}

/* Bits by name, in the table's order, each once. */
static bool read_bits(const struct remark_key *key, struct piece text, uint64_t *ret)
{
	*ret = 0;
	if (is(text, "-"))
		return true;
	for (bool more = true; more;) {
		uint64_t bit;

		more = memchr(text.at, ',', text.len) != NULL;
		if (!read_choice(key, take(&text, ','), &bit) || *ret >> bit != 0)
			return false;
		*ret |= UINT64_C(1) << bit;
	}
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a word; 0: it is not part of one. */
static char read_byte(struct piece *text)
{
	int high, low;

	if (text->at[0] != '%')
		return is_plain((unsigned char)*take(text, text->at[0]).at) ? text->at[-1] : '\0';
	if (text->len < 3)
		return '\0';
	high = hex_digit(text->at[1]);
	low = hex_digit(text->at[2]);
	text->at += 3;
	text->len -= 3;
	if (high < 0 || low < 0)
		return '\0';
	return (char)(high << 4 | low);
}

static bool read_word(const struct remark_key *key, struct piece text, char *out)
{
	size_t n = 0;

	if (text.len == 0)
		return false;
	if (!is(text, "-"))
		while (text.len > 0) {
			char byte = read_byte(&text);

			if (byte == '\0' || n + 1 == key->size)
				return false;
			out[n++] = byte;
		}
	out[n] = '\0';
	return true;
}

static bool read_value(const struct remark_key *key, struct piece text, void *field)
{
	uint64_t number = 0;
	bool good = false;

	switch (key->type) {
	case NUMBER:
		good = read_number(text, &number);
		break;
	case ROW_FIELD:
		good = read_row_field(text, &number);
		break;
	case CHOICE:
		good = read_choice(key, text, &number);
		break;
	case BITS:
		good = read_bits(key, text, &number);
		break;
	case WORD:
		return read_word(key, text, field);
	}
	if (good)
		memcpy(field, &number, sizeof(number));
	return good;
}

static bool find_kind(struct piece name, enum remark_kind *ret)
{
	for (enum remark_kind kind = 0; kind < REMARK_KINDS; kind++)
		if (is(name, kinds[kind].name)) {
			*ret = kind;
			return true;
		}
	return false;
}

static bool is_newer(const struct remark *remark)
{
	return remark->kind == REMARK_RECORDING && remark->version > REMARK_VERSION;
}

/* Which key is wrong, or NONE. */
static enum key_number read_keys(struct piece *rest, struct remark *ret)
{
	for (const enum key_number *number = kinds[ret->kind].keys; *number != NONE; number++) {
		const struct remark_key *key = &keys[*number];
		struct piece value = take(rest, ' ');

		if (!is(take(&value, '='), key->name) || !read_value(key, value, (char *)ret + key->field))
			return *number;
		if (is_newer(ret)) {
			*rest = (struct piece){.at = rest->at};
			return NONE;
		}
	}
	return NONE;
}

enum remark_outcome remark_parse(const char *text, size_t len, struct remark *ret, char *why, size_t size)
{
	struct piece rest = {.at = text, .len = len}, name;
	char quote[48];
	enum key_number wrong;

	if (len < strlen(REMARK_PREFIX) || memcmp(text, REMARK_PREFIX, strlen(REMARK_PREFIX)) != 0)
		return REMARK_FOREIGN;
	*ret = (struct remark){0};
	(void)take(&rest, ':');
	name = take(&rest, ' ');
	if (!find_kind(name, &ret->kind)) {
		(void)snprintf(why, size, "a comment's kind \"%s\" is not known",
			       printable(name.at, name.len, quote, sizeof(quote)));
		return REMARK_BAD;
	}
	wrong = read_keys(&rest, ret);
	if (wrong != NONE)
		(void)snprintf(why, size, "a comment \"%s\" has no good \"%s=\" at its place", kinds[ret->kind].name,
			       keys[wrong].name);
	else if (rest.len > 0 || text[len - 1] == ' ')
		(void)snprintf(why, size, "a comment \"%s\" goes on after its last key", kinds[ret->kind].name);
	else
		return REMARK_GOOD;
	return REMARK_BAD;
}
