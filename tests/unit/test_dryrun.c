/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dryrun.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "test.h"

#define UP (IFF_UP | IFF_RUNNING)
#define FULL " state ok netdev_oper_status up admin_status up mtu 9100\n"

static int setup(void **state)
{
	*state = links_new(0);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	links_free(*state);
	return 0;
}

static struct link_msg message(uint16_t type, int ifindex, const char *name, uint32_t flags, uint32_t mtu)
{
	struct link_msg msg = {.type = type, .ifindex = ifindex, .flags = flags, .mtu = mtu, .kind = "veth"};

	(void)snprintf(msg.name, sizeof(msg.name), "%s", name);
	return msg;
}

static void seen(struct links *l, int ifindex, const char *name, uint32_t flags, uint32_t mtu)
{
	struct link_msg msg = message(RTM_NEWLINK, ifindex, name, flags, mtu);

	links_event(l, &msg, 0);
}

static void gone(struct links *l, int ifindex, const char *name)
{
	struct link_msg msg = message(RTM_DELLINK, ifindex, name, 0, 9100);

	links_event(l, &msg, 0);
}

static void prints_with(struct links *l, const char *separator, const char *want)
{
	char *text cleanup(free_ptr) = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(dryrun_flush(l, separator, true, out), 0);
	/* It is there now, not when the stream is closed. */
	assert_string_equal(text, want);
	(void)fclose(out);
	assert_false(links_any_dirty(l));
}

static void prints(struct links *l, const char *want)
{
	prints_with(l, "|", want);
}

static void new_links(void **state)
{
	struct links *l = *state;

	prints(l, "");
	seen(l, 4, "Ethernet4", UP, 9100);
	seen(l, 3, "Ethernet0", IFF_UP | IFF_LOWER_UP, 1500);
	seen(l, 5, "Ethernet0.10", 0, 4294967295);
	seen(l, 6, "eth0", UP, 1500);
	seen(l, 7, "PortChannel1", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet4" FULL
		  "HSET PORT_TABLE|Ethernet0 state ok netdev_oper_status down admin_status up mtu 1500\n"
		  "HSET PORT_TABLE|Ethernet0.10 state ok netdev_oper_status down admin_status down mtu 4294967295\n");
	prints(l, "");
}

static void separator_of_the_database(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	prints_with(l, ":", "HSET PORT_TABLE:Ethernet0" FULL);
	gone(l, 3, "Ethernet0");
	prints_with(l, ":", "DEL PORT_TABLE:Ethernet0\n");
}

/* As they are written: consumers have to hear of a change that was undone, of a new master, and of a gap. */
static void what_is_owed_besides(void **state)
{
	struct links *l = *state;
	struct link_msg msg = message(RTM_NEWLINK, 3, "Ethernet0", UP, 9100);

	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
	seen(l, 3, "Ethernet0", UP, 1500);
	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0 mtu 9100\n");
	msg.master = 7;
	links_event(l, &msg, 0);
	prints(l, "HSET PORT_TABLE|Ethernet0 state ok\n");
	links_event(l, &msg, 0);
	prints(l, "");
	links_doubt(l);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
}

/* S17: every field written wakes the subscribers of the row. */
static void only_what_changed(void **state)
{
	static const struct {
		uint32_t flags, mtu;
		const char *line;
	} steps[] = {
		{IFF_UP, 9100, "HSET PORT_TABLE|Ethernet0 netdev_oper_status down\n"},
		{0, 9100, "HSET PORT_TABLE|Ethernet0 admin_status down\n"},
		{0, 1500, "HSET PORT_TABLE|Ethernet0 mtu 1500\n"},
		{UP, 1500, "HSET PORT_TABLE|Ethernet0 netdev_oper_status up admin_status up\n"},
		{IFF_UP, 9100, "HSET PORT_TABLE|Ethernet0 netdev_oper_status down mtu 9100\n"},
		{UP, 1500, "HSET PORT_TABLE|Ethernet0 netdev_oper_status up mtu 1500\n"},
		{0, 9216, "HSET PORT_TABLE|Ethernet0 netdev_oper_status down admin_status down mtu 9216\n"},
	};
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		seen(l, 3, "Ethernet0", steps[i].flags, steps[i].mtu);
		prints(l, steps[i].line);
	}
}

/* M17 */
static void nothing_for_what_did_not_change(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "");
	seen(l, 3, "Ethernet0", UP | IFF_PROMISC | IFF_ALLMULTI | IFF_LOWER_UP, 9100);
	prints(l, "");
	links_mark_dirty(l, links_find(l, "Ethernet0"));
	prints(l, "");
}

static void deleted(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	seen(l, 4, "Ethernet4", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL "HSET PORT_TABLE|Ethernet4" FULL);
	gone(l, 3, "Ethernet0");
	prints(l, "DEL PORT_TABLE|Ethernet0\n");
	gone(l, 3, "Ethernet0");
	prints(l, "");
	/* Nothing is kept of a port that is gone and reported (M12). */
	assert_int_equal(links_stats(l)->ports, 1);
	assert_null(links_find(l, "Ethernet0"));
}

/* S16: the DEL is an event of its own, also when the port is back already; all fields follow it. */
static void deleted_and_made_again(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
	gone(l, 3, "Ethernet0");
	seen(l, 8, "Ethernet0", UP, 9100);
	prints(l, "DEL PORT_TABLE|Ethernet0\nHSET PORT_TABLE|Ethernet0" FULL);
	/* With a turn of the loop between both. */
	gone(l, 8, "Ethernet0");
	prints(l, "DEL PORT_TABLE|Ethernet0\n");
	seen(l, 8, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
}

static void never_printed_is_never_deleted(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	gone(l, 3, "Ethernet0");
	prints(l, "");
	assert_int_equal(links_stats(l)->ports, 0);
	seen(l, 4, "Ethernet0", 0, 9100);
	gone(l, 4, "Ethernet0");
	seen(l, 5, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
}

/* M15 */
static void renamed(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL);
	seen(l, 3, "Ethernet4", UP, 9100);
	prints(l, "DEL PORT_TABLE|Ethernet0\nHSET PORT_TABLE|Ethernet4" FULL);
	seen(l, 3, "eth0", UP, 9100);
	prints(l, "DEL PORT_TABLE|Ethernet4\n");
	assert_int_equal(links_stats(l)->ports, 0);
}

/* M1: what an overrun has hidden. */
static void lost_in_an_overrun(void **state)
{
	struct link_msg row = message(RTM_NEWLINK, 4, "Ethernet4", IFF_UP, 9100);
	struct links *l = *state;

	seen(l, 3, "Ethernet0", UP, 9100);
	seen(l, 4, "Ethernet4", UP, 9100);
	prints(l, "HSET PORT_TABLE|Ethernet0" FULL "HSET PORT_TABLE|Ethernet4" FULL);
	links_dump_begin(l);
	links_dump_row(l, &row);
	links_dump_commit(l);
	prints(l, "DEL PORT_TABLE|Ethernet0\nHSET PORT_TABLE|Ethernet4 netdev_oper_status down\n");
}

static int flush_to_full_disk(struct links *l, int mode)
{
	FILE *full = fopen("/dev/full", "w");
	int r;

	assert_non_null(full);
	assert_int_equal(setvbuf(full, NULL, mode, mode == _IONBF ? 0 : 4096), 0);
	seen(l, 3, "Ethernet0", UP, 9100);
	r = dryrun_flush(l, "|", true, full);
	(void)fclose(full);
	return r;
}

static void says_that_a_file_cannot_be_written(void **state)
{
	assert_int_equal(flush_to_full_disk(*state, _IOFBF), -ENOSPC);
}

/* Standard output is buffered by lines on a terminal: what fails there fails before the flush. */
static void says_that_a_terminal_cannot_be_written(void **state)
{
	assert_true(flush_to_full_disk(*state, _IOLBF) < 0);
}

static void says_that_an_unbuffered_stream_cannot_be_written(void **state)
{
	assert_true(flush_to_full_disk(*state, _IONBF) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_links),
		TEST(separator_of_the_database),
		TEST(only_what_changed),
		TEST(what_is_owed_besides),
		TEST(nothing_for_what_did_not_change),
		TEST(deleted),
		TEST(deleted_and_made_again),
		TEST(never_printed_is_never_deleted),
		TEST(renamed),
		TEST(lost_in_an_overrun),
		TEST(says_that_a_file_cannot_be_written),
		TEST(says_that_a_terminal_cannot_be_written),
		TEST(says_that_an_unbuffered_stream_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
