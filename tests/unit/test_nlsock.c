/* SPDX-License-Identifier: Apache-2.0 */
/* Against the real kernel, in a network namespace that holds nothing but a loopback device. */
#include "kernel/nlsock.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/util.h"

#define SIZES .rcvbuf = 1 << 20, .sndbuf = 1 << 16

static struct nlsock *open_events(unsigned pool, size_t bytes)
{
	const struct nlsock_options options = {SIZES, .receive_pool = pool, .datagram_bytes = bytes};
	struct nlsock *s = NULL;

	assert_int_equal(nlsock_open_events(&s, &options), 0);
	return s;
}

/* The kernel reports each change of the MTU at once, in a datagram of its own. */
static void change_link(unsigned times)
{
	static int mtu = 2000;
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	for (unsigned i = 0; i < times; i++) {
		request.ifr_mtu = ++mtu;
		assert_int_equal(ioctl(fd, SIOCSIFMTU, &request), 0);
	}
	assert_int_equal(close(fd), 0);
}

static void a_receive_takes_no_more_than_the_pool(void **state)
{
	struct nlsock *s = open_events(3, 32768);
	struct nlsock_batch batch;

	(void)state;
	change_link(7);
	for (int i = 0; i < 2; i++) {
		nlsock_receive(s, &batch);
		assert_int_equal(batch.outcome, NLSOCK_DATA);
		assert_int_equal(batch.n, 3);
	}
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_AGAIN);
	assert_int_equal(batch.n, 1);
	nlsock_free(s);
}

static void one_receive_may_take_1024(void **state)
{
	struct nlsock *s = open_events(1024, 32768);
	struct nlsock_batch batch;

	(void)state;
	change_link(200);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_AGAIN);
	assert_int_equal(batch.n, 200);
	nlsock_free(s);
}

/* One loss, however much longer than the buffers a datagram is. */
static void buffers_grow_to_what_was_truncated(void **state)
{
	struct nlsock *s = open_events(1, 64);
	struct nlsock_batch batch;

	(void)state;
	change_link(2);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_TRUNCATED);
	assert_int_equal(batch.n, 0);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_DATA);
	assert_int_equal(batch.n, 1);
	assert_true(batch.datagram[0].len > 256);
	nlsock_free(s);
}

static void all_of_a_pool_may_be_truncated(void **state)
{
	struct nlsock *s = open_events(4, 64);
	struct nlsock_batch batch;

	(void)state;
	change_link(6);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_TRUNCATED);
	assert_int_equal(batch.n, 0);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_AGAIN);
	assert_int_equal(batch.n, 2);
	nlsock_free(s);
}

/* A dump socket could not learn: it has long buffers from the start. */
static void a_dump_needs_no_growth(void **state)
{
	const struct nlsock_options options = {SIZES, .datagram_bytes = 64};
	struct nlsock *s = NULL;
	struct nlsock_batch batch;

	(void)state;
	assert_int_equal(nlsock_open_dump(&s, &options), 0);
	assert_int_equal(nlsock_request_dump(s, 7), 0);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_AGAIN);
	assert_true(batch.n > 0);
	assert_true(batch.datagram[0].len > 64);
	nlsock_free(s);
}

static const struct nlmsghdr *await_answer(struct nlsock *s)
{
	struct pollfd readable = {.fd = nlsock_fd(s), .events = POLLIN};
	struct nlsock_batch batch;

	assert_int_equal(poll(&readable, 1, 30000), 1);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.n, 1);
	return batch.datagram[0].data;
}

/* By the thread, one question after the other. */
static void questions_are_answered_in_order(void **state)
{
	const struct nlsock_options options = {SIZES, .datagram_bytes = 64};
	const struct nlmsghdr *nlh;
	struct nlsock *s = NULL;
	struct nlsock_batch batch;

	(void)state;
	assert_int_equal(nlsock_open_asking(&s, &options), 0);
	assert_int_equal(nlsock_request_link(s, 1, 7), 0);
	assert_int_equal(nlsock_request_dump(s, 8), 0);
	assert_int_equal(nlsock_request_link(s, 4711, 9), 0);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_AGAIN);
	assert_int_equal(nlsock_start_asking(s), 0);
	nlh = await_answer(s);
	assert_int_equal(nlh->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(nlh->nlmsg_seq, 7);
	do {
		nlh = await_answer(s);
		assert_int_equal(nlh->nlmsg_seq, 8);
	} while (nlh->nlmsg_type == RTM_NEWLINK);
	assert_int_equal(nlh->nlmsg_type, NLMSG_DONE);
	nlh = await_answer(s);
	assert_int_equal(nlh->nlmsg_type, NLMSG_ERROR);
	assert_int_equal(nlh->nlmsg_seq, 9);
	assert_int_equal(((const struct nlmsgerr *)(nlh + 1))->error, -ENODEV);
	nlsock_free(s);
}

/* Nobody reads the answers, and the thread ends all the same. */
static void an_asking_socket_is_closed_amid_questions(void **state)
{
	const struct nlsock_options options = {SIZES, .datagram_bytes = 64};
	struct nlsock *s = NULL;
	uint32_t seq = 0;

	(void)state;
	assert_int_equal(nlsock_open_asking(&s, &options), 0);
	assert_int_equal(nlsock_start_asking(s), 0);
	while (seq < 10000 && nlsock_request_dump(s, ++seq) == 0)
		;
	nlsock_free(s);
	assert_int_equal(nlsock_open_asking(&s, &options), 0);
	nlsock_free(s);
}

static int enter_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_receive_takes_no_more_than_the_pool),
		cmocka_unit_test(one_receive_may_take_1024),
		cmocka_unit_test(buffers_grow_to_what_was_truncated),
		cmocka_unit_test(all_of_a_pool_may_be_truncated),
		cmocka_unit_test(a_dump_needs_no_growth),
		cmocka_unit_test(questions_are_answered_in_order),
		cmocka_unit_test(an_asking_socket_is_closed_amid_questions),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
