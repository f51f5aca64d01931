/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define HASH_BYTES 32
#define HASH_HEX (2 * HASH_BYTES)
#define SEAL_HEAD ",\n \"sha256\": \""
#define SEAL_TAIL "\"\n}\n"
#define SEAL_BYTES (sizeof(SEAL_HEAD) - 1 + HASH_HEX + sizeof(SEAL_TAIL) - 1)
#define INTEGER_DIGITS 18 /* no sum overflows, and no bound is as large */
#define PORTS_HEAD ",\n \"ports\": {"
#define PORTS_TAIL "\n }"
#define CHANGES_HEAD ",\n \"changes\": ["
#define CHANGES_TAIL "\n ]"
#define CHANGE_BYTES 256 /* more than any change takes */
#define LINES_A_PORT 4

/* Members of the file and of a port. A missing or extra one means that the file is not of this version. */
#define FILE_MEMBERS 9
#define FILE_MEMBERS_1 8 /* of version 1 */
#define PORT_MEMBERS 2

static void free_json(json_t **json)
{
	json_decref(*json);
}

/* --- the struct --- */

void state_done(struct state *s)
{
	free(s->ports);
	free(s->changes);
	*s = (struct state){0};
}

int state_reserve(struct state *s, size_t ports)
{
	struct state_port *more;

	if (ports <= s->capacity)
		return 0;
	if (ports > STATE_MAX_PORTS)
		return -E2BIG;
	more = realloc(s->ports, ports * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->ports = more;
	s->capacity = ports;
	return 0;
}

int state_reserve_changes(struct state *s, size_t changes)
{
	struct change *more;

	if (changes <= s->changes_capacity)
		return 0;
	if (changes > CHANGES_KEPT_MAX)
		return -E2BIG;
	more = realloc(s->changes, changes * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->changes = more;
	s->changes_capacity = changes;
	return 0;
}

/* Changes overwritten meanwhile are lost; those added meanwhile are left to the next save. */
int state_collect(struct state *s)
{
	uint64_t next = s->ring_from, lost = 0;
	struct change change;
	int r;

	if (!s->ring)
		return 0;
	s->n_changes = 0;
	r = state_reserve_changes(s, (size_t)(s->ring_to - s->ring_from));
	while (r == 0 && next < s->ring_to && changes_read(s->ring, &next, &change, 1, &lost) == 1 &&
	       next <= s->ring_to)
		if (state_keeps(change.port))
			s->changes[s->n_changes++] = change;
	return r;
}

bool state_keeps(const char *name)
{
	size_t len = 0;

	for (; name[len]; len++)
		if (len == IFNAMSIZ - 1 || name[len] <= ' ' || name[len] > '~')
			return false;
	return len > 0;
}

bool state_add(struct state *s, const char *name, uint64_t flaps, uint64_t changed_msec)
{
	struct state_port *port;

	if (s->n_ports == s->capacity || !state_keeps(name))
		return false;
	port = &s->ports[s->n_ports++];
	*port = (struct state_port){.flaps = flaps, .changed_msec = changed_msec};
	memcpy(port->name, name, strlen(name) + 1);
	return true;
}

/* --- the seal --- */

static int hash(const char *bytes, size_t len, char hex[HASH_HEX + 1])
{
	unsigned char digest[HASH_BYTES];

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, len, digest) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < HASH_BYTES; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int state_seal(struct text *members, char **ret, size_t *len)
{
	char hex[HASH_HEX + 1];
	int r = members->failed ? -ENOMEM : hash(members->data, members->len, hex);

	if (r == 0) {
		text_put(members, SEAL_HEAD);
		text_put(members, hex);
		text_add(members, SEAL_TAIL, sizeof(SEAL_TAIL));
	}
	if (r < 0 || members->failed) {
		free(members->data);
		return -ENOMEM;
	}
	*ret = members->data;
	*len = members->len - 1;
	return 0;
}

/* The bytes end in the very seal that state_seal() would give them. */
static int check_seal(const char *bytes, size_t len, const char **wrong)
{
	char seal[SEAL_BYTES + 1], hex[HASH_HEX + 1];
	size_t members = len - SEAL_BYTES;
	int r;

	*wrong = "it is cut short or damaged: it does not end in a checksum";
	if (len <= SEAL_BYTES || memcmp(bytes + members, SEAL_HEAD, strlen(SEAL_HEAD)) != 0)
		return -EINVAL;
	*wrong = "out of memory";
	r = hash(bytes, members, hex);
	if (r < 0)
		return r;
	*wrong = "it is damaged: the checksum does not fit";
	(void)snprintf(seal, sizeof(seal), SEAL_HEAD "%s" SEAL_TAIL, hex);
	return memcmp(bytes + members, seal, SEAL_BYTES) == 0 ? 0 : -EINVAL;
}

/* --- reading --- */

/* Where to put the line that says what is wrong. */
struct complaint {
	char *why;
	size_t size;
};

PRINTF_LIKE(3, 4) static int refuse(const struct complaint *c, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(c->why, c->size, format, args);
	va_end(args);
	return error;
}

static int read_number(const struct complaint *c, const json_t *object, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(object, key);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (uint64_t)number > STATE_MAX_NUMBER)
		return refuse(c, -EINVAL, "%s is not an integer of 0 to 2^53", key);
	*out = (uint64_t)number;
	return 0;
}

static int read_version(const struct complaint *c, const json_t *root, uint64_t *version)
{
	int r = read_number(c, root, "version", version);

	if (r < 0)
		return r;
	if (*version > STATE_VERSION)
		return refuse(c, -EPROTO, "it is of version %llu; this portsyncd knows version %d",
			      (unsigned long long)*version, STATE_VERSION);
	if (*version == 0)
		return refuse(c, -EINVAL, "there was no version 0");
	return 0;
}

static int read_boot_id(const struct complaint *c, const json_t *root, char out[STATE_BOOT_ID_BYTES])
{
	const char *id = json_string_value(json_object_get(root, "boot_id"));

	if (!id || strlen(id) != STATE_BOOT_ID_BYTES - 1 || id[strspn(id, "0123456789abcdef")] != '\0')
		return refuse(c, -EINVAL, "boot_id is not 32 hexadecimal digits");
	memcpy(out, id, STATE_BOOT_ID_BYTES);
	return 0;
}

static int read_port(const struct complaint *c, const char *name, const json_t *value, struct state *s)
{
	uint64_t flaps = 0, changed = 0;
	int r;

	if (!state_keeps(name))
		return refuse(c, -EINVAL, "a port's name is not 1 to %d printable characters", IFNAMSIZ - 1);
	if (json_object_size(value) != PORT_MEMBERS)
		return refuse(c, -EINVAL, "%s does not have exactly flaps and last_change", name);
	r = read_number(c, value, "flaps", &flaps);
	if (r == 0)
		r = read_number(c, value, "last_change", &changed);
	if (r == 0)
		(void)state_add(s, name, flaps, changed);
	return r;
}

static int read_ports(const struct complaint *c, json_t *ports, struct state *s)
{
	const char *name;
	json_t *value;
	int r;

	if (!json_is_object(ports))
		return refuse(c, -EINVAL, "ports is not an object");
	r = state_reserve(s, json_object_size(ports));
	if (r == -E2BIG)
		return refuse(c, -EINVAL, "it has more than %d ports", STATE_MAX_PORTS);
	if (r < 0)
		return refuse(c, r, "out of memory");
	json_object_foreach(ports, name, value)
	{
		r = read_port(c, name, value, s);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One integer of a change, and the character that ends it. False: it is not of that range. */
static bool read_integer(const char **at, char end, int64_t least, int64_t most, int64_t *out)
{
	bool negative = **at == '-';
	const char *digit = *at + negative, *first = digit;
	int64_t value = 0;

	for (; *digit >= '0' && *digit <= '9' && digit - first < INTEGER_DIGITS; digit++)
		value = value * 10 + (*digit - '0');
	if (digit == first || *digit != end)
		return false;
	*out = negative ? -value : value;
	*at = digit + 1;
	return *out >= least && *out <= most;
}

/* "-", or state,oper,admin,mtu of a row that has at least one of them. */
static bool read_row(const char **at, struct row_packed *out)
{
	struct row row;

	*out = (struct row_packed){0};
	if (strncmp(*at, "- ", 2) == 0) {
		*at += 2;
		return true;
	}
	for (unsigned field = 0; field < ROW_FIELDS; field++)
		if (!read_integer(at, field == ROW_FIELDS - 1 ? ' ' : ',', ROW_OTHER, field == ROW_MTU ? UINT32_MAX : 1,
				  &row.value[field]))
			return false;
	*out = row_pack(&row);
	return row.value[ROW_STATE] != 0 && out->bits != 0;
}

/* NULL, or what is wrong with it. */
static const char *read_change(const char *text, struct change *out)
{
	int64_t number, at, latency, fields;

	if (!text)
		return "not a string";
	if (!read_integer(&text, ' ', 1, STATE_MAX_NUMBER, &number) ||
	    !read_integer(&text, ' ', 0, STATE_MAX_NUMBER, &at))
		return "its number or time is not an integer up to 2^53";
	if (!read_integer(&text, ' ', 0, UINT32_MAX, &latency))
		return "its latency is not an integer of 32 bits";
	if (!read_row(&text, &out->before) || !read_row(&text, &out->after) ||
	    (out->before.bits | out->after.bits) == 0)
		return "a row of it is neither - nor four values";
	if (!read_integer(&text, ' ', 1, ROW_ALL, &fields))
		return "its fields are not of 1 to 15";
	if (!state_keeps(text))
		return "its port's name is not 1 to 15 printable characters";
	out->number = (uint64_t)number;
	out->at_usec = (uint64_t)at;
	out->latency_usec = (uint32_t)latency;
	out->kind = out->after.bits ? CHANGE_SET : CHANGE_DELETED;
	out->fields = (uint8_t)fields;
	memcpy(out->port, text, strlen(text) + 1);
	return NULL;
}

/* Their numbers ascend, up to the last one that was issued. As read_change(). */
static const char *take_change(struct state *s, const char *text)
{
	struct change change = {0};
	const char *wrong = read_change(text, &change);

	if (wrong)
		return wrong;
	if (change.number <= (s->n_changes > 0 ? s->changes[s->n_changes - 1].number : 0) ||
	    change.number > s->event_id)
		return "its number is not between that before and event_id";
	s->changes[s->n_changes++] = change;
	return NULL;
}

static int read_changes(const struct complaint *c, const json_t *changes, struct state *s)
{
	const json_t *value;
	size_t i;
	int r;

	if (!json_is_array(changes))
		return refuse(c, -EINVAL, "changes is not an array");
	r = state_reserve_changes(s, json_array_size(changes));
	if (r == -E2BIG)
		return refuse(c, -EINVAL, "it has more than %d changes", CHANGES_KEPT_MAX);
	if (r < 0)
		return refuse(c, r, "out of memory");
	json_array_foreach(changes, i, value)
	{
		const char *wrong = take_change(s, json_string_value(value));

		if (wrong)
			return refuse(c, -EINVAL, "change %zu: %s", i + 1, wrong);
	}
	return 0;
}

/* apart: without ports, changes and checksum. */
static int read_members(const struct complaint *c, json_t *root, struct state *s, bool apart)
{
	const json_t *clean = json_object_get(root, "clean");
	uint64_t version = 0;
	int r = read_version(c, root, &version);

	if (r < 0)
		return r;
	if (json_object_size(root) + (apart ? 3 : 0) != (version == 1 ? FILE_MEMBERS_1 : FILE_MEMBERS) ||
	    !json_is_boolean(clean))
		return refuse(c, -EINVAL, "it does not have exactly the members of version %d", STATE_VERSION);
	s->clean = json_is_true(clean);
	r = read_number(c, root, "saved_at", &s->saved_msec);
	if (r == 0)
		r = read_boot_id(c, root, s->boot_id);
	if (r == 0)
		r = read_number(c, root, "event_id", &s->event_id);
	if (r == 0)
		r = read_number(c, root, "audit_sequence", &s->audit_seq);
	if (r == 0 && !apart)
		r = read_ports(c, json_object_get(root, "ports"), s);
	if (r == 0 && version > 1 && !apart)
		r = read_changes(c, json_object_get(root, "changes"), s);
	return r;
}

/* --- reading what we wrote --- */

static size_t count_lines(const char *at, const char *end)
{
	size_t n = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		n++;
	}
	return n;
}

/* Reads everything before the ports, which begin at len, as a file of its own. */
static int read_head(struct state *s, const char *bytes, size_t len)
{
	char *head cleanup(free_ptr) = malloc(len + 1), why[1];
	const struct complaint c = {why, sizeof(why)};
	json_t *root cleanup(free_json) = NULL;

	if (!head)
		return -ENOMEM;
	memcpy(head, bytes, len);
	head[len] = '}';
	root = json_loadb(head, len + 1, JSON_REJECT_DUPLICATES, NULL);
	return json_is_object(root) ? read_members(&c, root, s, true) : -EINVAL;
}

/* Moves past this text; false if it is not there. */
static bool skip(const char **at, const char *end, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(end - *at) < len || memcmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* The rest of a string in which nothing is escaped. */
static bool take_plain(const char **at, const char *end, char *text, size_t size)
{
	size_t len = 0;

	for (; *at < end && **at != '"'; len++, ++*at) {
		if (len == size - 1 || **at < ' ' || **at > '~' || **at == '\\')
			return false;
		text[len] = **at;
	}
	text[len] = '\0';
	return skip(at, end, "\"");
}

static bool take_plain_change(struct state *s, const char **at, const char *end)
{
	char text[CHANGE_BYTES];

	return take_plain(at, end, text, sizeof(text)) && take_change(s, text) == NULL;
}

/* A number as JSON writes it, and the character after it. The bytes end in a comma, so no digit is read past them. */
static bool take_number(const char **at, const char *end, char after, uint64_t *out)
{
	int64_t value;

	if (**at == '-' || (**at == '0' && (*at)[1] != after) || !read_integer(at, after, 0, STATE_MAX_NUMBER, &value))
		return false;
	*out = (uint64_t)value;
	return *at <= end;
}

static bool take_plain_port(struct state *s, const char **at, const char *end)
{
	uint64_t flaps, changed;
	char name[IFNAMSIZ];

	return take_plain(at, end, name, sizeof(name)) && skip(at, end, ": {\n   \"flaps\": ") &&
	       take_number(at, end, ',', &flaps) && skip(at, end, "\n   \"last_change\": ") &&
	       take_number(at, end, '\n', &changed) && skip(at, end, "  }") && state_add(s, name, flaps, changed);
}

static int compare_names(const void *one, const void *other)
{
	return strcmp((*(const struct state_port *const *)one)->name, (*(const struct state_port *const *)other)->name);
}

static bool names_differ(const struct state *s)
{
	const struct state_port **sorted cleanup(free_ptr) = calloc(s->n_ports + 1, sizeof(*sorted));

	for (size_t i = 0; sorted && i < s->n_ports; i++)
		sorted[i] = &s->ports[i];
	if (sorted)
		qsort(sorted, s->n_ports, sizeof(*sorted), compare_names);
	for (size_t i = 1; sorted && i < s->n_ports; i++)
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
			return false;
	return sorted;
}

static int read_plain_ports(struct state *s, const char *at, const char *end)
{
	int r = state_reserve(s, count_lines(at, end) / LINES_A_PORT);

	if (r < 0)
		return r;
	for (const char *line = "\n  \""; skip(&at, end, line); line = ",\n  \"")
		if (!take_plain_port(s, &at, end))
			return -EINVAL;
	return skip(&at, end, s->n_ports > 0 ? PORTS_TAIL : "}") && at == end && names_differ(s) ? 0 : -EINVAL;
}

static int read_plain_changes(struct state *s, const char *at, const char *end)
{
	int r = state_reserve_changes(s, count_lines(at, end));

	if (r < 0)
		return r;
	for (const char *line = "\n  \""; skip(&at, end, line); line = ",\n  \"")
		if (s->n_changes == s->changes_capacity || !take_plain_change(s, &at, end))
			return -EINVAL;
	return skip(&at, end, s->n_changes > 0 ? CHANGES_TAIL : "]") && at == end ? 0 : -EINVAL;
}

/*
 * state_format() writes ports and changes at the end, and they are read here: jansson would take longer over them than
 * the rest of a start. If anything looks different, jansson reads the whole file, and says what is wrong.
 */
static int read_by_lines(struct state *s, const char *bytes, size_t len)
{
	const char *end = bytes + len, *ports = memmem(bytes, len, PORTS_HEAD, strlen(PORTS_HEAD)), *changes;
	int r = ports ? read_head(s, bytes, (size_t)(ports - bytes)) : -EINVAL;

	if (r < 0)
		return r;
	ports += strlen(PORTS_HEAD);
	changes = memmem(ports, (size_t)(end - ports), CHANGES_HEAD, strlen(CHANGES_HEAD));
	if (!changes)
		return -EINVAL;
	r = read_plain_ports(s, ports, changes);
	return r < 0 ? r : read_plain_changes(s, changes + strlen(CHANGES_HEAD), end);
}

int state_parse(struct state *s, const char *bytes, size_t len, char *why, size_t size)
{
	const struct complaint c = {why, size};
	json_t *root cleanup(free_json) = NULL;
	const char *wrong;
	int r;

	if (len > STATE_MAX_BYTES)
		return refuse(&c, -EINVAL, "it has more than %u bytes", STATE_MAX_BYTES);
	r = check_seal(bytes, len, &wrong);
	if (r < 0)
		return refuse(&c, r, "%s", wrong);
	if (read_by_lines(s, bytes, len - SEAL_BYTES) == 0)
		return 0;
	state_done(s);
	root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	r = json_is_object(root) ? read_members(&c, root, s, false) : refuse(&c, -EINVAL, "it is not a JSON object");
	if (r < 0)
		state_done(s);
	return r;
}

/* --- writing --- */

static void put_integer(struct text *out, int64_t value)
{
	if (value < 0)
		text_add(out, "-", 1);
	text_number(out, (uint64_t)(value < 0 ? -value : value));
}

static void put_row(struct text *out, struct row_packed packed)
{
	const struct row row = row_unpack(packed);

	if (packed.bits == 0)
		text_put(out, "-");
	for (unsigned field = 0; field < ROW_FIELDS && packed.bits; field++) {
		text_put(out, field == 0 ? "" : ",");
		put_integer(out, row.value[field]);
	}
	text_put(out, " ");
}

static void put_number(struct text *out, uint64_t value)
{
	text_number(out, MIN(value, STATE_MAX_NUMBER));
	text_put(out, " ");
}

/* state_keeps() lets no character through that JSON would escape, except the two below. */
static void put_name(struct text *out, const char *name)
{
	for (size_t plain; *name; name += plain) {
		if (*name == '"' || *name == '\\')
			text_put(out, "\\");
		plain = 1 + strcspn(name + 1, "\"\\");
		text_add(out, name, plain);
	}
}

static void put_change(struct text *out, const struct change *change)
{
	put_number(out, change->number);
	put_number(out, change->at_usec);
	put_number(out, change->latency_usec);
	put_row(out, change->before);
	put_row(out, change->after);
	put_number(out, change->fields);
	put_name(out, change->port);
}

/* Each change is one string: there are thousands, and with a JSON value for each part jansson would need 4 MiB and 20
 * ms to read them. */
static void put_changes(struct text *out, const struct state *s)
{
	text_put(out, CHANGES_HEAD);
	for (size_t i = 0; i < s->n_changes; i++) {
		text_put(out, i == 0 ? "\n  \"" : ",\n  \"");
		put_change(out, &s->changes[i]);
		text_put(out, "\"");
	}
	text_put(out, s->n_changes > 0 ? CHANGES_TAIL : "]");
}

static void put_member(struct text *out, const char *head, uint64_t value)
{
	text_put(out, head);
	text_number(out, MIN(value, STATE_MAX_NUMBER));
}

static void put_ports(struct text *out, const struct state *s)
{
	text_put(out, PORTS_HEAD);
	for (size_t i = 0; i < s->n_ports; i++) {
		text_put(out, i == 0 ? "\n  \"" : ",\n  \"");
		put_name(out, s->ports[i].name);
		put_member(out, "\": {\n   \"flaps\": ", s->ports[i].flaps);
		put_member(out, ",\n   \"last_change\": ", s->ports[i].changed_msec);
		text_put(out, "\n  }");
	}
	text_put(out, s->n_ports > 0 ? PORTS_TAIL : "}");
}

/* By hand, like the changes: a start writes this text before anything else can begin. */
int state_format(const struct state *s, char **ret, size_t *len)
{
	struct text members = {0};

	put_member(&members, "{\n \"version\": ", STATE_VERSION);
	put_member(&members, ",\n \"saved_at\": ", s->saved_msec);
	text_put(&members, s->clean ? ",\n \"clean\": true" : ",\n \"clean\": false");
	text_put(&members, ",\n \"boot_id\": \"");
	text_put(&members, s->boot_id);
	put_member(&members, "\",\n \"event_id\": ", s->event_id);
	put_member(&members, ",\n \"audit_sequence\": ", s->audit_seq);
	put_ports(&members, s);
	put_changes(&members, s);
	return state_seal(&members, ret, len);
}
