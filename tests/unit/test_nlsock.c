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
#include "faults.h"

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

/* --- refusals --- */

static const struct {
	int (*open)(struct nlsock **ret, const struct nlsock_options *opt);
} openers[] = {{nlsock_open_events}, {nlsock_open_dump}, {nlsock_open_asking}};

static int lowest_free_descriptor(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	return fd;
}

/* Opens one with this call refused. Whether one was. */
static bool open_refused(size_t opener, enum fault kind, size_t granted)
{
	const struct nlsock_options options = {SIZES, .receive_pool = 4, .datagram_bytes = 4096};
	const int free_before = lowest_free_descriptor();
	struct nlsock *s = NULL;
	const char *refused;
	int r;

	errno = 0;
	faults_begin(kind, granted, false);
	r = openers[opener].open(&s, &options);
	refused = faults_end();
	assert_true(refused || r == 0);
	assert_true(r == 0 ? s != NULL : s == NULL);
	if (refused && kind == FAULT_MEMORY)
		assert_int_equal(r, -ENOMEM);
	nlsock_free(s);
	assert_int_equal(lowest_free_descriptor(), free_before);
	return refused;
}

/* What a socket can do without, such as larger buffers, it does without. */
static void a_refused_socket_has_a_reason_and_leaves_nothing(void **state)
{
	static const enum fault kinds[] = {FAULT_MEMORY, FAULT_CALL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(openers); i++)
		for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
			for (size_t n = 0; open_refused(i, kinds[kind], n); n++)
				;
}

static void a_request_that_was_not_sent_is_reported(void **state)
{
	const struct nlsock_options options = {SIZES, .datagram_bytes = 64};
	struct nlsock *s = NULL;

	(void)state;
	assert_int_equal(nlsock_open_dump(&s, &options), 0);
	faults_begin(FAULT_CALL, 0, false);
	assert_int_equal(nlsock_request_dump(s, 7), -ENOBUFS);
	assert_string_equal(faults_end(), "sendto");
	nlsock_free(s);
}

static void a_queue_that_was_full_is_an_overrun(void **state)
{
	struct nlsock *s = open_events(1, 4096);
	struct nlsock_batch batch;

	(void)state;
	change_link(1);
	faults_begin(FAULT_CALL, 0, false);
	nlsock_receive(s, &batch);
	assert_string_equal(faults_end(), "recvmmsg");
	assert_int_equal(batch.outcome, NLSOCK_OVERRUN);
	assert_int_equal(batch.n, 0);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.n, 1);
	nlsock_free(s);
}

static void buffers_that_cannot_grow_try_it_again(void **state)
{
	struct nlsock *s = open_events(1, 64);
	struct nlsock_batch batch;

	(void)state;
	change_link(3);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_TRUNCATED);
	faults_begin(FAULT_MEMORY, 0, false);
	nlsock_receive(s, &batch);
	assert_non_null(faults_end());
	assert_int_equal(batch.outcome, NLSOCK_TRUNCATED);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.outcome, NLSOCK_DATA);
	assert_int_equal(batch.n, 1);
	nlsock_free(s);
}

/* Another process can send to the port of our socket. */
static void what_the_kernel_did_not_send_is_spoofed(void **state)
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg info;
	} link = {.nlh = {.nlmsg_len = sizeof(link), .nlmsg_type = RTM_NEWLINK}};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlsock *s = open_events(4, 4096);
	struct sockaddr_nl own = {0}, us = {.nl_family = AF_NETLINK};
	socklen_t size = sizeof(us);
	struct nlsock_batch batch;

	(void)state;
	own.nl_family = AF_NETLINK;
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(getsockname(nlsock_fd(s), (struct sockaddr *)&us, &size), 0);
	assert_int_equal(sendto(fd, &link, sizeof(link), 0, (struct sockaddr *)&us, sizeof(us)), sizeof(link));
	change_link(1);
	nlsock_receive(s, &batch);
	assert_int_equal(batch.spoofed, 1);
	assert_int_equal(batch.n, 1);
	nlsock_free(s);
	assert_int_equal(close(fd), 0);
}

/* --- links that are set down --- */

static bool is_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	assert_int_equal(close(fd), 0);
	return request.ifr_flags & IFF_UP;
}

static void set_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	assert_int_equal(close(fd), 0);
}

static void each_link_has_its_own_result(void **state)
{
	const int links[] = {4711, 1};
	int results[ARRAY_SIZE(links)] = {1, 1};

	(void)state;
	set_up();
	assert_int_equal(nlsock_set_links_down(links, ARRAY_SIZE(links), results), 0);
	assert_int_equal(results[0], -ENODEV);
	assert_int_equal(results[1], 0);
	assert_false(is_up());
}

/* No link is reported as down that nobody knows to be. */
static void a_refusal_is_the_result_of_those_that_follow(void **state)
{
	const int links[] = {4711, 1};
	const char *refused;
	size_t n = 0;

	(void)state;
	do {
		int results[ARRAY_SIZE(links)] = {0}, r;

		set_up();
		faults_begin(FAULT_CALL, n++, false);
		r = nlsock_set_links_down(links, ARRAY_SIZE(links), results);
		refused = faults_end();
		assert_true(r == 0 || refused);
		assert_true(r < 0 || (results[0] < 0 && (results[1] < 0 || !is_up())));
	} while (refused);
	assert_true(n > 6);
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
		cmocka_unit_test(a_refused_socket_has_a_reason_and_leaves_nothing),
		cmocka_unit_test(a_request_that_was_not_sent_is_reported),
		cmocka_unit_test(a_queue_that_was_full_is_an_overrun),
		cmocka_unit_test(buffers_that_cannot_grow_try_it_again),
		cmocka_unit_test(what_the_kernel_did_not_send_is_spoofed),
		cmocka_unit_test(each_link_has_its_own_result),
		cmocka_unit_test(a_refusal_is_the_result_of_those_that_follow),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
