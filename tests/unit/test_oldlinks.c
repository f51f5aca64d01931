/* SPDX-License-Identifier: Apache-2.0 */
/* Old links are set down some in each turn of the loop, so that slow drivers do not stop it; the kernel is a fake. */
#include "links_fixture.h"

#include <errno.h>
#include <systemd/sd-event.h>

#include "base/util.h"
#include "kernel/nlsock.h"
#include "log/log.h"
#include "sonic/oldlinks.h"

#define LINKS 100
#define MOST_A_TURN 16

static struct {
	int down[LINKS + 1]; /* ifindexes, in the order of the requests */
	size_t n, turn;      /* requests; those of one turn */
	int result, fault;   /* of each link; of the call */
	unsigned reported, unreported;
} kernel;

/* EXISTS of PortInitDone, when APPL_DB is asked. */
static struct {
	conn_reply_fn fn;
	void *user;
	unsigned asked;
	int result;
} appl;

int __wrap_nlsock_set_links_down(const int *ifindex, size_t n, int *results);

int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv);

int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv)
{
	(void)c;
	(void)item;
	(void)cookie;
	assert_int_equal(argc, 3);
	assert_string_equal(argv[1].data, "PORT_TABLE:PortInitDone");
	assert_string_equal(argv[2].data, "_PORT_TABLE:PortInitDone");
	appl.fn = fn;
	appl.user = user;
	appl.asked++;
	return appl.result;
}

int __wrap_nlsock_set_links_down(const int *ifindex, size_t n, int *results)
{
	if (kernel.fault)
		return kernel.fault;
	for (size_t i = 0; i < n; i++) {
		assert_true(kernel.n < ARRAY_SIZE(kernel.down));
		kernel.down[kernel.n++] = ifindex[i];
		results[i] = kernel.result;
	}
	kernel.turn += n;
	return 0;
}

static void on_settled(bool known, void *user)
{
	(void)user;
	if (known)
		kernel.reported++;
	else
		kernel.unreported++;
}

struct rig {
	struct links *links;
	sd_event *event;
	struct oldlinks *old;
};

static int setup_old(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	log_set_level(LOG_ERR);
	memset(&kernel, 0, sizeof(kernel));
	memset(&appl, 0, sizeof(appl));
	*state = rig;
	if (!rig || sd_event_new(&rig->event) < 0)
		return -1;
	rig->links = links_new(0);
	if (!rig->links)
		return -1;
	dump_range(rig->links, 1, LINKS, 9100);
	rig->old = oldlinks_new(rig->event, OLDLINKS_ALWAYS, rig->links, NULL, ":", on_settled, NULL);
	return rig->old ? 0 : -1;
}

static int teardown_old(void **state)
{
	struct rig *rig = *state;

	oldlinks_free(rig->old);
	links_free(rig->links);
	sd_event_unref(rig->event);
	free(rig);
	return 0;
}

/* The requests of a turn. */
static size_t turn(const struct rig *rig)
{
	kernel.turn = 0;
	assert_true(sd_event_run(rig->event, 0) >= 0);
	return kernel.turn;
}

static void turns_until_reported(const struct rig *rig)
{
	for (unsigned i = 0; i < LINKS && kernel.reported == 0; i++)
		(void)turn(rig);
	assert_int_equal(kernel.reported, 1);
}

static void a_turn_sets_some_down(void **state)
{
	const struct rig *rig = *state;

	assert_int_equal(oldlinks_settle(rig->old), 0);
	assert_true(kernel.turn <= MOST_A_TURN);
	/* All are old from the first moment, and nothing may be pushed before the last one is down. */
	for (int i = 1; i <= LINKS; i++)
		assert_true(links_find_ifindex(rig->links, i)->link.old);
	while (kernel.reported == 0) {
		size_t asked = turn(rig);

		assert_true(asked > 0 && asked <= MOST_A_TURN);
		assert_int_equal(kernel.reported, kernel.n == LINKS);
		assert_int_equal(oldlinks_set_down(rig->old), kernel.n);
	}
	for (int i = 0; i < LINKS; i++)
		assert_true(links_find_ifindex(rig->links, kernel.down[i]) != NULL);
	assert_int_equal(turn(rig), 0);
	assert_int_equal(kernel.reported, 1);
}

/* What goes meanwhile needs no request, and another link with its ifindex must not be set down. */
static void a_link_that_comes_meanwhile_stays_up(void **state)
{
	const struct rig *rig = *state;
	int last;

	assert_int_equal(oldlinks_settle(rig->old), 0);
	(void)turn(rig);
	assert_true(kernel.n > 0 && kernel.n < LINKS);
	for (last = LINKS; last > 0; last--) {
		bool asked = false;

		for (size_t i = 0; i < kernel.n; i++)
			asked |= kernel.down[i] == last;
		if (!asked)
			break;
	}
	assert_true(last > 0);
	gone(rig->links, last, links_find_ifindex(rig->links, last)->name);
	seen(rig->links, last, "Ethernet5000");
	turns_until_reported(rig);
	assert_int_equal(kernel.n, LINKS - 1);
	for (size_t i = 0; i < kernel.n; i++)
		assert_int_not_equal(kernel.down[i], last);
}

/* Each further request would cost its timeout. */
static void a_kernel_that_does_not_answer_is_not_asked_on(void **state)
{
	const struct rig *rig = *state;

	kernel.result = -ETIMEDOUT;
	assert_int_equal(oldlinks_settle(rig->old), 0);
	turns_until_reported(rig);
	assert_true(kernel.n <= MOST_A_TURN);
	assert_int_equal(oldlinks_set_down(rig->old), 0);
}

/* Redis went: the next connection decides again, waits for the rest, and hears once. */
static void a_lost_connection_waits_for_the_rest(void **state)
{
	const struct rig *rig = *state;

	assert_int_equal(oldlinks_settle(rig->old), 0);
	(void)turn(rig);
	oldlinks_lost(rig->old);
	(void)turn(rig);
	assert_int_equal(oldlinks_settle(rig->old), 0);
	assert_int_equal(kernel.reported, 0);
	turns_until_reported(rig);
	assert_int_equal(kernel.n, LINKS);
	assert_int_equal(oldlinks_settle(rig->old), 0);
	assert_int_equal(kernel.reported, 2);
	assert_int_equal(kernel.n, LINKS);
}

static void a_decision_for_a_lost_connection_is_not_reported(void **state)
{
	const struct rig *rig = *state;

	assert_int_equal(oldlinks_settle(rig->old), 0);
	oldlinks_lost(rig->old);
	while (turn(rig) > 0)
		continue;
	assert_int_equal(kernel.n, LINKS);
	assert_int_equal(kernel.reported, 0);
}

/* Without a socket of the kernel: the start goes on all the same. */
static void a_kernel_that_cannot_be_asked(void **state)
{
	const struct rig *rig = *state;

	kernel.fault = -EPERM;
	assert_int_equal(oldlinks_settle(rig->old), 0);
	turns_until_reported(rig);
	assert_int_equal(kernel.n, 0);
	assert_int_equal(oldlinks_set_down(rig->old), 0);
	assert_true(links_find_ifindex(rig->links, 1)->link.old);
}

/* --- under SONiC's supervisord --- */

static int setup_auto(void **state)
{
	struct rig *rig;

	if (setup_old(state) < 0)
		return -1;
	rig = *state;
	oldlinks_free(rig->old);
	rig->old = oldlinks_new(rig->event, OLDLINKS_AUTO, rig->links, NULL, ":", on_settled, NULL);
	(void)setenv("SUPERVISOR_ENABLED", "1", 1);
	(void)setenv("SUPERVISOR_PROCESS_NAME", "portsyncd", 1);
	return rig->old ? 0 : -1;
}

static int teardown_auto(void **state)
{
	(void)unsetenv("SUPERVISOR_ENABLED");
	(void)unsetenv("SUPERVISOR_PROCESS_NAME");
	return teardown_old(state);
}

static void answer(const struct resp_value *reply)
{
	appl.fn(reply, appl.user, NULL, 0);
}

static void without_supervisord_links_carry_traffic(void **state)
{
	const struct rig *rig = *state;

	(void)unsetenv("SUPERVISOR_ENABLED");
	assert_int_equal(oldlinks_settle(rig->old), 0);
	assert_int_equal(appl.asked, 0);
	assert_int_equal(kernel.reported, 1);
	assert_int_equal(turn(rig), 0);
	assert_false(links_find_ifindex(rig->links, 1)->link.old);
}

/* swss.sh deletes the marker with all of APPL_DB when swss is stopped. */
static void with_the_marker_only_this_process_had_died(void **state)
{
	const struct rig *rig = *state;

	assert_int_equal(oldlinks_settle(rig->old), 0);
	assert_int_equal(kernel.reported, 0);
	answer(&(struct resp_value){.type = RESP_INTEGER, .integer = 1});
	assert_int_equal(kernel.reported, 1);
	assert_int_equal(turn(rig), 0);
	assert_false(links_find_ifindex(rig->links, 1)->link.old);
}

static void without_the_marker_links_are_an_earlier_swss(void **state)
{
	const struct rig *rig = *state;

	assert_int_equal(oldlinks_settle(rig->old), 0);
	answer(&(struct resp_value){.type = RESP_INTEGER});
	turns_until_reported(rig);
	assert_int_equal(kernel.n, LINKS);
}

/* To set links down on a guess would be an outage. */
static void what_redis_refuses_to_say_is_asked_again(void **state)
{
	const struct rig *rig = *state;

	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(oldlinks_settle(rig->old), 0);
		answer(i == 1 ? &(struct resp_value){.type = RESP_ERROR, .str = "NOPERM no", .len = 9}
			      : &(struct resp_value){.type = RESP_NIL});
		assert_int_equal(kernel.unreported, i);
	}
	assert_int_equal(oldlinks_settle(rig->old), 0);
	answer(NULL); /* the connection is lost: oldlinks_lost() follows */
	assert_int_equal(kernel.reported, 0);
	assert_int_equal(kernel.unreported, 2);
	assert_int_equal(kernel.n, 0);
	appl.result = -ENOTCONN;
	assert_int_equal(oldlinks_settle(rig->old), -ENOTCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_turn_sets_some_down, setup_old, teardown_old),
		cmocka_unit_test_setup_teardown(a_link_that_comes_meanwhile_stays_up, setup_old, teardown_old),
		cmocka_unit_test_setup_teardown(a_kernel_that_does_not_answer_is_not_asked_on, setup_old, teardown_old),
		cmocka_unit_test_setup_teardown(a_lost_connection_waits_for_the_rest, setup_old, teardown_old),
		cmocka_unit_test_setup_teardown(a_decision_for_a_lost_connection_is_not_reported, setup_old,
						teardown_old),
		cmocka_unit_test_setup_teardown(a_kernel_that_cannot_be_asked, setup_old, teardown_old),
		cmocka_unit_test_setup_teardown(without_supervisord_links_carry_traffic, setup_auto, teardown_auto),
		cmocka_unit_test_setup_teardown(with_the_marker_only_this_process_had_died, setup_auto, teardown_auto),
		cmocka_unit_test_setup_teardown(without_the_marker_links_are_an_earlier_swss, setup_auto,
						teardown_auto),
		cmocka_unit_test_setup_teardown(what_redis_refuses_to_say_is_asked_again, setup_auto, teardown_auto),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
