/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps that end badly. */
#include "watch_fixture.h"

static void bad_done_interrupted(void)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, 2);
	put(&b, NLMSG_DONE, NLM_F_DUMP_INTR, FAKE_SEQ, sizeof(int));
	fake_dump_data(0, b.data, b.len);
}

static void bad_error_in_the_middle(void)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, 2);
	(void)put_error(&b, NLMSG_ERROR, -EBUSY);
	(void)put_link(&b, RTM_NEWLINK, 3);
	fake_dump_data(0, b.data, b.len);
	dump_done(0);
}

static void bad_error_too_short(void)
{
	struct bytes b = {0};

	put(&b, NLMSG_ERROR, 0, FAKE_SEQ, sizeof(int))->nlmsg_len -= 2;
	fake_dump_data(0, b.data, b.len);
}

static void bad_error_out_of_range(void)
{
	struct bytes b = {0};

	(void)put_error(&b, NLMSG_ERROR, INT32_MIN);
	fake_dump_data(0, b.data, b.len);
}

static void bad_done_with_error(void)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, 2);
	(void)put_error(&b, NLMSG_DONE, -ENOMEM);
	fake_dump_data(0, b.data, b.len);
}

static void bad_overrun_message(void)
{
	struct bytes b = {0};

	(void)put(&b, NLMSG_OVERRUN, 0, FAKE_SEQ, 0);
	fake_dump_data(0, b.data, b.len);
}

static void bad_row_malformed(void)
{
	dump_row(0, 0);
	dump_done(0);
}

static void bad_leftover(void)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, 2);
	fake_dump_data(0, b.data, b.len + 7);
	dump_done(0);
}

static void bad_socket_overrun(void)
{
	fake_dump_outcome(0, NLSOCK_OVERRUN, -ENOBUFS);
	dump_done(0);
}

static void bad_socket_truncated(void)
{
	dump_row(0, 2);
	fake_dump_outcome(0, NLSOCK_TRUNCATED, 0);
	dump_done(0);
}

static void bad_socket_error(void)
{
	fake_dump_outcome(0, NLSOCK_ERROR, -EIO);
	dump_done(0);
}

static void bad_silence(void)
{
	dump_row(0, 2);
}

static void bad_dumps(void **state)
{
	static const struct {
		void (*script)(void);
		const char *heard, *logged;
		unsigned interrupted, malformed;
	} cases[] = {
		{bad_row_interrupted, "D(!UD(r2r3)TS", "interrupted by a change", 1, 0},
		{bad_done_interrupted, "D(r2!UD(r2r3)TS", "interrupted by a change", 1, 0},
		{bad_error_in_the_middle, "D(r2!UD(r2r3)TS", "busy", 0, 0},
		{bad_error_too_short, "D(!UD(r2r3)TS", "Bad message", 0, 1},
		{bad_error_out_of_range, "D(!UD(r2r3)TS", "Bad message", 0, 1},
		{bad_done_with_error, "D(r2!UD(r2r3)TS", "Cannot allocate memory", 0, 0},
		{bad_overrun_message, "D(!UD(r2r3)TS", "No buffer space", 0, 0},
		{bad_row_malformed, "D(!UD(r2r3)TS", "Bad message", 0, 1},
		{bad_leftover, "D(r2!UD(r2r3)TS", "Bad message", 0, 1},
		{bad_socket_overrun, "D(!UD(r2r3)TS", "No buffer space", 0, 0},
		{bad_socket_truncated, "D(r2!UD(r2r3)TS", "too long", 0, 0},
		{bad_socket_error, "D(!UD(r2r3)TS", "Input/output error", 0, 0},
		{bad_silence, "D(r2!UD(r2r3)TS", "timed out", 0, 0},
	};
	struct fixture *fx = *state;

	fx->opt.dump_timeout_usec = 10 * USEC_PER_MSEC;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_reset();
		fx->heard_len = 0;
		cases[i].script();
		good_dump(1);
		start(fx);
		run_until(fx, is_synced);
		assert_string_equal(fx->heard, cases[i].heard);
		assert_int_equal(watch_stats(fx->watch)->dumps, 2);
		assert_int_equal(watch_stats(fx->watch)->dumps_interrupted, cases[i].interrupted);
		assert_int_equal(watch_stats(fx->watch)->dumps_failed, !cases[i].interrupted);
		assert_int_equal(watch_stats(fx->watch)->dumps_retried, 1);
		assert_int_equal(watch_stats(fx->watch)->malformed, cases[i].malformed);
		assert_true(logged(fx, cases[i].logged) > 0);
		assert_int_equal(fake.open_sockets, 1);
		watch_free(fx->watch);
	}
	fx->watch = NULL;
}

static void progress_extends_the_timeout(void **state)
{
	struct fixture *fx = *state;
	uint64_t end;

	fx->opt.dump_timeout_usec = USEC_PER_SEC;
	start(fx);
	run_until(fx, is_dumping);
	for (end = now_usec() + 1500 * USEC_PER_MSEC; now_usec() < end;) {
		dump_row(0, 2);
		assert_true(turn(fx, 10 * USEC_PER_MSEC) >= 0);
	}
	dump_done(0);
	run_until(fx, is_synced);
	assert_int_equal(watch_stats(fx->watch)->dumps, 1);
}

static bool six_requests(const struct fixture *fx)
{
	(void)fx;
	return fake.requests >= 6;
}

static void retries_are_bounded(void **state)
{
	struct fixture *fx = *state;
	struct bytes b = {0};

	fx->opt.retry_initial_ms = 4;
	fx->opt.retry_max_ms = 20;
	fx->opt.retry_bound = 3;
	(void)put_error(&b, NLMSG_ERROR, -EBUSY);
	for (unsigned i = 0; i < 6; i++)
		fake_dump_data(i, b.data, b.len);
	good_dump(6);
	start(fx);
	run_until(fx, six_requests);
	/* 4 ms and 8 ms of which a quarter may be missing, then 20 ms each. */
	assert_true(fake.request_at[1] - fake.request_at[0] >= 3 * USEC_PER_MSEC);
	assert_true(fake.request_at[2] - fake.request_at[1] >= 6 * USEC_PER_MSEC);
	for (unsigned i = 3; i < 6; i++)
		assert_true(fake.request_at[i] - fake.request_at[i - 1] >= 20 * USEC_PER_MSEC);
	assert_int_equal(logged(fx, "WARNING"), 1);
	assert_int_equal(logged(fx, "not in sync with the kernel: reading all links failed 3 times in a row, now: "),
			 1);
	run_until(fx, is_synced);
	assert_int_equal(watch_stats(fx->watch)->dumps_failed, 6);
	assert_int_equal(logged(fx, "in sync with the kernel after"), 1);
}

static void success_resets_the_bound(void **state)
{
	struct fixture *fx = *state;

	fx->opt.retry_bound = 2;
	bad_overrun_message();
	good_dump(1);
	start(fx);
	run_until(fx, is_synced);
	fake_dump_outcome(2, NLSOCK_OVERRUN, -ENOBUFS);
	good_dump(3);
	watch_resync(fx->watch, "test");
	run_dry(fx);
	run_until(fx, is_synced);
	assert_int_equal(watch_stats(fx->watch)->dumps_failed, 2);
	assert_int_equal(logged(fx, "WARNING"), 0);
}

static bool one_failure(const struct fixture *fx)
{
	return watch_stats(fx->watch)->dumps_failed > 0;
}

static void no_dump_socket(void **state)
{
	struct fixture *fx = *state;

	fake.open_dump_error = -EMFILE;
	start(fx);
	run_until(fx, one_failure);
	fake.open_dump_error = 0;
	good_dump(0);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)TS");
}

static void request_refused(void **state)
{
	struct fixture *fx = *state;

	fake.request_error = -EPERM;
	start(fx);
	run_until(fx, one_failure);
	fake.request_error = 0;
	for (unsigned i = 1; i < FAKE_DUMPS; i++)
		good_dump(i);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)TS");
}

static void foreign_sequence_numbers(void **state)
{
	struct fixture *fx = *state;
	struct bytes b = {0};

	put_link(&b, RTM_NEWLINK, 9)->nlmsg_seq = 12345;
	put(&b, NLMSG_DONE, NLM_F_DUMP_INTR, 12345, sizeof(int));
	(void)put_link(&b, RTM_NEWLINK, 2);
	(void)put_link(&b, RTM_DELLINK, 8);
	(void)put_error(&b, NLMSG_ERROR, 0);
	(void)put(&b, NLMSG_NOOP, 0, FAKE_SEQ, 0);
	(void)put(&b, NLMSG_DONE, NLM_F_MULTI, FAKE_SEQ, 0);
	fake_dump_data(0, b.data, b.len);
	start(fx);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2)TS");
}

static void spoofed(void **state)
{
	struct fixture *fx = *state;

	fake_dump_spoofed(0);
	good_dump(0);
	fake_event_spoofed();
	fake_event_spoofed();
	start(fx);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)TS");
	assert_int_equal(watch_stats(fx->watch)->spoofed, 3);
	assert_int_equal(watch_stats(fx->watch)->datagrams, 0);
}

static void interrupted_dump(unsigned n)
{
	struct bytes b = {0};

	put_link(&b, RTM_NEWLINK, 2)->nlmsg_flags |= NLM_F_DUMP_INTR;
	(void)put_link(&b, RTM_NEWLINK, 3);
	put(&b, NLMSG_DONE, NLM_F_DUMP_INTR, FAKE_SEQ, sizeof(int));
	fake_dump_data(n, b.data, b.len);
}

/* Where links come and go all the time none would ever be complete. */
static void interrupted_for_ever(void **state)
{
	struct fixture *fx = *state;

	fx->opt.retry_bound = 3;
	for (unsigned i = 0; i < 3; i++)
		interrupted_dump(i);
	start(fx);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(!UD(!UD(r2r3]TS");
	assert_int_equal(watch_stats(fx->watch)->dumps_interrupted, 3);
	assert_int_equal(watch_stats(fx->watch)->dumps_partial, 1);
	assert_int_equal(logged(fx, "was interrupted by changes 3 times in a row: the links that were read count"), 1);
	/* The next loss begins to count again. */
	fx->heard_len = 0;
	interrupted_dump(3);
	good_dump(4);
	watch_resync(fx->watch, "test");
	run_until(fx, is_dumping);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "UD(!UD(r2r3)TS");
}

/* After failures of another kind too, and an error in it is still one. */
static void interrupted_after_failures(void **state)
{
	struct fixture *fx = *state;
	struct bytes b = {0};

	fx->opt.retry_bound = 2;
	fake_dump_outcome(0, NLSOCK_ERROR, -EIO);
	put_link(&b, RTM_NEWLINK, 2)->nlmsg_flags |= NLM_F_DUMP_INTR;
	(void)put_error(&b, NLMSG_DONE, -ENOMEM);
	fake_dump_data(1, b.data, b.len);
	interrupted_dump(2);
	start(fx);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(!UD(r2!UD(r2r3]TS");
}

/* The listener had no memory for the rows. */
static void a_commit_that_fails(void **state)
{
	struct fixture *fx = *state;

	fx->commit_error = -ENOMEM;
	good_dump(0);
	good_dump(1);
	start(fx);
	run_until(fx, is_dumping);
	while (watch_stats(fx->watch)->dumps_failed == 0)
		assert_true(turn(fx, USEC_PER_SEC / 10) >= 0);
	fx->commit_error = 0;
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)UD(r2r3)TS");
	assert_int_equal(watch_stats(fx->watch)->dumps_failed, 1);
	assert_true(logged(fx, "Cannot allocate memory") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bad_dumps),
		TEST(progress_extends_the_timeout),
		TEST(interrupted_for_ever),
		TEST(interrupted_after_failures),
		TEST(a_commit_that_fails),
		TEST(retries_are_bounded),
		TEST(success_resets_the_bound),
		TEST(no_dump_socket),
		TEST(request_refused),
		TEST(foreign_sequence_numbers),
		TEST(spoofed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
