/* SPDX-License-Identifier: Apache-2.0 */
/* The state file's text: what is written is read back, and nothing else is read. */
#include "state/state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

#define BOOT "0123456789abcdef0123456789abcdef"

static void add_change(struct state *s, uint64_t number, const char *port, const struct row *before,
		       const struct row *after)
{
	struct change *change = &s->changes[s->n_changes++];

	*change = (struct change){
		.number = number,
		.at_usec = MIN(1791999999999999 + number, STATE_MAX_NUMBER),
		.latency_usec = number == 1 ? UINT32_MAX : 0,
		.kind = after ? CHANGE_SET : CHANGE_DELETED,
		.fields = ROW_ALL,
		.before = row_pack(before ? before : &row_nil),
		.after = row_pack(after ? after : &row_nil),
	};
	memcpy(change->port, port, strlen(port) + 1);
}

static void add_changes(struct state *s)
{
	static const struct row up = {{1, 1, 1, 9100}}, odd = {{ROW_NIL, ROW_OTHER, 0, UINT32_MAX}};

	assert_int_equal(state_reserve_changes(s, 3), 0);
	add_change(s, 1, "Ethernet0", NULL, &up);
	add_change(s, 4000, "Ethernet\"\\!~_12", &up, &odd);
	add_change(s, 4711, "E", &odd, NULL);
}

static struct state sample(void)
{
	struct state s = {
		.saved_msec = 1792000000123,
		.clean = true,
		.boot_id = BOOT,
		.event_id = 4711,
		.audit_seq = STATE_MAX_NUMBER,
	};

	assert_int_equal(state_reserve(&s, 3), 0);
	assert_true(state_add(&s, "Ethernet0", 3, 1791999999999));
	assert_true(state_add(&s, "Ethernet4", 0, 0));
	assert_true(state_add(&s, "Ethernet\"\\!~_", STATE_MAX_NUMBER, 1));
	add_changes(&s);
	return s;
}

static void assert_same_change(const struct change *a, const struct change *b)
{
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->at_usec, b->at_usec);
	assert_int_equal(a->latency_usec, b->latency_usec);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->fields, b->fields);
	assert_string_equal(a->port, b->port);
	assert_int_equal(a->before.bits, b->before.bits);
	assert_int_equal(a->after.bits, b->after.bits);
}

static void assert_same(const struct state *a, const struct state *b)
{
	assert_int_equal(a->saved_msec, b->saved_msec);
	assert_int_equal(a->clean, b->clean);
	assert_string_equal(a->boot_id, b->boot_id);
	assert_int_equal(a->event_id, b->event_id);
	assert_int_equal(a->audit_seq, b->audit_seq);
	assert_int_equal(a->n_ports, b->n_ports);
	for (size_t i = 0; i < a->n_ports; i++) {
		assert_string_equal(a->ports[i].name, b->ports[i].name);
		assert_int_equal(a->ports[i].flaps, b->ports[i].flaps);
		assert_int_equal(a->ports[i].changed_msec, b->ports[i].changed_msec);
	}
	assert_int_equal(a->n_changes, b->n_changes);
	for (size_t i = 0; i < a->n_changes; i++)
		assert_same_change(&a->changes[i], &b->changes[i]);
}

static int parse(struct state *s, const char *bytes, size_t len)
{
	char why[256] = "";
	int r = state_parse(s, bytes, len, why, sizeof(why));

	assert_true((r < 0) == (why[0] != '\0'));
	if (r < 0)
		assert_true(!s->ports && s->n_ports == 0 && !s->changes && s->event_id == 0 && s->audit_seq == 0);
	return r;
}

/* Also without a port, as at the first start. */
static void what_is_written_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct state in = sample(), out = {0};
		char *bytes cleanup(free_ptr) = NULL;
		size_t len;

		if (i == 1) {
			in.n_ports = in.n_changes = 0;
			in.clean = false;
		}
		assert_int_equal(state_format(&in, &bytes, &len), 0);
		assert_int_equal(strlen(bytes), len);
		assert_int_equal(parse(&out, bytes, len), 0);
		assert_same(&in, &out);
		state_done(&in);
		state_done(&out);
	}
}

static void numbers_stay_in_range(void **state)
{
	struct state in = {.boot_id = BOOT, .event_id = UINT64_MAX}, out = {0};
	char *bytes cleanup(free_ptr) = NULL;
	size_t len;

	(void)state;
	assert_int_equal(state_format(&in, &bytes, &len), 0);
	assert_int_equal(parse(&out, bytes, len), 0);
	assert_int_equal(out.event_id, STATE_MAX_NUMBER);
	state_done(&out);
}

static void each_flipped_bit_is_seen(void **state)
{
	struct state in = sample();
	char *bytes cleanup(free_ptr) = NULL;
	size_t len;

	(void)state;
	assert_int_equal(state_format(&in, &bytes, &len), 0);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct state out = {0};

		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(parse(&out, bytes, len), -EINVAL);
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
	}
	state_done(&in);
}

static void each_other_length_is_seen(void **state)
{
	struct state in = sample();
	char *bytes cleanup(free_ptr) = NULL, *longer cleanup(free_ptr) = NULL;
	size_t len;

	(void)state;
	assert_int_equal(state_format(&in, &bytes, &len), 0);
	for (size_t cut = 0; cut < len; cut++) {
		/* Exactly as long, so that AddressSanitizer sees a read past the end. */
		char *some cleanup(free_ptr) = malloc(cut + 1);
		struct state out = {0};

		memcpy(some, bytes, cut);
		assert_int_equal(parse(&out, some, cut), -EINVAL);
	}
	longer = calloc(1, STATE_MAX_BYTES + 1);
	memcpy(longer, bytes, len);
	for (size_t more = len + 1; more <= len + 64; more++) {
		struct state out = {0};

		assert_int_equal(parse(&out, longer, more), -EINVAL);
	}
	assert_int_equal(parse(&(struct state){0}, longer, STATE_MAX_BYTES + 1), -EINVAL);
	state_done(&in);
}

#define HEAD(version, saved, clean, boot, event, audit)                                                                \
	"{\"version\": " version ", \"saved_at\": " saved ", \"clean\": " clean ", \"boot_id\": " boot                 \
	", \"event_id\": " event ", \"audit_sequence\": " audit
#define GOOD HEAD("1", "5", "true", "\"" BOOT "\"", "7", "9")
#define PORT(text) GOOD ", \"ports\": {" text "}"
#define GOOD_2 HEAD("2", "5", "true", "\"" BOOT "\"", "7", "9") ", \"ports\": {}"
#define CHANGES(text) GOOD_2 ", \"changes\": [" text "]"
#define CHANGE(text) "\"" text "\""
#define SET(number) CHANGE(number " 5 6 - 1,1,1,9100 15 E")

static void seal(const char *members, size_t members_len, char **bytes, size_t *len)
{
	struct text text = {0};

	text_add(&text, members, members_len);
	assert_int_equal(state_seal(&text, bytes, len), 0);
}

/* Rightly sealed, as somebody with a newer portsyncd, or with an editor and sha256sum, may do it. */
static int parse_sealed(struct state *out, const char *members, char *why, size_t size)
{
	char *bytes cleanup(free_ptr) = NULL;
	size_t len;

	seal(members, strlen(members), &bytes, &len);
	return state_parse(out, bytes, len, why, size);
}

static void a_right_checksum_is_not_enough(void **state)
{
	static const struct {
		const char *members, *why;
		int error;
	} cases[] = {
		{HEAD("3", "5", "true", "\"" BOOT "\"", "7", "9") ", \"ports\": {}", "version 3", -EPROTO},
		{HEAD("9007199254740992", "5", "true", "1", "7", "9"), "version 9007199254740992", -EPROTO},
		{HEAD("0", "5", "true", "\"" BOOT "\"", "7", "9") ", \"ports\": {}", "no version 0", -EINVAL},
		{HEAD("\"1\"", "5", "true", "\"" BOOT "\"", "7", "9") ", \"ports\": {}", "version", -EINVAL},
		{HEAD("1", "-1", "true", "\"" BOOT "\"", "7", "9") ", \"ports\": {}", "saved_at", -EINVAL},
		{HEAD("1", "5", "1", "\"" BOOT "\"", "7", "9") ", \"ports\": {}", "members", -EINVAL},
		{HEAD("1", "5", "true", "\"0123456789ABCDEF0123456789ABCDEF\"", "7", "9") ", \"ports\": {}", "boot_id",
		 -EINVAL},
		{HEAD("1", "5", "true", "\"0123\"", "7", "9") ", \"ports\": {}", "boot_id", -EINVAL},
		{HEAD("1", "5", "true", "7", "7", "9") ", \"ports\": {}", "boot_id", -EINVAL},
		{HEAD("1", "5", "true", "\"" BOOT "\"", "7.0", "9") ", \"ports\": {}", "event_id", -EINVAL},
		{HEAD("1", "5", "true", "\"" BOOT "\"", "9007199254740993", "9") ", \"ports\": {}", "event_id",
		 -EINVAL},
		{HEAD("1", "5", "true", "\"" BOOT "\"", "7", "99999999999999999999") ", \"ports\": {}", "JSON",
		 -EINVAL},
		{HEAD("1", "5", "true", "\"" BOOT "\"", "7", "null") ", \"ports\": {}", "audit_sequence", -EINVAL},
		{GOOD, "members", -EINVAL},
		{GOOD ", \"ports\": []", "ports", -EINVAL},
		{GOOD ", \"ports\": {}, \"more\": 1", "members", -EINVAL},
		{GOOD ", \"ports\": {}, \"ports\": {}", "JSON", -EINVAL},
		{PORT("\"\": {\"flaps\": 1, \"last_change\": 1}"), "name", -EINVAL},
		{PORT("\"Ethernet12345678\": {\"flaps\": 1, \"last_change\": 1}"), "name", -EINVAL},
		{PORT("\"Ether net0\": {\"flaps\": 1, \"last_change\": 1}"), "name", -EINVAL},
		{PORT("\"Ethernet\\u00e9\": {\"flaps\": 1, \"last_change\": 1}"), "name", -EINVAL},
		{PORT("\"Ethernet\\n\": {\"flaps\": 1, \"last_change\": 1}"), "name", -EINVAL},
		{PORT("\"Ethernet\\u0000\": {\"flaps\": 1, \"last_change\": 1}"), "JSON", -EINVAL},
		{PORT("\"Ethernet0\": {\"flaps\": -1, \"last_change\": 1}"), "flaps", -EINVAL},
		{PORT("\"Ethernet0\": {\"flaps\": 1, \"last_change\": true}"), "last_change", -EINVAL},
		{PORT("\"Ethernet0\": {\"flaps\": 1}"), "exactly", -EINVAL},
		{PORT("\"Ethernet0\": {\"flaps\": 1, \"last_change\": 1, \"mtu\": 1}"), "exactly", -EINVAL},
		{PORT("\"Ethernet0\": 1"), "exactly", -EINVAL},
		{PORT("\"Ethernet0\": {\"flaps\": 1, \"last_change\": 1}, "
		      "\"Ethernet0\": {\"flaps\": 1, \"last_change\": 1}"),
		 "JSON", -EINVAL},
		{GOOD_2, "members", -EINVAL},
		{PORT("") ", \"changes\": []", "members", -EINVAL},
		{GOOD_2 ", \"changes\": {}", "changes", -EINVAL},
		{CHANGES("1"), "change 1: not a string", -EINVAL},
		{CHANGES("[1,5,6,15]"), "change 1: not a string", -EINVAL},
		{CHANGES(CHANGE("")), "change 1: its number", -EINVAL},
		{CHANGES(SET("0")), "change 1: its number", -EINVAL},
		{CHANGES(SET("1.0")), "change 1: its number", -EINVAL},
		{CHANGES(SET(" 1")), "change 1: its number", -EINVAL},
		{CHANGES(SET("+1")), "change 1: its number", -EINVAL},
		{CHANGES(SET("18446744073709551617")), "change 1: its number", -EINVAL},
		{CHANGES(SET("8")), "change 1: its number", -EINVAL},
		{CHANGES(SET("3") "," SET("3")), "change 2: its number", -EINVAL},
		{CHANGES(CHANGE("1")), "number or time", -EINVAL},
		{CHANGES(CHANGE("1 -1 6 - 1,1,1,9100 15 E")), "time", -EINVAL},
		{CHANGES(CHANGE("1 5 4294967296 - 1,1,1,9100 15 E")), "latency", -EINVAL},
		{CHANGES(CHANGE("1 5 - - 1,1,1,9100 15 E")), "latency", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - - 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,1,1 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 0,1,1,1 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,2,1,1 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,-3,1 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,4294967296 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 1,1,1,9100 -1,-1,-1,-1 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 -1 1,1,1,9100 15 E")), "row", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,9100 0 E")), "fields", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,9100 16 E")), "fields", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,9100 15")), "fields", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,9100 15 ")), "name", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,9100 15 E 0")), "name", -EINVAL},
		{CHANGES(CHANGE("1 5 6 - 1,1,1,9100 15 Ethernet12345678")), "name", -EINVAL},
		{"[1", "JSON", -EINVAL},
		{"", "cut short", -EINVAL},
	};
	struct state out = {0};
	char why[256];

	(void)state;
	assert_int_equal(parse_sealed(&out, PORT("\"Ethernet0\": {\"flaps\": 1, \"last_change\": 2}"), why, 256), 0);
	assert_int_equal(out.ports[0].changed_msec, 2);
	assert_int_equal(out.n_changes, 0); /* version 1 had none */
	state_done(&out);
	assert_int_equal(parse_sealed(&out, CHANGES(SET("3") "," SET("7")), why, 256), 0);
	assert_int_equal(out.n_changes, 2);
	state_done(&out);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse_sealed(&out, cases[i].members, why, sizeof(why)), cases[i].error);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: \"%s\" does not name %s", cases[i].members, why, cases[i].why);
		assert_true(!out.ports && out.n_ports == 0 && !out.changes && out.event_id == 0);
	}
}

static void names_that_are_kept(void **state)
{
	(void)state;
	assert_true(state_keeps("Ethernet0"));
	assert_true(state_keeps("Ethernet0.10"));
	assert_true(state_keeps("EthernetMAXIMUM"));
	assert_false(state_keeps(""));
	assert_false(state_keeps("EthernetMAXIMUM1"));
	assert_false(state_keeps("Ethernet 0"));
	assert_false(state_keeps("Ethernet\x7f"));
	assert_false(state_keeps("Ethernet\xc3\xa9"));
}

static void capacity_is_bounded(void **state)
{
	struct state s = {0}, out = {0};
	char *bytes cleanup(free_ptr) = NULL, name[IFNAMSIZ];
	size_t len;

	(void)state;
	assert_false(state_add(&s, "Ethernet0", 1, 1));
	assert_int_equal(state_reserve(&s, STATE_MAX_PORTS + 1), -E2BIG);
	assert_int_equal(state_reserve(&s, STATE_MAX_PORTS), 0);
	for (unsigned i = 0; i < STATE_MAX_PORTS; i++) {
		(void)snprintf(name, sizeof(name), "\"\"\"\"\"\"\"\"\"%06u", i);
		assert_true(state_add(&s, name, STATE_MAX_NUMBER, STATE_MAX_NUMBER));
	}
	assert_false(state_add(&s, "Ethernet0", 1, 1));
	memcpy(s.boot_id, BOOT, sizeof(BOOT));
	assert_int_equal(state_format(&s, &bytes, &len), 0);
	assert_int_equal(parse(&out, bytes, len), 0);
	assert_same(&s, &out);
	state_done(&s);
	state_done(&out);
}

/* As many as may be kept, of the longest text that they may have. */
static void all_changes_fit(void **state)
{
	static const struct row longest = {{ROW_OTHER, ROW_OTHER, ROW_OTHER, UINT32_MAX}};
	struct state s = {.boot_id = BOOT, .event_id = STATE_MAX_NUMBER}, out = {0};
	char *bytes cleanup(free_ptr) = NULL;
	size_t len;

	(void)state;
	assert_int_equal(state_reserve_changes(&s, CHANGES_KEPT_MAX + 1), -E2BIG);
	assert_int_equal(state_reserve_changes(&s, CHANGES_KEPT_MAX), 0);
	for (uint64_t number = STATE_MAX_NUMBER - CHANGES_KEPT_MAX; s.n_changes < CHANGES_KEPT_MAX;)
		add_change(&s, ++number, "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"", &longest, &longest);
	assert_int_equal(state_format(&s, &bytes, &len), 0);
	assert_int_equal(parse(&out, bytes, len), 0);
	assert_same(&s, &out);
	state_done(&s);
	state_done(&out);
}

/* Ports and changes of a file as we lay it out are read in a short way; of any other, as JSON. */
static void any_layout_is_read(void **state)
{
	static const struct row up = {{1, 1, 1, 9100}}, down = {{1, 0, 1, 1500}};
	static const char end[] = "\n ]", spaced_end[] = "\n  ]";
	struct state s = {.boot_id = BOOT, .event_id = 3}, ours = {0}, other = {0};
	char *bytes cleanup(free_ptr) = NULL, *members cleanup(free_ptr) = NULL, *spaced cleanup(free_ptr) = NULL;
	size_t len, n;
	char *at;

	(void)state;
	assert_int_equal(state_reserve_changes(&s, 3), 0);
	add_change(&s, 1, "Ethernet0", NULL, &up);
	add_change(&s, 2, "Ethernet124", &up, &down);
	add_change(&s, 3, "E", &down, NULL);
	assert_int_equal(state_format(&s, &bytes, &len), 0);
	assert_int_equal(parse(&ours, bytes, len), 0);
	assert_same(&s, &ours);

	members = strndup(bytes, len);
	assert_non_null(members);
	at = strstr(members, end);
	assert_non_null(at);
	n = (size_t)(at - members);
	memcpy(at, spaced_end, sizeof(spaced_end));
	seal(members, n + strlen(spaced_end), &spaced, &len);
	assert_int_equal(parse(&other, spaced, len), 0);
	assert_same(&s, &other);
	state_done(&s);
	state_done(&ours);
	state_done(&other);
}

static void replace_in(char *text, const char *old, const char *new)
{
	char *at = strstr(text, old);

	assert_non_null(at);
	assert_int_equal(strlen(old), strlen(new));
	for (size_t i = 0; new[i]; i++)
		at[i] = new[i];
}

/* The short way is as strict: what is no JSON, or has a name twice, is refused in our own layout, too. */
static void our_layout_is_read_strictly(void **state)
{
	static const struct {
		const char *old, *new, *why;
	} cases[] = {
		{"Ethernet4\"", "Ethernet0\"", "JSON"},
		{"\"flaps\": 33,", "\"flaps\": 03,", "JSON"},
		{"\"flaps\": 33,", "\"flaps\": -3,", "flaps"},
		{"\"flaps\": 33,", "\"flaps\": 3 }", "JSON"},
		{"\"last_change\": 44", "\"last_change\": -4", "last_change"},
		{"\"last_change\": 44", "\"last_change\": 4.", "JSON"},
		{"Ethernet4\"", "Ethernet \"", "name"},
		{"Ethernet4\"", "Ethernet\\\"", "JSON"},
		{"\"flaps\": 33", "\"flips\": 33", "flaps"},
		{"\n }", "\n  ", "JSON"},
		{"4\n  }\n }", "4,      ", "JSON"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct state s = {.boot_id = BOOT}, out = {0};
		char *bytes cleanup(free_ptr) = NULL, *members cleanup(free_ptr) = NULL, why[256];
		size_t len;

		assert_int_equal(state_reserve(&s, 2), 0);
		assert_true(state_add(&s, "Ethernet0", 1, 2));
		assert_true(state_add(&s, "Ethernet4", 33, 44));
		assert_int_equal(state_format(&s, &bytes, &len), 0);
		members = strdup(bytes);
		assert_non_null(members);
		*strstr(members, ",\n \"sha256\"") = '\0';
		assert_int_equal(parse_sealed(&out, members, why, sizeof(why)), 0);
		assert_same(&s, &out);
		state_done(&out);
		replace_in(members, cases[i].old, cases[i].new);
		assert_int_equal(parse_sealed(&out, members, why, sizeof(why)), -EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: \"%s\" does not name %s", cases[i].new, why, cases[i].why);
		state_done(&s);
	}
}

/* 0 and the state, or an error: by the short way, or as JSON because of a space that our layout does not have. */
static int parse_members(struct state *out, const char *members, size_t len, bool as_json)
{
	char *text cleanup(free_ptr) = NULL, *bytes cleanup(free_ptr) = NULL, why[256];
	size_t sealed;

	assert_true(asprintf(&text, "%.*s%s", (int)len, members, as_json ? " " : "") > 0);
	seal(text, strlen(text), &bytes, &sealed);
	return state_parse(out, bytes, sealed, why, sizeof(why));
}

/* Whatever another has written into a file of our layout: the short way never takes what JSON does not, or otherwise.
 */
static void the_short_way_reads_what_json_does(void **state)
{
	static const char others[] = "\"\\ \n\x1f\x7f"
				     "019-+.eE,:{}[]tA";
	struct state s = sample();
	char *bytes cleanup(free_ptr) = NULL;
	size_t len;

	(void)state;
	assert_int_equal(state_format(&s, &bytes, &len), 0);
	len = (size_t)(strstr(bytes, ",\n \"sha256\"") - bytes);
	for (size_t i = 0; i < len; i++) {
		const char right = bytes[i];

		for (const char *other = others; *other; other++) {
			struct state ours = {0}, json = {0};
			int r;

			bytes[i] = *other;
			r = parse_members(&ours, bytes, len, false);
			assert_int_equal(parse_members(&json, bytes, len, true), r);
			assert_same(&ours, &json);
			state_done(&ours);
			state_done(&json);
		}
		bytes[i] = right;
	}
	state_done(&s);
}

/* Up to the end that was noted; not those of names that cannot be kept. */
static void changes_are_collected_from_the_ring(void **state)
{
	static const struct row up = {{1, 1, 1, 9100}};
	struct changes *ring = changes_new(4);
	struct state s = {0}, source = {0};

	(void)state;
	assert_int_equal(state_collect(&s), 0); /* there is none */
	assert_int_equal(state_reserve_changes(&source, 6), 0);
	for (uint64_t number = 1; number <= 6; number++) {
		add_change(&source, number, number == 4 ? "Ether net" : "Ethernet0", NULL, &up);
		changes_add(ring, &source.changes[number - 1]);
	}
	s.ring = ring;
	s.ring_from = changes_begin(ring);
	s.ring_to = changes_end(ring) - 1;
	for (int again = 0; again < 2; again++) {
		assert_int_equal(state_collect(&s), 0);
		assert_int_equal(s.n_changes, 2);
		assert_same_change(&s.changes[0], &source.changes[2]);
		assert_same_change(&s.changes[1], &source.changes[4]);
	}
	state_done(&s);
	state_done(&source);
	changes_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(numbers_stay_in_range),
		cmocka_unit_test(each_flipped_bit_is_seen),
		cmocka_unit_test(each_other_length_is_seen),
		cmocka_unit_test(a_right_checksum_is_not_enough),
		cmocka_unit_test(names_that_are_kept),
		cmocka_unit_test(capacity_is_bounded),
		cmocka_unit_test(all_changes_fit),
		cmocka_unit_test(any_layout_is_read),
		cmocka_unit_test(our_layout_is_read_strictly),
		cmocka_unit_test(the_short_way_reads_what_json_does),
		cmocka_unit_test(changes_are_collected_from_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
