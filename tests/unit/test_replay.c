/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/kernel/replay.c, src/kernel/nlsock.c */
/*
 * A recording in place of the kernel: the real watch and model end with what the recording ends with, whatever was
 * lost, interrupted or cut off on the way.
 */
#include "kernel/replay.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/log.h"
#include "patience.h"
#include "ports/mirror.h"
#include "tape.h"

struct player {
	sd_event *event;
	struct links *links;
	struct recording *recording;
	struct replay *replay;
	struct mirror *mirror;
	bool synced;
};

static void on_state(enum watch_state state, void *user)
{
	struct player *p = user;

	replay_note_state(p->replay, state);
	p->synced = state == WATCH_SYNCED;
}

static struct tape_link link_of(int ifindex, const char *name, uint32_t mtu)
{
	return (struct tape_link){.ifindex = ifindex, .name = name, .flags = TAPE_UP, .mtu = mtu};
}

static void load(struct player *p, struct tape *t, bool realtime)
{
	const struct watch_options options = {
		.receive_pool = 4,
		.settle_usec = 100000,
		.dump_timeout_usec = 200000,
		.retry_initial_ms = 1,
		.retry_max_ms = 5,
		.retry_bound = 8,
	};
	char why[RECORDING_WHY_MAX];

	*p = (struct player){0};
	assert_int_equal(recording_parse(&p->recording, t->out.data, t->out.len, why, sizeof(why)), 0);
	*t = (struct tape){0};
	assert_int_equal(replay_new(&p->replay, p->recording, realtime), 0);
	replay_install(p->replay);
	assert_true(sd_event_new(&p->event) >= 0);
	p->links = links_new(0);
	assert_int_equal(mirror_new(&p->mirror, p->event, &options, p->links, on_state, p), 0);
	mirror_serve(p->mirror);
}

static void free_player(struct player *p)
{
	mirror_free(p->mirror);
	replay_free(p->replay);
	links_free(p->links);
	recording_free(p->recording);
	sd_event_unref(p->event);
}

static void turn_until(struct player *p, bool (*done)(const struct player *p))
{
	uint64_t end = patience_ends_usec();

	while (!done(p)) {
		assert_true(now_usec() < end);
		assert_true(sd_event_run(p->event, 100000) >= 0);
	}
}

static bool is_played(const struct player *p)
{
	return p->synced && replay_is_over(p->replay);
}

static bool is_read_again(const struct player *p)
{
	return is_played(p) && !mirror_is_reading(p->mirror);
}

/* To the end, as --replay does. */
static void play(struct player *p, struct tape *t)
{
	tape_end(t);
	load(p, t, false);
	turn_until(p, is_played);
	replay_settle(p->replay);
	mirror_reread(p->mirror);
	turn_until(p, is_read_again);
}

static const struct watch_stats *stats(const struct player *p)
{
	return watch_stats(mirror_watch(p->mirror));
}

static void assert_link(const struct player *p, const char *name, int ifindex, uint32_t mtu)
{
	const struct port *port = links_find(p->links, name);

	assert_non_null(port);
	assert_int_equal(port->link.ifindex, ifindex);
	assert_int_equal(port->link.mtu, mtu);
}

static void assert_no_link(const struct player *p, const char *name)
{
	const struct port *port = links_find(p->links, name);

	assert_true(!port || port->link.ifindex == 0);
}

/* The beginning of a daemon: its first dump, and an event while that is read. */
static void begin_with_dump(struct tape *t)
{
	tape_begin(t);
	tape_state(t, REMARK_DUMPING);
	tape_row(t, link_of(5, "Ethernet0", 9100));
	tape_event(t, RTM_NEWLINK, link_of(6, "Ethernet4", 1500));
	tape_row(t, link_of(6, "Ethernet4", 9100));
	tape_done(t, 0);
}

static void a_recording_from_the_start_is_played(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 4000));
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 4000);
	/* The event is newer than the row, or another one follows. */
	assert_link(&p, "Ethernet4", 6, 1500);
	assert_int_equal(stats(&p)->dumps, 1);
	assert_int_equal(stats(&p)->newlink, 2);
	assert_int_equal(stats(&p)->overruns, 0);
	assert_int_equal(mirror_stats(p.mirror).silent_changes, 0);
}

static void one_from_the_middle_begins_with_its_checkpoint(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	tape_begin(&t);
	tape_checkpoint(&t);
	tape_port(&t, link_of(5, "Ethernet0", 9100));
	tape_port(&t, link_of(6, "Ethernet4", 9100));
	/* The rest of a dump whose beginning was overwritten: what is missing in it proves nothing. */
	tape_row(&t, link_of(6, "Ethernet4", 9100));
	tape_done(&t, 0);
	tape_event(&t, RTM_DELLINK, link_of(6, "Ethernet4", 9100));
	tape_event(&t, RTM_NEWLINK, link_of(7, "Ethernet8", 9100));
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 9100);
	assert_no_link(&p, "Ethernet4");
	assert_link(&p, "Ethernet8", 7, 9100);
	assert_int_equal(stats(&p)->dumps, 1);
}

/* Also when a dump follows, at which the watch could begin as well: what came before it counts. */
static void the_checkpoint_comes_before_any_dump(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	tape_begin(&t);
	tape_checkpoint(&t);
	tape_port(&t, link_of(6, "Ethernet4", 9100));
	tape_event(&t, RTM_DELLINK, link_of(6, "Ethernet4", 9100));
	tape_lost(&t, REMARK_OVERRUN);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 9100));
	tape_done(&t, 0);
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 9100);
	assert_no_link(&p, "Ethernet4");
	assert_int_equal(stats(&p)->dumps, 2);
}

/* What was lost shows in the next dump only: a link that went, one that changed, one that came. */
static void a_loss_is_lost_again(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 1501));
	tape_lost(&t, REMARK_OVERRUN);
	tape_state(&t, REMARK_UNSYNCED);
	/* From before the loss, read after it. */
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 1502));
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 1503));
	tape_row(&t, link_of(7, "Ethernet8", 9100));
	tape_done(&t, 0);
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 1503);
	assert_no_link(&p, "Ethernet4");
	assert_link(&p, "Ethernet8", 7, 9100);
	assert_int_equal(stats(&p)->overruns, 1);
	assert_int_equal(stats(&p)->dumps, 2);
	assert_int_equal(mirror_stats(p.mirror).silent_changes, 0);
}

/* Ours asks at once, the recorded daemon had waited: an event in between is older than the rows, not newer. */
static void a_dump_that_is_asked_for_too_early(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_lost(&t, REMARK_OVERRUN);
	tape_state(&t, REMARK_UNSYNCED);
	for (uint32_t i = 0; i < 50; i++)
		tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 1500 + i));
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 1600));
	tape_done(&t, 0);
	tape_end(&t);
	load(&p, &t, true);
	turn_until(&p, is_played);
	assert_link(&p, "Ethernet0", 5, 1600);
	assert_no_link(&p, "Ethernet4");
}

static void every_kind_of_loss(void **state)
{
	static const enum remark_loss losses[] = {REMARK_OVERRUN, REMARK_TRUNCATED, REMARK_SOCKET_ERROR};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		struct tape t;
		struct player p cleanup(free_player);

		begin_with_dump(&t);
		tape_lost(&t, losses[i]);
		tape_state(&t, REMARK_DUMPING);
		tape_row(&t, link_of(5, "Ethernet0", 1500));
		tape_done(&t, 0);
		play(&p, &t);
		assert_link(&p, "Ethernet0", 5, 1500);
		assert_no_link(&p, "Ethernet4");
		assert_int_equal(stats(&p)->overruns, losses[i] == REMARK_OVERRUN);
		assert_int_equal(stats(&p)->truncations, losses[i] == REMARK_TRUNCATED);
		assert_int_equal(stats(&p)->socket_errors, losses[i] == REMARK_SOCKET_ERROR);
	}
}

/* A loss is what most recordings are written for: they end right behind it, and no dump follows. */
static void the_recording_ends_with_a_loss(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 1500));
	tape_lost(&t, REMARK_OVERRUN);
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 1500);
	assert_link(&p, "Ethernet4", 6, 1500);
	assert_int_equal(stats(&p)->overruns, 1);
	assert_int_equal(stats(&p)->dumps, 2);
}

static void a_dump_that_was_interrupted(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	tape_begin(&t);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 9100));
	tape_link(&t, REMARK_DUMP, RTM_NEWLINK, NLM_F_MULTI | NLM_F_DUMP_INTR, link_of(6, "Ethernet4", 9100));
	tape_state(&t, REMARK_UNSYNCED);
	tape_event(&t, RTM_NEWLINK, link_of(7, "Ethernet8", 9100));
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 1500));
	tape_row(&t, link_of(7, "Ethernet8", 9100));
	tape_done(&t, 0);
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 1500);
	assert_no_link(&p, "Ethernet4");
	assert_link(&p, "Ethernet8", 7, 9100);
	assert_int_equal(stats(&p)->dumps_interrupted, 1);
	assert_int_equal(stats(&p)->dumps, 2);
}

/* It never ended, and was asked for again after a while. */
static void a_dump_that_timed_out(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	tape_begin(&t);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 9100));
	tape_state(&t, REMARK_UNSYNCED);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(6, "Ethernet4", 9100));
	tape_done(&t, 0);
	play(&p, &t);
	assert_no_link(&p, "Ethernet0");
	assert_link(&p, "Ethernet4", 6, 9100);
	assert_int_equal(stats(&p)->dumps_failed, 1);
}

static void the_recording_ends_within_a_dump(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_lost(&t, REMARK_OVERRUN);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 1500));
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 1500);
	assert_link(&p, "Ethernet4", 6, 1500);
}

/* The recorded daemon read all links again for reasons that the recording does not show. */
static void a_dump_without_a_loss(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 1501));
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 1502));
	tape_done(&t, 0);
	tape_event(&t, RTM_NEWLINK, link_of(7, "Ethernet8", 9100));
	play(&p, &t);
	assert_link(&p, "Ethernet0", 5, 1502);
	assert_no_link(&p, "Ethernet4");
	assert_link(&p, "Ethernet8", 7, 9100);
}

static void a_malformed_datagram_is_one_again(void **state)
{
	static const uint32_t liar[] = {400, RTM_NEWLINK, 0, 0};
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	begin_with_dump(&t);
	tape_packet(&t, &(struct remark){.kind = REMARK_DATAGRAM}, liar, sizeof(liar));
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(6, "Ethernet4", 1500));
	tape_done(&t, 0);
	play(&p, &t);
	assert_no_link(&p, "Ethernet0");
	assert_link(&p, "Ethernet4", 6, 1500);
	assert_int_equal(stats(&p)->malformed, 1);
}

/* The answers to the daemon's questions say it, and no event does; and the last checkpoint, if there is one. */
static void silent_changes_are_found_again(void **state)
{
	(void)state;
	for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
		struct tape t;
		struct player p cleanup(free_player);

		begin_with_dump(&t);
		if (checkpoint) {
			tape_checkpoint(&t);
			tape_port(&t, link_of(6, "Ethernet4", 1492));
		} else {
			struct {
				struct nlmsghdr nlh;
				struct nlmsgerr error;
				struct ifinfomsg question;
			} gone = {.nlh = {.nlmsg_len = sizeof(gone), .nlmsg_type = NLMSG_ERROR},
				  .error = {.error = -ENODEV, .msg = {.nlmsg_type = RTM_GETLINK}},
				  .question = {.ifi_index = 5}};

			tape_packet(&t, &(struct remark){.kind = REMARK_DATAGRAM, .socket = REMARK_ASKED}, &gone,
				    sizeof(gone));
			tape_link(&t, REMARK_ASKED, RTM_NEWLINK, 0, link_of(6, "Ethernet4", 1492));
		}
		play(&p, &t);
		assert_no_link(&p, "Ethernet0");
		assert_link(&p, "Ethernet4", 6, 1492);
		assert_int_equal(mirror_stats(p.mirror).silent_changes, 2);
	}
}

/* More links than fit into a datagram of the dump. */
static void a_checkpoint_of_many_ports(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);
	char name[IFNAMSIZ];

	(void)state;
	tape_begin(&t);
	tape_checkpoint(&t);
	for (int i = 1; i <= 1000; i++) {
		(void)snprintf(name, sizeof(name), "Ethernet%d", 4 * i);
		tape_port(&t, link_of(i, name, 9100));
	}
	play(&p, &t);
	assert_int_equal(links_stats(p.links)->present, 1000);
	assert_link(&p, "Ethernet4000", 1000, 9100);
}

static void nothing_at_all(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);

	(void)state;
	tape_begin(&t);
	play(&p, &t);
	assert_int_equal(links_stats(p.links)->ports, 0);
}

/* 200 packets, a millisecond apart. */
static void distances_are_kept_in_real_time(void **state)
{
	struct tape t;
	struct player p cleanup(free_player);
	uint64_t begin = now_usec();

	(void)state;
	begin_with_dump(&t);
	for (uint32_t i = 0; i < 200; i++)
		tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 1500 + i));
	tape_end(&t);
	load(&p, &t, true);
	turn_until(&p, is_played);
	assert_true(now_usec() - begin >= 200 * USEC_PER_MSEC);
	assert_link(&p, "Ethernet0", 5, 1699);
	assert_int_equal(stats(&p)->newlink, 201);
}

static void the_link_of_a_checkpoint_must_be_good(void **state)
{
	static const uint32_t liar[] = {400, RTM_NEWLINK, 0, 0};
	struct recording *recording;
	struct replay *replay;
	struct tape t;
	char why[RECORDING_WHY_MAX];

	(void)state;
	tape_begin(&t);
	tape_checkpoint(&t);
	tape_packet(&t, &(struct remark){.kind = REMARK_PORT, .port = "Ethernet0", .link = 1}, liar, sizeof(liar));
	tape_end(&t);
	assert_int_equal(recording_parse(&recording, t.out.data, t.out.len, why, sizeof(why)), 0);
	assert_int_equal(replay_new(&replay, recording, false), -EBADMSG);
	recording_free(recording);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_from_the_start_is_played),
		cmocka_unit_test(one_from_the_middle_begins_with_its_checkpoint),
		cmocka_unit_test(the_checkpoint_comes_before_any_dump),
		cmocka_unit_test(a_loss_is_lost_again),
		cmocka_unit_test(a_dump_that_is_asked_for_too_early),
		cmocka_unit_test(every_kind_of_loss),
		cmocka_unit_test(the_recording_ends_with_a_loss),
		cmocka_unit_test(a_dump_that_was_interrupted),
		cmocka_unit_test(a_dump_that_timed_out),
		cmocka_unit_test(the_recording_ends_within_a_dump),
		cmocka_unit_test(a_dump_without_a_loss),
		cmocka_unit_test(a_malformed_datagram_is_one_again),
		cmocka_unit_test(silent_changes_are_found_again),
		cmocka_unit_test(a_checkpoint_of_many_ports),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(distances_are_kept_in_real_time),
		cmocka_unit_test(the_link_of_a_checkpoint_must_be_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
