/* SPDX-License-Identifier: Apache-2.0 */
/* What the ring holds, as the comments of a recording say it. */
#include "recorder/export.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/pcapng.h"
#include "recorder/remark.h"
#include "test.h"

#define EPOCH (UINT64_C(1792152000) * NSEC_PER_SEC)
#define DATAGRAM 600
#define SAID_MAX 16384
#define MANY 70 /* more remarks than one packet has */

static const char ethernet0[IFNAMSIZ] = "Ethernet0";

static int setup(void **state)
{
	(void)state;
	return recorder_start(RECORDER_MIN_BYTES);
}

static int teardown(void **state)
{
	(void)state;
	recorder_stop();
	return 0;
}

static void free_text(struct text *t)
{
	free(t->data);
}

static void put_datagram(void)
{
	static const unsigned char bytes[DATAGRAM];

	recorder_datagram(RECORDER_EVENTS, bytes, sizeof(bytes));
}

static void put_checkpoint(const struct recorder_port *port)
{
	recorder_checkpoint_begins(REMARK_SYNCED, "synced", false);
	if (port)
		recorder_port(port);
	recorder_checkpoint_ends();
}

/* One line a comment, after "time length" of its packet. */
static void tell(char said[SAID_MAX], const struct text *file)
{
	struct pcapng_reader r;
	struct pcapng_packet packet;
	const char *text;
	size_t len, at;

	assert_int_equal(pcapng_open(&r, file->data, file->len), 0);
	said[0] = '\0';
	while (pcapng_next_comment(&r.comments, &text, &len))
		text_append(said, SAID_MAX, "", "%.*s\n", (int)len, text);
	while (pcapng_next(&r, &packet) == 1) {
		text_append(said, SAID_MAX, "", "%" PRIu64 " %zu\n", packet.nsec - EPOCH, packet.len);
		while (pcapng_next_comment(&packet.comments, &text, &len)) {
			at = strlen(REMARK_PREFIX);
			assert_memory_equal(text, REMARK_PREFIX, at);
			text_append(said, SAID_MAX, "", "%.*s\n", (int)(len - at), text + at);
		}
	}
}

static void words_until(enum export_end end, char said[SAID_MAX])
{
	struct recorder_copy copy cleanup(recorder_copy_free) = {0};
	struct text file cleanup(free_text) = {0};

	recorder_publish();
	assert_int_equal(recorder_copy(&copy), 0);
	assert_int_equal(export_copy(&file, &copy, end, "drift: a test", "switch", EPOCH), 0);
	tell(said, &file);
}

static void words_of_all(char said[SAID_MAX])
{
	words_until(EXPORT_ALL, said);
}

static void assert_says(const char *said, const char *want)
{
	if (!strstr(said, want))
		fail_msg("\"%s\" is not in\n%s", want, said);
}

static unsigned count(const char *said, const char *what)
{
	unsigned n = 0;

	for (; (said = strstr(said, what)); said++)
		n++;
	return n;
}

static void what_was_decided_stands_behind_its_datagram(void **state)
{
	const struct recorder_row row = {.mtu = 9100, .state = 1, .oper = 1, .admin = 0};
	char said[SAID_MAX];

	(void)state;
	recorder_time(NSEC_PER_SEC);
	put_datagram();
	recorder_owed(ethernet0, 1);
	put_datagram();
	recorder_owed(ethernet0, 10);
	recorder_sent(ethernet0, 11, row);
	recorder_time(NSEC_PER_SEC + 2500);
	recorder_acked(ethernet0, 11);
	recorder_refused(ethernet0, 8, "OOM");
	words_of_all(said);
	assert_says(said, "1000000000 600\n"
			  "datagram socket=events\n"
			  "owed after=0 port=Ethernet0 fields=state\n"
			  "1000000000 600\n"
			  "datagram socket=events\n"
			  "owed after=0 port=Ethernet0 fields=oper,mtu\n"
			  "sent after=0 port=Ethernet0 fields=state,oper,mtu state=1 oper=1 admin=0 mtu=9100\n"
			  "acked after=2 port=Ethernet0 fields=state,oper,mtu\n"
			  "refused after=2 port=Ethernet0 fields=mtu error=OOM\n"
			  "1000000000 16\n"
			  "end packets=2\n");
}

/* tshark shows all comments of a packet in one line. */
static void a_packet_has_at_most_64_comments(void **state)
{
	char said[SAID_MAX];

	(void)state;
	put_datagram();
	for (unsigned i = 0; i < MANY; i++)
		recorder_lost(RECORDER_OVERRUN);
	words_of_all(said);
	assert_int_equal(count(said, "lost after=0 what=overrun"), MANY);
	assert_says(said, "end packets=2\n");
}

/* Such as an answer that the asking thread stamped before the turn began. */
static void what_is_older_than_its_packet_has_its_own(void **state)
{
	char said[SAID_MAX];

	(void)state;
	recorder_time(2000);
	put_datagram();
	recorder_time(1000);
	recorder_lost(RECORDER_OVERRUN);
	words_of_all(said);
	assert_says(said, "1000 16\nlost after=0 what=overrun\n");
}

static void a_port_has_its_link_and_its_row(void **state)
{
	static const struct recorder_port port = {
		.name = "Ethernet0",
		.ifindex = 7,
		.flags = IFF_UP,
		.mtu = 9100,
		.master = 3,
		.old = true,
		.row_known = true,
		.owed = true,
		.row = {.mtu = 1500, .state = 1, .oper = 0, .admin = 1},
	};
	char with_master[SAID_MAX], without[SAID_MAX];
	struct recorder_port free_port = port;

	(void)state;
	put_checkpoint(&port);
	words_of_all(with_master);
	assert_says(with_master,
		    "port port=Ethernet0 link=1 old=1 configured=0 known=1 owes=1 state=1 oper=0 admin=1 mtu=1500\n");
	recorder_stop();
	assert_int_equal(recorder_start(RECORDER_MIN_BYTES), 0);
	free_port.master = 0;
	put_checkpoint(&free_port);
	words_of_all(without);
	assert_string_not_equal(with_master, without); /* the length of the link's message */
}

static void only_the_first_and_the_last_checkpoint_are_reported(void **state)
{
	char said[SAID_MAX];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		put_checkpoint(NULL);
	words_of_all(said);
	assert_int_equal(count(said, "checkpoint after=0 state=synced"), 2);
}

/* Otherwise it would be read as one of the checkpoint's ports. */
static void what_follows_a_checkpoint_has_a_packet_of_its_own(void **state)
{
	char said[SAID_MAX];

	(void)state;
	put_checkpoint(NULL);
	recorder_lost(RECORDER_OVERRUN);
	words_of_all(said);
	assert_says(said, "checkpoint after=0 state=synced\n0 16\nlost after=0 what=overrun\n");
}

static void it_may_end_with_the_last_checkpoint(void **state)
{
	static const struct recorder_port port = {.name = "Ethernet0", .ifindex = 7};
	char said[SAID_MAX];

	(void)state;
	put_checkpoint(NULL);
	recorder_lost(RECORDER_TRUNCATED);
	put_checkpoint(&port);
	recorder_lost(RECORDER_OVERRUN);
	words_until(EXPORT_TO_CHECKPOINT, said);
	assert_int_equal(count(said, "lost after=0 what="), 1);
	assert_int_equal(count(said, "port port=Ethernet0 "), 1);
	assert_int_equal(count(said, "end packets="), 1);
	words_of_all(said);
	assert_int_equal(count(said, "lost after=0 what="), 2);
}

/* As before the first dump. */
static void without_a_checkpoint_it_has_all(void **state)
{
	char said[SAID_MAX];

	(void)state;
	recorder_lost(RECORDER_OVERRUN);
	words_until(EXPORT_TO_CHECKPOINT, said);
	assert_says(said, "lost after=0 what=overrun\n");
}

static void it_says_how_many_datagrams_are_gone(void **state)
{
	struct recorder_copy copy cleanup(recorder_copy_free) = {0};
	struct text file cleanup(free_text) = {0};
	char said[SAID_MAX];

	(void)state;
	put_datagram();
	recorder_publish();
	assert_int_equal(recorder_copy(&copy), 0);
	copy.datagrams = 5;
	assert_int_equal(export_copy(&file, &copy, EXPORT_ALL, "drift: a test", "switch", EPOCH), 0);
	tell(said, &file);
	assert_says(said, "host=switch dropped=4\n");
	assert_says(said, "\ndrift: a test\n");
}

static void an_empty_ring_has_no_recording(void **state)
{
	struct text file = {0};

	(void)state;
	assert_int_equal(export_recording(&file, EXPORT_ALL, "request: a test"), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_decided_stands_behind_its_datagram),
		TEST(a_packet_has_at_most_64_comments),
		TEST(what_is_older_than_its_packet_has_its_own),
		TEST(a_port_has_its_link_and_its_row),
		TEST(only_the_first_and_the_last_checkpoint_are_reported),
		TEST(what_follows_a_checkpoint_has_a_packet_of_its_own),
		TEST(it_may_end_with_the_last_checkpoint),
		TEST(without_a_checkpoint_it_has_all),
		TEST(it_says_how_many_datagrams_are_gone),
		TEST(an_empty_ring_has_no_recording),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
