/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's events on their way into the model: who learns of its states, and how long a warm start's rows wait. */
#include "daemon/kernel.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/connections.h"
#include "daemon/judge.h"
#include "daemon/status.h"
#include "daemon_fixture.h"
#include "host/notify.h"

static int opening; /* the outcome of mirror_new(); 0: it really runs */

int __real_mirror_new(struct mirror **ret, sd_event *event, const struct watch_options *opt, struct links *links,
		      mirror_state_fn state_changed, void *user);
int __wrap_mirror_new(struct mirror **ret, sd_event *event, const struct watch_options *opt, struct links *links,
		      mirror_state_fn state_changed, void *user);

int __wrap_mirror_new(struct mirror **ret, sd_event *event, const struct watch_options *opt, struct links *links,
		      mirror_state_fn state_changed, void *user)
{
	return opening < 0 ? opening : __real_mirror_new(ret, event, opt, links, state_changed, user);
}

static int setup(void **state)
{
	struct fixture *fx = daemon_begin();

	opening = 0;
	assert_int_equal(notify_attach(fx->daemon.notify, fx->daemon.event), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	notify_detach(fx->daemon.notify);
	daemon_end(fx);
	return 0;
}

static void build(struct fixture *fx)
{
	struct daemon *d = &fx->daemon;

	assert_int_equal(connections_load(d), 0);
	assert_int_equal(connections_build(d), 0); /* to a Redis that is away */
	assert_int_equal(kernel_build(d), 0);
	assert_int_equal(judge_build(d), 0);
	assert_int_equal(status_build(d), 0);
}

static bool is_synced(const struct fixture *fx)
{
	return watch_state(fx->daemon.watch) == WATCH_SYNCED;
}

static void a_socket_that_cannot_be_had_ends_the_daemon(void **state)
{
	struct fixture *fx = *state;

	opening = -EPERM;
	assert_int_equal(kernel_build(&fx->daemon), -EPERM);
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
	assert_null(fx->daemon.watch);
	assert_int_equal(catcher_count(&fx->log, "link events cannot be followed: Operation not permitted"), 1);
}

/* systemd starts what comes after us once the links are known. */
static void it_is_up_with_the_first_sync(void **state)
{
	struct fixture *fx = *state;

	kernel_dump_has(0, 4, "Ethernet12");
	build(fx);
	assert_int_equal(catcher_count(&fx->manager, "READY=1"), 0);
	kernel_dump_ends(0);
	TURN_UNTIL(fx, is_synced(fx));
	assert_true(fx->daemon.synced_once);
	assert_non_null(links_find_ifindex(fx->daemon.links, 4));
	assert_int_equal(catcher_count(&fx->manager, "READY=1"), 1);
}

/* An overrun is shown until the links were read again; what is up stays up. */
static void an_overrun_reads_all_links_again(void **state)
{
	struct fixture *fx = *state;

	build(fx);
	kernel_dump_has(0, 4, "Ethernet12");
	kernel_dump_ends(0);
	TURN_UNTIL(fx, is_synced(fx));
	(void)catcher_count(&fx->manager, "");
	fake_event_outcome(NLSOCK_OVERRUN, 0);
	TURN_UNTIL(fx, !is_synced(fx));
	kernel_dump_has(1, 5, "Ethernet16");
	kernel_dump_ends(1);
	TURN_UNTIL(fx, is_synced(fx));
	assert_int_equal(watch_stats(fx->daemon.watch)->overruns, 1);
	assert_non_null(links_find_ifindex(fx->daemon.links, 5));
	assert_null(links_find_ifindex(fx->daemon.links, 4)); /* its deletion was lost */
	assert_int_equal(catcher_count(&fx->manager, "READY=1"), 0);
}

static void keep(struct fixture *fx, const char *name)
{
	struct port *port = links_get(fx->daemon.links, name);

	assert_non_null(port);
	port->row.mine = true;
	links_keep(fx->daemon.links, port);
}

/* After a warm start: what such a row says is not so without a link. */
static void kept_rows_wait_for_their_links(void **state)
{
	struct fixture *fx = *state;

	build(fx);
	fx->config.keep_rows_secs = 1;
	kernel_end_keeping_later(&fx->daemon);
	assert_null(fx->daemon.keeping); /* nothing waits: a quiet switch is not woken */
	keep(fx, "Ethernet0");
	keep(fx, "Ethernet4");
	kernel_end_keeping_later(&fx->daemon);
	assert_int_equal(links_kept(fx->daemon.links), 2);
	TURN_UNTIL(fx, links_kept(fx->daemon.links) == 0);
	assert_int_equal(catcher_count(&fx->log, "2 ports have no link 1 s after the warm start"), 1);
}

static void settings_reach_the_socket(void **state)
{
	struct fixture *fx = *state;
	struct watch_options options;

	fx->config.receive_buffer_bytes = 123456;
	fx->config.settle_ms = 7;
	fx->config.gather_usecs = 8;
	options = kernel_options(&fx->config);
	assert_int_equal(options.rcvbuf, 123456);
	assert_int_equal(options.settle_usec, 7 * USEC_PER_MSEC);
	assert_int_equal(options.gather_usec, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_socket_that_cannot_be_had_ends_the_daemon),
		TEST(it_is_up_with_the_first_sync),
		TEST(an_overrun_reads_all_links_again),
		TEST(kept_rows_wait_for_their_links),
		TEST(settings_reach_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
