/* SPDX-License-Identifier: Apache-2.0 */
#include "watch_fixture.h"

#include <sys/epoll.h>

#include "base/timer.h"

static void normal(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	assert_int_equal(watch_stats(fx->watch)->dumps, 1);
	assert_int_equal(fake.open_sockets, 1);
	assert_int_equal(logged(fx, "in sync with the kernel after"), 1);
	assert_int_equal(logged(fx, "receive buffer 4242 bytes"), 1);
	link_event(5);
	run_until(fx, all_events_read);
	assert_string_equal(fx->heard, "e5");
	assert_int_equal(watch_stats(fx->watch)->newlink, 1);
}

static void sizes_reach_both_sockets(void **state)
{
	struct fixture *fx = *state;

	fx->opt.rcvbuf = 100;
	fx->opt.sndbuf = 200;
	fx->opt.receive_pool = 3;
	fx->opt.datagram_bytes = 4000;
	start(fx);
	for (int socket = 0; socket < 2; socket++) {
		assert_int_equal(fake.options.rcvbuf, 100);
		assert_int_equal(fake.options.sndbuf, 200);
		assert_int_equal(fake.options.receive_pool, 3);
		assert_int_equal(fake.options.datagram_bytes, 4000);
		fake.options = (struct nlsock_options){0};
		run_until(fx, is_dumping);
	}
}

static void deletion(void **state)
{
	struct fixture *fx = *state;
	struct bytes b = {0};

	start_synced(fx);
	(void)put_link(&b, RTM_DELLINK, 5);
	(void)put_link(&b, RTM_NEWLINK, 6);
	(void)put_link(&b, RTM_NEWADDR, 7);
	fake_event_data(b.data, b.len);
	run_until(fx, all_events_read);
	assert_string_equal(fx->heard, "x5e6");
	assert_int_equal(watch_stats(fx->watch)->dellink, 1);
	assert_int_equal(watch_stats(fx->watch)->messages, 3);
	assert_int_equal(watch_stats(fx->watch)->datagrams, 1);
}

static void quiet_when_synced(void **state)
{
	struct fixture *fx = *state;

	fx->opt.settle_usec = fx->opt.dump_timeout_usec = 5 * USEC_PER_MSEC;
	start_synced(fx);
	assert_int_equal(turn(fx, 30 * USEC_PER_MSEC), 0);
}

static void overrun_while_synced(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	good_dump(1);
	link_event(5);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	link_event(6);
	link_event(7);
	run_dry(fx);
	assert_string_equal(fx->heard, "e5Ue6e7D(r2r3)TS");
	assert_int_equal(fake.pending_at_request, 0);
	assert_int_equal(watch_stats(fx->watch)->overruns, 1);
	assert_int_equal(logged(fx, "link events were lost (overrun; 1 overruns so far, receive buffer 4242 bytes)"),
			 1);
	assert_int_equal(logged(fx, "in sync with the kernel after"), 2);
}

/* One turn takes 16 batches of 64; the dump has to wait for the rest, too. */
static void long_queue_is_drained_first(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	good_dump(1);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	for (int i = 0; i < 3000; i++)
		link_event(5);
	run_until(fx, is_dumping);
	assert_int_equal(fake.pending_at_request, 0);
	assert_int_equal(watch_stats(fx->watch)->newlink, 3000);
	run_until(fx, is_synced);
}

/* A turn takes 16 batches. When the last of them empties the queue, nothing says so, and epoll stays silent. */
static void queue_ends_with_the_turn(void **state)
{
	struct fixture *fx = *state;

	for (int turns = 1; turns <= 4; turns++) {
		fake_reset();
		good_dump(0);
		start(fx);
		for (int i = 0; i < turns * 16 * FAKE_BATCH; i++)
			link_event(5);
		run_dry(fx);
		assert_true(is_synced(fx));
		watch_free(fx->watch);
	}
	fx->watch = NULL;
}

static void overrun_during_dump(void **state)
{
	struct fixture *fx = *state;

	dump_row(0, 2);
	good_dump(1);
	start(fx);
	run_dry(fx);
	assert_string_equal(fx->heard, "D(r2");
	link_event(5);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	link_event(6);
	run_dry(fx);
	assert_string_equal(fx->heard, "D(r2e5!Ue6D(r2r3)TS");
	assert_int_equal(fake.pending_at_request, 0);
}

static void events_during_dump(void **state)
{
	struct fixture *fx = *state;

	dump_row(0, 2);
	start(fx);
	run_dry(fx);
	link_event(5);
	run_dry(fx);
	dump_done(0);
	run_dry(fx);
	assert_string_equal(fx->heard, "D(r2e5)TS");
}

static void queued_event_before_synced(void **state)
{
	struct fixture *fx = *state;

	dump_row(0, 2);
	start(fx);
	run_dry(fx);
	dump_done(0);
	link_event(5);
	run_dry(fx);
	/* Whichever socket is read first: the event is never heard after S. */
	assert_true(strcmp(fx->heard, "D(r2)Te5S") == 0 || strcmp(fx->heard, "D(r2e5)TS") == 0);
}

static void overrun_while_settling(void **state)
{
	struct fixture *fx = *state;

	fake.endless = true;
	fx->opt.settle_usec = 10 * USEC_PER_SEC;
	good_dump(0);
	good_dump(1);
	start(fx);
	fake.endless = false;
	run_until(fx, is_dumping);
	fake.endless = true;
	run_until(fx, is_settling);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	fake.endless = false;
	run_dry(fx);
	assert_string_equal(fx->heard, "D(r2r3)TUD(r2r3)TS");
}

static void settle_ends_by_time(void **state)
{
	struct fixture *fx = *state;

	fx->opt.settle_usec = 10 * USEC_PER_MSEC;
	good_dump(0);
	start(fx);
	run_until(fx, is_dumping);
	fake.endless = true;
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)TS");
}

/* ---- storms ---- */

#define STORM 64 /* events a millisecond */
#define GATHER_USEC (20 * USEC_PER_MSEC)

/* Time that stands still makes a storm of what a busy machine takes long for. It never goes back. */
static uint64_t held_nsec, ahead_nsec;

uint64_t __real_now_nsec(void);
uint64_t __wrap_now_nsec(void);
uint64_t __wrap_now_usec(void);

uint64_t __wrap_now_nsec(void)
{
	return held_nsec ? held_nsec : __real_now_nsec() + ahead_nsec;
}

uint64_t __wrap_now_usec(void)
{
	return __wrap_now_nsec() / NSEC_PER_USEC;
}

static void let_time_pass(void)
{
	uint64_t real = __real_now_nsec();

	ahead_nsec = held_nsec > real ? held_nsec - real : 0;
	held_nsec = 0;
}

/* In time that passes again if there is something to wait for. */
static void wait_until(struct fixture *fx, bool (*condition)(const struct fixture *fx))
{
	if (!condition(fx))
		let_time_pass();
	run_until(fx, condition);
}

static void read_by_loop(struct fixture *fx)
{
	run_dry(fx);
}

static void read_directly(struct fixture *fx)
{
	watch_read(fx->watch);
}

/* Events come so fast, for so long, until they gather; then all were read, and time stands still. */
static void storm(struct fixture *fx, void (*read)(struct fixture *fx))
{
	held_nsec = now_nsec();
	for (int turns = 0; watch_due(fx->watch) == UINT64_MAX; turns++) {
		assert_true(turns < 1000);
		fx->heard_len = 0;
		held_nsec += NSEC_PER_MSEC;
		for (int i = 0; i < STORM; i++)
			link_event(2);
		read(fx);
	}
	assert_int_equal(fake_events_left(), 0);
}

static void start_storm(struct fixture *fx)
{
	fx->opt.gather_usec = GATHER_USEC;
	start_synced(fx);
	storm(fx, read_by_loop);
}

static int storm_teardown(void **state)
{
	held_nsec = 0;
	return teardown(state);
}

#define STORM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, storm_teardown)

static void events_of_a_storm_gather(void **state)
{
	struct fixture *fx = *state;

	start_storm(fx);
	link_event(9);
	run_dry(fx);
	assert_int_equal(fake_events_left(), 1);
	wait_until(fx, all_events_read);
	assert_string_equal(fx->heard + fx->heard_len - 4, "e2e9");
	/* One event in all that time is no storm. */
	link_event(8);
	run_dry(fx);
	assert_string_equal(fx->heard + fx->heard_len - 6, "e2e9e8");
	assert_int_equal(turn(fx, 2 * GATHER_USEC), 0);
}

static bool some_events_read(const struct fixture *fx)
{
	(void)fx;
	return fake_events_left() < 20 * FAKE_BATCH;
}

/* More than a turn reads: the rest does not wait. */
static void a_full_socket_is_read_again_at_once(void **state)
{
	struct fixture *fx = *state;

	start_storm(fx);
	for (int i = 0; i < 20 * FAKE_BATCH; i++)
		link_event(2);
	wait_until(fx, some_events_read);
	assert_true(fake_events_left() > 0);
	run_dry(fx);
	assert_int_equal(fake_events_left(), 0);
}

/* Twenty events that were only read late are no storm. */
static void a_burst_is_no_storm(void **state)
{
	struct fixture *fx = *state;

	fx->opt.gather_usec = GATHER_USEC;
	start_synced(fx);
	for (int i = 0; i < 20; i++)
		link_event(2);
	run_dry(fx);
	link_event(9);
	run_dry(fx);
	assert_int_equal(fake_events_left(), 0);
}

static void single_events_never_wait(void **state)
{
	struct fixture *fx = *state;

	fx->opt.gather_usec = GATHER_USEC;
	start_synced(fx);
	for (int i = 0; i < 5; i++) {
		link_event(2);
		run_dry(fx);
		assert_int_equal(fake_events_left(), 0);
	}
}

/* ---- somebody else waits ---- */

static bool epoll_has_it(int epoll_fd)
{
	struct epoll_event ready;

	return epoll_wait(epoll_fd, &ready, 1, 0) == 1;
}

/* The loop no longer waits. The other epoll reports the socket until all was read. */
static void another_epoll_waits(void **state)
{
	struct fixture *fx = *state;
	int epoll_fd cleanup(close_fd) = epoll_create1(EPOLL_CLOEXEC);

	start_synced(fx);
	assert_int_equal(watch_wait_in(fx->watch, -1), -EBADF);
	link_event(7);
	run_dry(fx);
	assert_string_equal(fx->heard, "e7");
	assert_int_equal(watch_wait_in(fx->watch, epoll_fd), 0);
	assert_false(epoll_has_it(epoll_fd));
	link_event(9);
	run_dry(fx);
	assert_int_equal(fake_events_left(), 1);
	assert_true(epoll_has_it(epoll_fd));
	watch_read(fx->watch);
	assert_string_equal(fx->heard, "e7e9");
	assert_false(epoll_has_it(epoll_fd));
}

/* While events gather nobody is woken; then both go on. */
static void another_epoll_waits_for_no_storm(void **state)
{
	struct fixture *fx = *state;
	int epoll_fd cleanup(close_fd) = epoll_create1(EPOLL_CLOEXEC);

	fx->opt.gather_usec = GATHER_USEC;
	start_synced(fx);
	assert_int_equal(watch_wait_in(fx->watch, epoll_fd), 0);
	link_event(7);
	assert_true(epoll_has_it(epoll_fd));
	storm(fx, read_directly);
	link_event(9);
	assert_false(epoll_has_it(epoll_fd));
	wait_until(fx, all_events_read);
	assert_int_equal(watch_due(fx->watch), UINT64_MAX);
	link_event(8);
	assert_true(epoll_has_it(epoll_fd));
	watch_read(fx->watch);
	assert_string_equal(fx->heard + fx->heard_len - 4, "e9e8");
}

/* A socket that fails is left alone, and comes back. */
static void another_epoll_is_spared_a_broken_socket(void **state)
{
	struct fixture *fx = *state;
	int epoll_fd cleanup(close_fd) = epoll_create1(EPOLL_CLOEXEC);

	start_synced(fx);
	assert_int_equal(watch_wait_in(fx->watch, epoll_fd), 0);
	fake_event_outcome(NLSOCK_ERROR, -EIO);
	link_event(9);
	watch_read(fx->watch);
	assert_false(epoll_has_it(epoll_fd));
	good_dump(1);
	run_until(fx, is_synced);
	assert_false(epoll_has_it(epoll_fd));
	link_event(8);
	assert_true(epoll_has_it(epoll_fd));
}

/* sd-event only looks at it when it is told to prepare again. */
static void a_resync_is_seen_by_who_sleeps(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	(void)timer_take_touch();
	watch_resync(fx->watch, "because");
	assert_true(timer_take_touch());
	assert_false(timer_take_touch());
}

/* A daemon that ends still takes what waits in the socket. */
static void drain_does_not_wait_for_the_gathering(void **state)
{
	struct fixture *fx = *state;

	start_storm(fx);
	wait_until(fx, all_events_read);
	link_event(9);
	run_dry(fx);
	assert_int_equal(fake_events_left(), 1);
	assert_true(watch_drain(fx->watch));
	assert_string_equal(fx->heard + fx->heard_len - 4, "e2e9");
	link_event(8);
	run_dry(fx);
	assert_string_equal(fx->heard + fx->heard_len - 4, "e9e8");
	fake.endless = true;
	assert_false(watch_drain(fx->watch));
}

static void a_storm_that_overruns(void **state)
{
	struct fixture *fx = *state;

	start_storm(fx);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	link_event(9);
	good_dump(1);
	wait_until(fx, all_events_read);
	wait_until(fx, is_synced);
	assert_int_equal(fake.requests, 2);
	assert_string_equal(strchr(fx->heard, 'U'), "Ue9D(r2r3)TS");
}

/* The back-off of a socket that failed is not cut short by the next gathering. */
static void a_storm_that_breaks_the_socket(void **state)
{
	struct fixture *fx = *state;

	start_storm(fx);
	wait_until(fx, all_events_read);
	fake_event_outcome(NLSOCK_ERROR, -EIO);
	link_event(9);
	good_dump(1);
	wait_until(fx, all_events_read);
	wait_until(fx, is_synced);
	assert_int_equal(watch_stats(fx->watch)->socket_errors, 1);
	assert_string_equal(strchr(fx->heard, 'U'), "Ue9D(r2r3)TS");
	link_event(8);
	wait_until(fx, all_events_read);
	assert_string_equal(fx->heard + fx->heard_len - 2, "e8");
}

/* ---- losses other than an overrun ---- */

static void truncated_event(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	good_dump(1);
	link_event(5);
	fake_event_outcome(NLSOCK_TRUNCATED, 0);
	link_event(6);
	run_dry(fx);
	assert_string_equal(fx->heard, "e5Ue6D(r2r3)TS");
	assert_int_equal(watch_stats(fx->watch)->truncations, 1);
	assert_int_equal(logged(fx, "truncated datagram"), 1);
}

static void malformed_events(void **state)
{
	struct fixture *fx = *state;
	struct bytes b = {0};

	start_synced(fx);
	good_dump(1);
	(void)put_link(&b, RTM_NEWLINK, 0);
	(void)put_link(&b, RTM_NEWLINK, 5);
	fake_event_data(b.data, b.len);
	run_dry(fx);
	assert_string_equal(fx->heard, "Ue5D(r2r3)TS");
	assert_int_equal(watch_stats(fx->watch)->malformed, 1);
}

static void leftover_bytes(void **state)
{
	static const uint32_t lies[] = {0, 1, 15, 33, 0x7fffffff, 0x80000010, UINT32_MAX - 2, UINT32_MAX};
	struct fixture *fx = *state;

	fx->opt.retry_initial_ms = fx->opt.retry_max_ms = 1;
	start_synced(fx);
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct bytes b = {0};

		fx->heard_len = 0;
		good_dump(i + 1);
		(void)put_link(&b, RTM_NEWLINK, 5);
		put_link(&b, RTM_NEWLINK, 6)->nlmsg_len = lies[i];
		fake_event_data(b.data, b.len);
		run_until(fx, all_events_read);
		run_until(fx, is_synced);
		assert_string_equal(fx->heard, "e5UD(r2r3)TS");
		assert_int_equal(watch_stats(fx->watch)->malformed, i + 1);
	}
}

static void read_error(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	good_dump(1);
	fake_event_outcome(NLSOCK_ERROR, -EIO);
	link_event(5);
	run_until(fx, all_events_read);
	run_until(fx, is_synced);
	link_event(6);
	run_until(fx, all_events_read);
	assert_string_equal(fx->heard, "Ue5D(r2r3)TSe6");
	assert_int_equal(watch_stats(fx->watch)->socket_errors, 1);
	assert_int_equal(logged(fx, "Input/output error"), 1);
}

static void read_error_during_dump(void **state)
{
	struct fixture *fx = *state;

	dump_row(0, 2);
	good_dump(1);
	start(fx);
	run_dry(fx);
	fake_event_outcome(NLSOCK_ERROR, -EIO);
	run_until(fx, all_events_read);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2!UD(r2r3)TS");
}

static bool synced_seven_times(const struct fixture *fx)
{
	return fx->synced >= 7;
}

static void lose_again(struct fixture *fx)
{
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	fx->act = lose_again;
}

/* Each time in sync the next loss is there: the first dump comes at once, the others with growing delay. */
static void losses_in_a_row(void **state)
{
	struct fixture *fx = *state;

	fx->opt.retry_initial_ms = 2;
	fx->opt.retry_max_ms = 8;
	for (unsigned i = 0; i < 8; i++)
		good_dump(i);
	fx->act_on = 'S';
	fx->act = lose_again;
	start(fx);
	run_until(fx, synced_seven_times);
	for (unsigned i = 2; i < 7; i++) {
		uint64_t least = MIN(2U << (i - 2), 8U) * USEC_PER_MSEC * 3 / 4;

		assert_true(fake.request_at[i] - fake.request_at[i - 1] >= least);
	}
	assert_int_equal(logged(fx, "link events were lost"), 3); /* then the log is spared */
	assert_int_equal(logged(fx, "in sync with the kernel after"), 4);
}

static bool synced_twice(const struct fixture *fx)
{
	return fx->synced >= 2;
}

static bool synced_three_times(const struct fixture *fx)
{
	return fx->synced >= 3;
}

/* After a second in sync the next loss is a new one, and its dump comes at once. */
static void losses_far_apart(void **state)
{
	struct fixture *fx = *state;
	uint64_t calm;

	fx->opt.retry_initial_ms = fx->opt.retry_max_ms = 3600000;
	good_dump(1);
	good_dump(2);
	start_synced(fx);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	run_until(fx, synced_twice);
	for (calm = now_usec() + 1100 * USEC_PER_MSEC; now_usec() < calm;)
		(void)turn(fx, 50 * USEC_PER_MSEC);
	fake_event_outcome(NLSOCK_OVERRUN, -ENOBUFS);
	run_until(fx, synced_three_times);
}

/* ---- calls from callbacks ---- */

static void resync(struct fixture *fx)
{
	watch_resync(fx->watch, "because");
}

static void resync_in_callbacks(void **state)
{
	static const char signs[] = "(r)TS";
	struct fixture *fx = *state;

	for (size_t i = 0; signs[i]; i++) {
		fake_reset();
		loglimit_set(0, -1);
		loglimit_set(LOG_WINDOW_SECS, -1);
		fx->heard_len = 0;
		fx->act_on = signs[i];
		fx->act = resync;
		good_dump(0);
		good_dump(1);
		start(fx);
		run_dry(fx);
		assert_true(is_synced(fx));
		assert_int_equal(watch_stats(fx->watch)->resyncs, 1);
		assert_int_equal(watch_stats(fx->watch)->dumps, 2);
		assert_string_equal(fx->heard + fx->heard_len - strlen("UD(r2r3)TS"), "UD(r2r3)TS");
		watch_free(fx->watch);
	}
	fx->watch = NULL;
	assert_int_equal(logged(fx, "all links will be read again: because"), strlen(signs));
}

static void resync_in_an_event(void **state)
{
	struct fixture *fx = *state;

	start_synced(fx);
	good_dump(1);
	fx->act_on = 'e';
	fx->act = resync;
	link_event(5);
	link_event(6);
	run_dry(fx);
	assert_string_equal(fx->heard, "e5e6UD(r2r3)TS");
}

static void resync_aborts_a_dump(void **state)
{
	struct fixture *fx = *state;

	dump_row(0, 2);
	good_dump(1);
	start(fx);
	run_dry(fx);
	watch_resync(fx->watch, "one");
	watch_resync(fx->watch, "two");
	run_dry(fx);
	assert_string_equal(fx->heard, "D(r2!UD(r2r3)TS");
	assert_int_equal(watch_stats(fx->watch)->resyncs, 2);
	assert_int_equal(watch_stats(fx->watch)->dumps, 2);
}

static void free_watch(struct fixture *fx)
{
	watch_free(fx->watch);
	fx->watch = NULL;
}

static void free_in_callbacks(void **state)
{
	static const char signs[] = "D(r!U)TSex";
	struct fixture *fx = *state;

	for (size_t i = 0; signs[i]; i++) {
		struct bytes b = {0};

		fake_reset();
		fx->heard_len = 0;
		fx->act_on = signs[i];
		fx->act = free_watch;
		bad_row_interrupted();
		good_dump(1);
		start(fx);
		(void)put_link(&b, RTM_DELLINK, 5);
		(void)put_link(&b, RTM_NEWLINK, 6);
		for (int j = 0; j < 3; j++)
			fake_event_data(b.data, b.len);
		for (uint64_t deadline = patience_ends_usec(); fx->watch;) {
			assert_true(now_usec() < deadline);
			assert_true(turn(fx, USEC_PER_SEC / 10) >= 0);
		}
		/* Nothing is heard after the call. */
		assert_true(fx->heard[fx->heard_len - 1] == signs[i] || fx->heard[fx->heard_len - 2] == signs[i]);
		assert_int_equal(fake.open_sockets, 0);
		run_dry(fx);
	}
}

static void free_in_each_state(void **state)
{
	struct fixture *fx = *state;

	watch_free(NULL);
	start(fx);
	free_watch(fx);

	start(fx);
	run_until(fx, is_dumping);
	free_watch(fx);

	fake_reset();
	good_dump(0);
	start(fx);
	run_until(fx, is_dumping);
	fake.endless = true;
	run_until(fx, is_settling);
	free_watch(fx);

	fake_reset();
	fx->heard_len = 0;
	start_synced(fx);
	watch_resync(fx->watch, "never");
	free_watch(fx);
	assert_int_equal(fake.open_sockets, 0);
	run_dry(fx);
}

static void state_names(void **state)
{
	(void)state;
	assert_string_equal(watch_state_name(WATCH_UNSYNCED), "unsynced");
	assert_string_equal(watch_state_name(WATCH_DUMPING), "dumping");
	assert_string_equal(watch_state_name(WATCH_SETTLING), "settling");
	assert_string_equal(watch_state_name(WATCH_SYNCED), "synced");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(normal),
		TEST(sizes_reach_both_sockets),
		TEST(deletion),
		TEST(quiet_when_synced),
		TEST(overrun_while_synced),
		TEST(long_queue_is_drained_first),
		TEST(queue_ends_with_the_turn),
		TEST(overrun_during_dump),
		TEST(events_during_dump),
		TEST(queued_event_before_synced),
		TEST(overrun_while_settling),
		TEST(settle_ends_by_time),
		STORM_TEST(events_of_a_storm_gather),
		STORM_TEST(a_full_socket_is_read_again_at_once),
		TEST(a_burst_is_no_storm),
		TEST(single_events_never_wait),
		STORM_TEST(drain_does_not_wait_for_the_gathering),
		STORM_TEST(a_storm_that_overruns),
		STORM_TEST(a_storm_that_breaks_the_socket),
		TEST(truncated_event),
		TEST(malformed_events),
		TEST(leftover_bytes),
		TEST(read_error),
		TEST(read_error_during_dump),
		TEST(losses_in_a_row),
		TEST(losses_far_apart),
		TEST(another_epoll_waits),
		STORM_TEST(another_epoll_waits_for_no_storm),
		TEST(another_epoll_is_spared_a_broken_socket),
		TEST(a_resync_is_seen_by_who_sleeps),
		TEST(resync_in_callbacks),
		TEST(resync_in_an_event),
		TEST(resync_aborts_a_dump),
		TEST(free_in_callbacks),
		TEST(free_in_each_state),
		TEST(state_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
