/* SPDX-License-Identifier: Apache-2.0 */
/* Work that may block is done beside the loop: behind it, or at once when the loop waits for it. */
#include "base/worker.h"

#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/util.h"
#include "patience.h"
#include "test.h"

#define WEAKEST_NICE 19
#define PATIENCE_USEC (patience_ends_usec() - now_usec())

struct fixture {
	struct worker *worker;
	sem_t go;
	int pieces, begun, nice;
	char name[16];
};

static void begin(void *user)
{
	struct fixture *fx = user;

	fx->begun++;
}

static void work(void *user)
{
	struct fixture *fx = user;

	while (sem_wait(&fx->go) < 0)
		;
	fx->pieces++;
	fx->nice = getpriority(PRIO_PROCESS, 0);
	(void)prctl(PR_GET_NAME, fx->name);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(sem_init(&fx->go, 0, 0), 0);
	assert_int_equal(worker_new(&fx->worker, &(struct worker_job){"clerk", begin, work, fx}), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	assert_true(worker_free(fx->worker, PATIENCE_USEC));
	(void)sem_destroy(&fx->go);
	free(fx);
	return 0;
}

static void finish_piece(struct fixture *fx)
{
	assert_int_equal(sem_post(&fx->go), 0);
	assert_true(worker_wait(fx->worker, PATIENCE_USEC));
}

static void it_steps_back_behind_the_loop(void **state)
{
	struct fixture *fx = *state;

	worker_give(fx->worker, WORKER_STEPS_BACK);
	finish_piece(fx);
	assert_int_equal(fx->nice, WEAKEST_NICE);
	assert_string_equal(fx->name, "clerk");
	assert_int_equal(fx->begun, 1);
}

/* On a machine whose CPUs are busy, a thread that stepped back could take longer than the loop waits at its end. */
static void what_the_loop_waits_for_keeps_its_priority(void **state)
{
	struct fixture *fx = *state;

	worker_give(fx->worker, WORKER_STEPS_BACK);
	finish_piece(fx);
	assert_true(worker_take(fx->worker));
	worker_give(fx->worker, WORKER_AT_ONCE);
	finish_piece(fx);
	assert_int_equal(fx->nice, getpriority(PRIO_PROCESS, 0));
	assert_string_equal(fx->name, "clerk-end");
	assert_int_equal(fx->begun, 1);
	assert_int_equal(fx->pieces, 2);
}

static void each_piece_is_taken_once(void **state)
{
	struct fixture *fx = *state;
	struct pollfd done = {.fd = worker_fd(fx->worker), .events = POLLIN};

	assert_true(worker_is_idle(fx->worker));
	assert_false(worker_take(fx->worker));
	worker_give(fx->worker, WORKER_STEPS_BACK);
	assert_true(worker_is_busy(fx->worker));
	assert_false(worker_is_idle(fx->worker));
	assert_false(worker_take(fx->worker));
	assert_int_equal(sem_post(&fx->go), 0);
	assert_int_equal(poll(&done, 1, (int)(PATIENCE_USEC / USEC_PER_MSEC)), 1);
	assert_false(worker_is_busy(fx->worker));
	assert_false(worker_is_idle(fx->worker));
	assert_true(worker_take(fx->worker));
	assert_true(worker_is_idle(fx->worker));
	assert_false(worker_take(fx->worker));
	assert_int_equal(poll(&done, 1, 0), 0);
}

static void a_wait_ends_though_the_work_does_not(void **state)
{
	struct fixture *fx = *state;

	worker_give(fx->worker, WORKER_STEPS_BACK);
	assert_false(worker_wait(fx->worker, USEC_PER_MSEC));
	assert_int_equal(fx->pieces, 0);
	finish_piece(fx);
	assert_int_equal(fx->pieces, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_steps_back_behind_the_loop),
		TEST(what_the_loop_waits_for_keeps_its_priority),
		TEST(each_piece_is_taken_once),
		TEST(a_wait_ends_though_the_work_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
