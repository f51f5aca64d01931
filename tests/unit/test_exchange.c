/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot_fixture.h"

#define PATIENCE (10 * NSEC_PER_SEC) /* a loop that answers does so much sooner */
#define NO_PATIENCE NSEC_PER_MSEC

static void every_answer_is_whole_and_new(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	uint64_t before = 0;

	(void)state;
	fixture_start(loop);
	for (unsigned i = 1; i <= 2000; i++) {
		struct exchange_answer answer;

		loop->figures.watch.messages = i;
		fixture_ports(loop, i % 40);
		answer = exchange_get(loop->exchange, PATIENCE, false);
		assert_true(answer.fresh);
		assert_int_equal(answer.snapshot->watch.messages, i);
		assert_int_equal(answer.snapshot->n_ports, i % 40);
		assert_true(answer.snapshot->taken_nsec > before);
		before = answer.snapshot->taken_nsec;
		if (i % 40)
			assert_string_equal(answer.snapshot->ports[0].name, "Ethernet0");
	}
	fixture_stop(loop);
	snapshot_fixture_free(loop);
}

static void more_ports_than_capacity_are_requested_again(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	struct exchange_answer answer;

	(void)state;
	fixture_ports(loop, 1024);
	fixture_start(loop);
	answer = exchange_get(loop->exchange, PATIENCE, false);
	assert_true(answer.fresh);
	assert_int_equal(answer.snapshot->n_ports, 1024);
	assert_string_equal(answer.snapshot->ports[1023].name, "Ethernet4092");
	assert_int_equal(loop->fills, 2);
	/* The memory stays: both buffers have grown after the second request. */
	(void)exchange_get(loop->exchange, PATIENCE, false);
	(void)exchange_get(loop->exchange, PATIENCE, false);
	assert_int_equal(loop->fills, 5);
	fixture_stop(loop);
	snapshot_fixture_free(loop);
}

static void a_loop_that_does_not_answer_leaves_the_last_figures(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	struct exchange_answer answer = exchange_get(loop->exchange, NO_PATIENCE, false);

	(void)state;
	assert_false(answer.fresh);
	assert_int_equal(answer.snapshot->watch.messages, 0);
	assert_false(answer.snapshot->sync.synced);
	loop->figures.watch.messages = 7;
	fixture_start(loop);
	assert_true(exchange_get(loop->exchange, PATIENCE, false).fresh);
	fixture_stop(loop);
	loop->figures.watch.messages = 8;
	answer = exchange_get(loop->exchange, NO_PATIENCE, false);
	assert_false(answer.fresh);
	assert_int_equal(answer.snapshot->watch.messages, 7);
	/* The ring of a withdrawn request must not confuse the loop, nor its late turn the next request. */
	exchange_serve(loop->exchange, fixture_fill, loop);
	assert_int_equal(loop->fills, 1);
	fixture_start(loop);
	answer = exchange_get(loop->exchange, PATIENCE, false);
	assert_true(answer.fresh);
	assert_int_equal(answer.snapshot->watch.messages, 8);
	fixture_stop(loop);
	snapshot_fixture_free(loop);
}

/* The loop loses its processor while copying: it keeps its buffer. */
static void fill_and_ask(struct snapshot *out, struct health_report *health, void *user)
{
	struct fixture_loop *loop = user;
	struct exchange_answer answer = exchange_get(loop->exchange, NO_PATIENCE, false);

	assert_false(answer.fresh);
	assert_true(answer.snapshot != out);
	fixture_fill(out, health, user);
}

static void *ask_once(void *user)
{
	struct fixture_loop *loop = user;

	(void)exchange_get(loop->exchange, PATIENCE, false);
	return NULL;
}

static void *ask_for_ever(void *user)
{
	struct fixture_loop *loop = user;
	struct exchange_answer answer = exchange_get(loop->exchange, 3600 * NSEC_PER_SEC, false);

	return answer.fresh ? NULL : loop;
}

/* Otherwise a request would hold up the end. */
static void nobody_waits_for_a_loop_that_left(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	struct pollfd asked = {.fd = exchange_fd(loop->exchange), .events = POLLIN};
	pthread_t asker;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&asker, NULL, ask_for_ever, loop), 0);
	assert_int_equal(poll(&asked, 1, -1), 1);
	exchange_leave(loop->exchange);
	(void)pthread_join(asker, &result);
	assert_ptr_equal(result, loop);
	assert_ptr_equal(ask_for_ever(loop), loop);
	snapshot_fixture_free(loop);
}

static void a_buffer_that_is_being_filled_is_left_alone(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	struct pollfd asked = {.fd = exchange_fd(loop->exchange), .events = POLLIN};
	pthread_t asker;

	(void)state;
	assert_int_equal(pthread_create(&asker, NULL, ask_once, loop), 0);
	assert_int_equal(poll(&asked, 1, -1), 1);
	exchange_serve(loop->exchange, fill_and_ask, loop);
	(void)pthread_join(asker, NULL);
	assert_int_equal(loop->fills, 1);
	snapshot_fixture_free(loop);
}

static void a_long_turn_shows_as_a_stall(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	struct exchange_answer answer;

	(void)state;
	exchange_turn_begins(loop->exchange, now_usec() - 20 * USEC_PER_SEC);
	/* Nobody waits for a loop that is known to hang. */
	answer = exchange_get(loop->exchange, 3600 * NSEC_PER_SEC, false);
	assert_false(answer.fresh);
	assert_true(answer.stall_nsec >= 20 * NSEC_PER_SEC);
	assert_true(answer.waited_nsec < 3600 * NSEC_PER_SEC);
	exchange_turn_ends(loop->exchange);
	fixture_start(loop);
	answer = exchange_get(loop->exchange, PATIENCE, false);
	assert_true(answer.fresh);
	assert_int_equal(answer.stall_nsec, 0);
	fixture_stop(loop);
	snapshot_fixture_free(loop);
}

/* A loop that never wakes up has begun no turn. */
static void requests_without_an_answer_are_a_stall(void **state)
{
	struct fixture_loop *loop = snapshot_fixture_new();
	struct exchange_answer answer;
	uint64_t first = now_nsec();

	(void)state;
	do
		answer = exchange_get(loop->exchange, 50 * NSEC_PER_MSEC, false);
	while (answer.stall_nsec < NSEC_PER_SEC + NSEC_PER_SEC / 10);
	assert_true(now_nsec() - first >= answer.stall_nsec);
	fixture_start(loop);
	do
		answer = exchange_get(loop->exchange, 50 * NSEC_PER_MSEC, false);
	while (!answer.fresh);
	assert_int_equal(answer.stall_nsec, 0);
	fixture_stop(loop);
	snapshot_fixture_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_is_whole_and_new),
		cmocka_unit_test(more_ports_than_capacity_are_requested_again),
		cmocka_unit_test(a_loop_that_does_not_answer_leaves_the_last_figures),
		cmocka_unit_test(nobody_waits_for_a_loop_that_left),
		cmocka_unit_test(a_buffer_that_is_being_filled_is_left_alone),
		cmocka_unit_test(a_long_turn_shows_as_a_stall),
		cmocka_unit_test(requests_without_an_answer_are_a_stall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
