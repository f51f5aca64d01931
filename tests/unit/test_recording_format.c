/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/recorder/pcapng.c, src/recorder/remark.c */
/*
 * The file of a recording: what is written is read back, and what is cut off or lies about a length is refused. The
 * bytes of a small file are those that the document of the format lays down.
 */
#include "recorder/pcapng.h"

#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "recorder/remark.h"

#define TIME UINT64_C(1792000000123456789)

static void free_text(struct text *t)
{
	free(t->data);
}

static void put_remark(struct pcapng_block *b, const struct remark *remark)
{
	struct text comment cleanup(free_text) = {0};

	remark_format(&comment, remark);
	assert_false(comment.failed);
	pcapng_comment(b, comment.data, comment.len);
}

/* A section with a comment, a packet of 5 bytes with two, and one without any. */
static struct text sample(void)
{
	struct text out = {0};
	struct pcapng_block b;

	pcapng_section_begin(&b, &out);
	pcapng_comment(&b, "reason", 6);
	pcapng_section_end(&b);
	pcapng_packet_begin(&b, &out, TIME, "12345", 5);
	pcapng_comment(&b, "one", 3);
	pcapng_comment(&b, "second", 6);
	pcapng_packet_end(&b);
	pcapng_packet_begin(&b, &out, TIME + 1, "1234", 4);
	pcapng_packet_end(&b);
	assert_false(out.failed);
	return out;
}

static void assert_comment(struct pcapng_comments *left, const char *want)
{
	const char *text;
	size_t len;

	assert_true(pcapng_next_comment(left, &text, &len));
	assert_int_equal(len, strlen(want));
	assert_memory_equal(text, want, len);
}

static void assert_no_comment(struct pcapng_comments *left)
{
	const char *text;
	size_t len;

	assert_false(pcapng_next_comment(left, &text, &len));
}

static void a_file_is_read_back(void **state)
{
	struct text file cleanup(free_text) = sample();
	struct pcapng_reader r;
	struct pcapng_packet packet;

	(void)state;
	assert_int_equal(pcapng_open(&r, file.data, file.len), 0);
	assert_comment(&r.comments, "reason");
	assert_no_comment(&r.comments);
	assert_int_equal(pcapng_next(&r, &packet), 1);
	assert_int_equal(packet.nsec, TIME);
	assert_int_equal(packet.len, 5);
	assert_memory_equal(packet.data, "12345", 5);
	assert_comment(&packet.comments, "one");
	assert_comment(&packet.comments, "second");
	assert_no_comment(&packet.comments);
	assert_int_equal(pcapng_next(&r, &packet), 1);
	assert_int_equal(packet.nsec, TIME + 1);
	assert_no_comment(&packet.comments);
	assert_int_equal(pcapng_next(&r, &packet), 0);
}

/* Section 4.3 of the draft, LINKTYPE_NETLINK of the registry of tcpdump.org. Little-endian machines. */
static void a_packet_has_the_bytes_of_the_document(void **state)
{
	static const unsigned char want[] = {
		6,  0, 0, 0, 64,  0,   0,   0,   /* type and length of the block */
		0,  0, 0, 0, 2,   0,   0,   0,   /* interface, time's upper half */
		1,  0, 0, 0, 20,  0,   0,   0,   /* lower half, captured */
		20, 0, 0, 0, 0,   0,   3,   56,  /* original; packet type, ARPHRD_NETLINK in network order */
		0,  0, 0, 0, 0,   0,   0,   0,   /* unused */
		0,  0, 0, 0, 'd', 'a', 't', 'a', /* family, datagram */
		1,  0, 1, 0, 'c', 0,   0,   0,   /* comment, padded */
		0,  0, 0, 0, 64,  0,   0,   0,   /* end of options, length again */
	};
	struct text file cleanup(free_text) = {0};
	struct pcapng_block b;

	(void)state;
	pcapng_packet_begin(&b, &file, (UINT64_C(2) << 32) + 1, "data", 4);
	pcapng_comment(&b, "c", 1);
	pcapng_packet_end(&b);
	assert_int_equal(file.len, sizeof(want));
	assert_memory_equal(file.data, want, sizeof(want));
}

/* 0 at the end of the file, or what the reader returned. */
static int read_all(struct pcapng_reader *r, const void *bytes, size_t len, size_t *packets)
{
	struct pcapng_packet packet;
	int result = pcapng_open(r, bytes, len);

	*packets = 0;
	if (result < 0)
		return result;
	while ((result = pcapng_next(r, &packet)) > 0)
		++*packets;
	return result;
}

/* Between two blocks nothing shows that more followed: the last remark does, see recording.h. */
static void a_file_cut_off_within_a_block_is_refused(void **state)
{
	struct text file cleanup(free_text) = sample();
	size_t packets, between = 0;

	(void)state;
	for (size_t len = 0; len < file.len; len++) {
		char *cut cleanup(free_ptr) = malloc(len + 1);
		struct pcapng_reader r;

		memcpy(cut, file.data, len);
		if (read_all(&r, cut, len, &packets) == 0) {
			between++;
			continue;
		}
		assert_int_not_equal(r.why[0], '\0');
		assert_true(r.offset <= len);
	}
	assert_int_equal(between, 2); /* behind the interface, behind the first packet */
}

/* Each length of the file, one at a time, becomes another. */
static void a_wrong_length_is_refused(void **state)
{
	static const uint32_t wrong[] = {0, 1, 8, 13, 0x7fffffff, 0xfffffffc, 0xffffffff};
	struct text file cleanup(free_text) = sample();

	(void)state;
	for (size_t block = 0, length = 0; block < file.len; block += length) {
		memcpy(&length, file.data + block + 4, 4);
		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
			for (int behind = 0; behind < 2; behind++) {
				size_t at = behind ? block + length - 4 : block + 4, packets;
				char *copy cleanup(free_ptr) = malloc(file.len);
				struct pcapng_reader r;

				memcpy(copy, file.data, file.len);
				memcpy(copy + at, &wrong[i], 4);
				assert_int_equal(read_all(&r, copy, file.len, &packets), -EBADMSG);
				assert_int_equal(r.offset, block);
			}
	}
}

/* What follows would stand at an odd address. */
static void an_odd_length_is_refused(void **state)
{
	static const uint16_t block[] = {5, 0, 18, 0, 0, 0, 0, 18, 0};
	struct text file cleanup(free_text) = sample();
	struct pcapng_reader r;
	size_t packets, end = file.len;

	(void)state;
	text_add(&file, (const char *)block, sizeof(block));
	assert_int_equal(read_all(&r, file.data, file.len, &packets), -EBADMSG);
	assert_int_equal(r.offset, end);
}

static void assert_refused(const struct text *file, size_t at, const void *bytes, size_t len, const char *why)
{
	char *copy cleanup(free_ptr) = malloc(file->len);
	struct pcapng_reader r;
	size_t packets;

	memcpy(copy, file->data, file->len);
	memcpy(copy + at, bytes, len);
	assert_int_equal(read_all(&r, copy, file->len, &packets), -EBADMSG);
	if (!strstr(r.why, why))
		fail_msg("\"%s\" does not say \"%s\"", r.why, why);
}

static size_t block_at(const struct text *file, unsigned number)
{
	size_t at = 0;

	while (number-- > 0) {
		uint32_t length;

		memcpy(&length, file->data + at + 4, 4);
		at += length;
	}
	return at;
}

static void what_is_not_ours_is_refused(void **state)
{
	struct text file cleanup(free_text) = sample();
	size_t interface = block_at(&file, 1), packet = block_at(&file, 2);

	(void)state;
	assert_refused(&file, 0, "PK\3\4", 4, "not a pcapng file");
	assert_refused(&file, 8, "\x1a\x2b\x3c\x4d", 4, "other byte order");
	assert_refused(&file, 8, "abcd", 4, "not a pcapng file");
	assert_refused(&file, 12, "\2\0", 2, "version 2.0");
	assert_refused(&file, interface + 8, "\1\0", 2, "link type 1; allowed: 253");
	assert_refused(&file, interface + 32, "\6", 1, "not in nanoseconds");
	assert_refused(&file, packet + 8, "\1", 1, "interface 1");
	assert_refused(&file, packet + 20, "\7\0", 2, "7 of 21 bytes");
	assert_refused(&file, packet + 20, "\x15\xff\0\0\x15\xff\0\0", 8, "does not fit");
	assert_refused(&file, packet + 30, "\0\1", 2, "not of rtnetlink");
	assert_refused(&file, packet + 54, "\xff\xff", 2, "does not fit");
	assert_refused(&file, packet + 54, "\x15\0", 2, "does not fit");
	assert_refused(&file, packet, "\1", 1, "second interface");
}

static void unknown_blocks_are_skipped(void **state)
{
	struct text file cleanup(free_text) = sample();
	struct pcapng_reader r;
	size_t packets;

	(void)state;
	memcpy(file.data + block_at(&file, 2), "\5\0\0\0", 4);
	assert_int_equal(read_all(&r, file.data, file.len, &packets), 0);
	assert_int_equal(packets, 1);
}

/* --- remarks --- */

static const struct {
	struct remark remark;
	const char *text;
} remarks[] = {
	{{.kind = REMARK_RECORDING,
	  .version = 1,
	  .text = "a row was refused: 100%",
	  .daemon = "0.2.0",
	  .host = "sw1",
	  .dropped = UINT64_MAX},
	 "recording version=1 reason=a%20row%20was%20refused:%20100%25 daemon=0.2.0 host=sw1 "
	 "dropped=18446744073709551615"},
	{{.kind = REMARK_CHECKPOINT, .state = REMARK_DUMPING}, "checkpoint after=0 state=dumping"},
	{{.kind = REMARK_PORT, .port = "Ethernet\xff", .link = 1, .old = 1, .known = 1, .row = {1, 0, -1, 9100}},
	 "port port=Ethernet%ff link=1 old=1 configured=0 known=1 owes=0 state=1 oper=0 admin=- mtu=9100"},
	{{.kind = REMARK_PORT, .port = "-", .configured = 1, .owes = 1, .row = {-1, -1, -1, -1}},
	 "port port=%2d link=0 old=0 configured=1 known=0 owes=1 state=- oper=- admin=- mtu=-"},
	{{.kind = REMARK_DATAGRAM, .socket = REMARK_ASKED}, "datagram socket=asked"},
	{{.kind = REMARK_LOST, .after = 7, .loss = REMARK_TRUNCATED}, "lost after=7 what=truncated"},
	{{.kind = REMARK_STATE, .state = REMARK_SYNCED}, "state after=0 state=synced"},
	{{.kind = REMARK_OWED, .port = "Ethernet0", .owed = 2 | REMARK_OWED_DELETION},
	 "owed after=0 port=Ethernet0 fields=oper,deletion"},
	{{.kind = REMARK_OWED, .port = "Ethernet0"}, "owed after=0 port=Ethernet0 fields=-"},
	{{.kind = REMARK_SENT, .port = "Ethernet0", .owed = 15, .row = {1, 1, 1, -2}},
	 "sent after=0 port=Ethernet0 fields=state,oper,admin,mtu state=1 oper=1 admin=1 mtu=?"},
	{{.kind = REMARK_ACKED, .port = "Ethernet0", .owed = REMARK_OWED_DELETION},
	 "acked after=0 port=Ethernet0 fields=deletion"},
	{{.kind = REMARK_REFUSED, .port = "Ethernet0", .owed = 1, .text = ""},
	 "refused after=0 port=Ethernet0 fields=state error=-"},
	{{.kind = REMARK_CONN, .text = "STATE_DB", .up = 1}, "conn after=0 up=1 text=STATE_DB"},
	{{.kind = REMARK_NOTE, .text = "x"}, "note after=0 text=x"},
	{{.kind = REMARK_END, .packets = 3}, "end packets=3"},
};

static void a_remark_is_read_back(void **state)
{
	char why[PCAPNG_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(remarks); i++) {
		struct text out cleanup(free_text) = {0};
		struct remark got;

		remark_format(&out, &remarks[i].remark);
		text_add(&out, "", 1);
		assert_string_equal(out.data + strlen(REMARK_PREFIX), remarks[i].text);
		assert_int_equal(remark_parse(out.data, out.len - 1, &got, why, sizeof(why)), REMARK_GOOD);
		assert_memory_equal(&got, &remarks[i].remark, sizeof(got));
	}
}

static void a_bad_remark_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"unknown port=x",
		"end",
		"end ",
		"end packets=",
		"end packets=01",
		"end packets=-1",
		"end packets=18446744073709551616",
		"end packets=20000000000000000000",
		"end packets=1 ",
		"end packets=1 x=2",
		"end  packets=1",
		"acked after=0 port= fields=-",
		"acked after=0 port=Ethernet01234567 fields=-", /* IFNAMSIZ counts the NUL */
		"acked after=0 port=Ethernet0123456789 fields=-",
		"acked after=0 port=% fields=-",
		"acked after=0 port=%0 fields=-",
		"acked after=0 port=%00 fields=-",
		"acked after=0 port=%4G fields=-",
		"acked after=0 port=a\tb fields=-",
		"acked port=Ethernet0 after=0 fields=-",
		"conn after=0 up=2 text=x",
		"sent after=0 port=Ethernet0 fields=- state=1 oper=0 admin=0 mtu=9223372036854775808",
		"datagram socket=event",
		"owed after=0 port=Ethernet0 fields=",
		"owed after=0 port=Ethernet0 fields=oper,state",
		"owed after=0 port=Ethernet0 fields=oper,oper",
		"owed after=0 port=Ethernet0 fields=oper,",
		"recording version=1 reason=x",
	};
	struct remark got;
	char text[128], why[PCAPNG_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)snprintf(text, sizeof(text), REMARK_PREFIX "%s", bad[i]);
		why[0] = '\0';
		if (remark_parse(text, strlen(text), &got, why, sizeof(why)) != REMARK_BAD)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_not_equal(why[0], '\0');
	}
	/* Cut off within an escape: what follows does not belong to it. */
	(void)snprintf(text, sizeof(text), REMARK_PREFIX "note after=0 text=a%%41");
	assert_int_equal(remark_parse(text, strlen(text), &got, why, sizeof(why)), REMARK_GOOD);
	assert_int_equal(remark_parse(text, strlen(text) - 1, &got, why, sizeof(why)), REMARK_BAD);
	assert_int_equal(remark_parse("portsync", 8, &got, why, sizeof(why)), REMARK_FOREIGN);
	assert_int_equal(remark_parse("my note", 7, &got, why, sizeof(why)), REMARK_FOREIGN);
}

static void a_newer_version_is_read_as_far_as_its_number(void **state)
{
	static const char text[] = REMARK_PREFIX "recording version=2 something=else";
	struct remark got;
	char why[PCAPNG_WHY_MAX];

	(void)state;
	assert_int_equal(remark_parse(text, strlen(text), &got, why, sizeof(why)), REMARK_GOOD);
	assert_int_equal(got.version, 2);
}

/* The two together, as a recording has them. */
static void remarks_travel_in_comments(void **state)
{
	static const struct nlmsghdr nothing = {.nlmsg_len = sizeof(nothing), .nlmsg_type = NLMSG_NOOP};
	struct text file cleanup(free_text) = {0};
	struct pcapng_block b;
	struct pcapng_reader r;
	struct pcapng_packet packet;
	char why[PCAPNG_WHY_MAX];

	(void)state;
	pcapng_section_begin(&b, &file);
	put_remark(&b, &remarks[0].remark);
	pcapng_section_end(&b);
	pcapng_packet_begin(&b, &file, TIME, &nothing, sizeof(nothing));
	for (size_t i = 0; i < ARRAY_SIZE(remarks); i++)
		put_remark(&b, &remarks[i].remark);
	pcapng_packet_end(&b);
	assert_int_equal(pcapng_open(&r, file.data, file.len), 0);
	assert_int_equal(pcapng_next(&r, &packet), 1);
	for (size_t i = 0; i < ARRAY_SIZE(remarks); i++) {
		const char *text;
		size_t len;
		struct remark got;

		assert_true(pcapng_next_comment(&packet.comments, &text, &len));
		assert_int_equal(remark_parse(text, len, &got, why, sizeof(why)), REMARK_GOOD);
		assert_memory_equal(&got, &remarks[i].remark, sizeof(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_back),
		cmocka_unit_test(a_packet_has_the_bytes_of_the_document),
		cmocka_unit_test(a_file_cut_off_within_a_block_is_refused),
		cmocka_unit_test(a_wrong_length_is_refused),
		cmocka_unit_test(an_odd_length_is_refused),
		cmocka_unit_test(what_is_not_ours_is_refused),
		cmocka_unit_test(unknown_blocks_are_skipped),
		cmocka_unit_test(a_remark_is_read_back),
		cmocka_unit_test(a_bad_remark_is_refused),
		cmocka_unit_test(a_newer_version_is_read_as_far_as_its_number),
		cmocka_unit_test(remarks_travel_in_comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
