/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own answers come through the thread unchanged; the loopback of this namespace is asked for. */
#include "kernel/asker.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/util.h"
#include "test.h"

#define LOOPBACK 1
#define NOBODY 0x7ffffffe
#define ANSWER_MSEC 30000

struct fixture {
	struct asker *asker;
	unsigned char buffer[1U << 16];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(asker_new(&fx->asker, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	asker_free(fx->asker);
	free(fx);
	return 0;
}

/* The first message of the next datagram. */
static const struct nlmsghdr *next(struct fixture *fx, ssize_t *len)
{
	struct pollfd answer = {.fd = asker_fd(fx->asker), .events = POLLIN};

	assert_int_equal(poll(&answer, 1, ANSWER_MSEC), 1);
	*len = recv(asker_fd(fx->asker), fx->buffer, sizeof(fx->buffer), 0);
	assert_true(*len >= (ssize_t)sizeof(struct nlmsghdr));
	return (const struct nlmsghdr *)(const void *)fx->buffer;
}

static void questions_wait_for_the_thread(void **state)
{
	struct fixture *fx = *state;
	const struct nlmsghdr *nlh;
	ssize_t len;

	assert_int_equal(asker_ask(fx->asker, LOOPBACK, 17), 0);
	assert_int_equal(asker_ask(fx->asker, NOBODY, 18), 0);
	assert_int_equal(asker_start(fx->asker), 0);
	nlh = next(fx, &len);
	assert_int_equal(nlh->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(nlh->nlmsg_seq, 17);
	assert_int_equal(((const struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index, LOOPBACK);
	nlh = next(fx, &len);
	assert_int_equal(nlh->nlmsg_type, NLMSG_ERROR);
	assert_int_equal(nlh->nlmsg_seq, 18);
	assert_int_equal(((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error, -ENODEV);
}

static void all_links_end_with_done(void **state)
{
	struct fixture *fx = *state;
	bool done = false, loopback = false;

	assert_int_equal(asker_start(fx->asker), 0);
	assert_int_equal(asker_ask(fx->asker, 0, 19), 0);
	while (!done) {
		ssize_t len;
		const struct nlmsghdr *nlh = next(fx, &len);

		for (int left = (int)len; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			assert_int_equal(nlh->nlmsg_seq, 19);
			done |= nlh->nlmsg_type == NLMSG_DONE;
			loopback |= nlh->nlmsg_type == RTM_NEWLINK &&
				    ((const struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index == LOOPBACK;
		}
	}
	assert_true(loopback);
}

/* Nobody answers yet: it says that it has enough, and does not wait. */
static void too_many_questions_are_refused(void **state)
{
	struct fixture *fx = *state;
	int r = 0;

	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = asker_ask(fx->asker, NOBODY, i);
	assert_int_equal(r, -EAGAIN);
}

/* One that has been closed, or is something else, is refused at once, and a thread with it ends all the same. */
static void a_socket_that_is_none(void **state)
{
	struct asker *asker = NULL;
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	(void)close(pair[1]);
	assert_int_equal(asker_new(&asker, pair[0]), -ENOTSOCK);
	assert_null(asker);
	asker_free(asker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(questions_wait_for_the_thread),
		TEST(all_links_end_with_done),
		TEST(too_many_questions_are_refused),
		TEST(a_socket_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
