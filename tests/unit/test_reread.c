/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listener hears is written down as a line of signs: ( a reading of all begins, ) all were read, ? it is asked
 * whether all events are read, 2 the link of ifindex 2, -2 there is none, . nothing more is to be read.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "fake_nlsock.h"
#include "kernel/reread.h"
#include "log/log.h"
#include "patience.h"
#include "test.h"

struct fixture {
	sd_event *event;
	struct reread *reread;
	char heard[4096];
	bool caught_up;   /* what the next catch_up answers */
	int overtaken_by; /* an event of this ifindex is read in the next catch_up */
	bool stops;       /* the next catch_up loses the sync */
	int differs;      /* rows of this ifindex do */
	int missing;      /* asked for when all were read */
};

static void hear(struct fixture *fx, const char *sign)
{
	size_t len = strlen(fx->heard);

	(void)snprintf(fx->heard + len, sizeof(fx->heard) - len, "%s", sign);
}

static void on_begin(void *user)
{
	hear(user, "(");
}

static bool on_row(const struct link_msg *row, void *user)
{
	return row->ifindex == ((struct fixture *)user)->differs;
}

static void on_all_read(void *user)
{
	struct fixture *fx = user;

	hear(fx, ")");
	if (fx->missing)
		reread_link(fx->reread, fx->missing);
}

static bool on_catch_up(void *user)
{
	struct fixture *fx = user;
	bool caught_up = fx->caught_up;

	hear(fx, "?");
	if (fx->overtaken_by)
		reread_overtake(fx->reread, fx->overtaken_by);
	if (fx->stops)
		reread_stop(fx->reread);
	fx->overtaken_by = 0;
	fx->caught_up = true;
	return caught_up && !fx->stops;
}

static void on_link(const struct link_msg *msg, void *user)
{
	char sign[16];

	(void)snprintf(sign, sizeof(sign), "%d", msg->type == RTM_DELLINK ? -msg->ifindex : msg->ifindex);
	hear(user, sign);
}

static void on_idle(void *user)
{
	hear(user, ".");
}

static const struct reread_ops ops = {
	.all_begins = on_begin,
	.differs = on_row,
	.all_read = on_all_read,
	.catch_up = on_catch_up,
	.link = on_link,
	.idle = on_idle,
};

/* --- the kernel --- */

struct bytes {
	_Alignas(struct nlmsghdr) unsigned char data[1024];
	size_t len;
};

static void put_link(struct bytes *b, int ifindex, uint32_t seq, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->data + b->len);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_seq = seq;
	nlh->nlmsg_flags = flags;
	info->ifi_index = ifindex;
	b->len += nlh->nlmsg_len;
}

static void put_error(struct bytes *b, int error, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->data + b->len);
	struct nlmsgerr *body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));

	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_seq = seq;
	body->error = error;
	b->len += nlh->nlmsg_len;
}

static void answer(unsigned question)
{
	struct bytes b = {0};

	put_link(&b, fake.asked[question].ifindex, fake.asked[question].seq, 0);
	fake_answer_data(b.data, b.len);
}

static void answer_error(unsigned question, int error)
{
	struct bytes b = {0};

	put_error(&b, error, fake.asked[question].seq);
	fake_answer_data(b.data, b.len);
}

static void answer_all(const int *ifindex, size_t links)
{
	struct bytes b = {0};
	struct nlmsghdr *nlh;

	for (size_t i = 0; i < links; i++)
		put_link(&b, ifindex[i], fake.dump_seq, NLM_F_DUMP_INTR);
	nlh = mnl_nlmsg_put_header(b.data + b.len);
	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_flags = NLM_F_DUMP_INTR;
	nlh->nlmsg_seq = fake.dump_seq;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(int));
	b.len += nlh->nlmsg_len;
	fake_answer_data(b.data, b.len);
}

/* --- running --- */

static void run_until_asked(struct fixture *fx, unsigned questions)
{
	for (uint64_t deadline = patience_ends_usec(); fake.questions < questions;) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(fx->event, USEC_PER_SEC / 10) >= 0);
	}
	assert_int_equal(fake.questions, questions);
}

static void run_until_heard(struct fixture *fx, const char *heard)
{
	for (uint64_t deadline = patience_ends_usec(); strlen(fx->heard) < strlen(heard);) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(fx->event, USEC_PER_SEC / 10) >= 0);
	}
	assert_string_equal(fx->heard, heard);
}

static void run_dry(struct fixture *fx)
{
	while (sd_event_run(fx->event, 0) > 0)
		;
}

/* --- single links --- */

static void a_link_is_read_once_the_events_are(void **state)
{
	struct fixture *fx = *state;

	reread_link(fx->reread, 7);
	reread_link(fx->reread, 7);
	reread_link(fx->reread, 8);
	run_until_asked(fx, 2);
	assert_int_equal(fake.asked[0].ifindex, 7);
	answer(0);
	run_dry(fx);
	assert_string_equal(fx->heard, "");
	answer_error(1, -ENODEV);
	run_until_heard(fx, "?7-8.");
	run_dry(fx);
	assert_int_equal(fake.questions, 2);
	assert_int_equal(reread_stats(fx->reread)->links, 2);
}

/* The event is newer than the answer, or more follow. */
static void an_event_since_the_question_voids_the_answer(void **state)
{
	struct fixture *fx = *state;

	reread_link(fx->reread, 7);
	reread_link(fx->reread, 8);
	reread_overtake(fx->reread, 7); /* before the question: no harm */
	run_until_asked(fx, 2);
	reread_overtake(fx->reread, 7);
	answer(0);
	answer(1);
	run_until_heard(fx, "?8");
	run_until_asked(fx, 3);
	assert_int_equal(fake.asked[2].ifindex, 7);
	answer(2);
	run_until_heard(fx, "?8?7.");
	assert_int_equal(reread_stats(fx->reread)->void_answers, 1);
}

/* The event came before the kernel answered, and waited in the socket. */
static void an_event_that_waited_voids_the_answer(void **state)
{
	struct fixture *fx = *state;

	reread_link(fx->reread, 7);
	run_until_asked(fx, 1);
	fx->overtaken_by = 7;
	answer(0);
	run_until_asked(fx, 2);
	answer(1);
	run_until_heard(fx, "??7.");
}

static void an_answer_waits_until_the_events_are_read(void **state)
{
	struct fixture *fx = *state;

	fx->caught_up = false;
	reread_link(fx->reread, 7);
	run_until_asked(fx, 1);
	answer(0);
	run_until_heard(fx, "??7.");
}

static void a_loss_forgets_what_was_asked(void **state)
{
	struct fixture *fx = *state;

	reread_link(fx->reread, 7);
	run_until_asked(fx, 1);
	fx->stops = true;
	answer(0);
	run_until_heard(fx, "?");
	reread_link(fx->reread, 8);
	reread_all(fx->reread);
	run_dry(fx);
	assert_int_equal(fake.questions, 1);
	assert_int_equal(fake.requests, 0);
	/* In sync again: a late answer to an earlier question does not answer a new one. */
	fx->stops = false;
	reread_start(fx->reread);
	reread_link(fx->reread, 9);
	run_until_asked(fx, 2);
	answer(0);
	answer(1);
	run_until_heard(fx, "??9.");
}

static void a_lost_answer_is_asked_for_again(void **state)
{
	struct fixture *fx = *state;

	reread_link(fx->reread, 7);
	run_until_asked(fx, 1);
	answer_error(0, -ENOBUFS);
	run_until_asked(fx, 2);
	answer(1);
	run_until_heard(fx, "?7.");
}

static void a_refused_question_is_asked_again(void **state)
{
	struct fixture *fx = *state;

	fake.question_error = -ENOBUFS;
	reread_link(fx->reread, 7);
	run_until_asked(fx, 1);
	fake.question_error = 0;
	run_until_asked(fx, 2);
	answer(1);
	run_until_heard(fx, "?7.");
}

/* At most so many are under way; more than can wait become one reading of all. */
static void a_flood_is_one_reading_of_all(void **state)
{
	struct fixture *fx = *state;
	static const int links[] = {2};

	for (int i = 1; i <= REREAD_WAITING + 100; i++)
		reread_link(fx->reread, i);
	run_until_asked(fx, REREAD_AT_ONCE);
	for (unsigned asked = REREAD_AT_ONCE; asked <= REREAD_WAITING; asked += REREAD_AT_ONCE) {
		for (unsigned i = asked - REREAD_AT_ONCE; i < asked; i++)
			answer(i % FAKE_DUMPS);
		if (asked < REREAD_WAITING)
			run_until_asked(fx, asked + REREAD_AT_ONCE);
	}
	for (uint64_t deadline = patience_ends_usec(); fake.requests == 0;) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(fx->event, USEC_PER_SEC / 10) >= 0);
	}
	answer_all(links, ARRAY_SIZE(links));
	for (uint64_t deadline = patience_ends_usec(); !strstr(fx->heard, ").");) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(fx->event, USEC_PER_SEC / 10) >= 0);
	}
	assert_int_equal(fake.requests, 1);
	assert_int_equal(fake.questions, REREAD_WAITING);
}

/* --- all links --- */

/* Changes meanwhile do no harm: what differs, and what is missing, is looked at singly. */
static void a_reading_of_all_finds_what_to_ask(void **state)
{
	struct fixture *fx = *state;
	static const int links[] = {2, 3, 4};

	fx->differs = 3;
	fx->missing = 9;
	reread_all(fx->reread);
	reread_all(fx->reread);
	answer_all(links, ARRAY_SIZE(links));
	run_until_asked(fx, 2);
	assert_int_equal(fake.asked[0].ifindex, 3);
	assert_int_equal(fake.asked[1].ifindex, 9);
	answer(0);
	answer_error(1, -ENODEV);
	run_until_heard(fx, "()?3-9.");
	assert_int_equal(fake.requests, 1);
	assert_int_equal(fake.open_sockets, 1);
}

static void a_reading_of_all_that_fails_ends(void **state)
{
	struct fixture *fx = *state;
	struct bytes b = {0};

	fake.request_error = -EAGAIN;
	reread_all(fx->reread);
	assert_string_equal(fx->heard, "(.");
	fake.request_error = 0;
	reread_all(fx->reread);
	put_error(&b, -EIO, fake.dump_seq);
	fake_answer_data(b.data, b.len);
	run_until_heard(fx, "(.(.");
	assert_int_equal(reread_stats(fx->reread)->failures, 2);
}

static void a_loss_ends_a_reading_of_all(void **state)
{
	struct fixture *fx = *state;
	static const int links[] = {2, 3};

	fx->differs = 3;
	reread_all(fx->reread);
	reread_stop(fx->reread);
	reread_start(fx->reread);
	/* Its answers do not count for the next one. */
	answer_all(links, ARRAY_SIZE(links));
	reread_all(fx->reread);
	run_dry(fx);
	assert_string_equal(fx->heard, "((");
	answer_all(links, 1);
	run_until_heard(fx, "(().");
	assert_int_equal(fake.questions, 0);
}

/* --- fixture --- */

static int setup(void **state)
{
	static const struct nlsock_options opt;
	struct fixture *fx = calloc(1, sizeof(*fx));

	fake_reset();
	log_set_level(LOG_EMERG);
	if (!fx || sd_event_new(&fx->event) < 0 || reread_new(&fx->reread, fx->event, &opt, &ops, fx) < 0)
		return -1;
	fx->caught_up = true;
	reread_start(fx->reread);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	reread_free(fx->reread);
	sd_event_unref(fx->event);
	free(fx);
	return fake.open_sockets == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_link_is_read_once_the_events_are),    TEST(an_event_since_the_question_voids_the_answer),
		TEST(an_event_that_waited_voids_the_answer), TEST(an_answer_waits_until_the_events_are_read),
		TEST(a_loss_forgets_what_was_asked),         TEST(a_lost_answer_is_asked_for_again),
		TEST(a_refused_question_is_asked_again),     TEST(a_flood_is_one_reading_of_all),
		TEST(a_reading_of_all_finds_what_to_ask),    TEST(a_reading_of_all_that_fails_ends),
		TEST(a_loss_ends_a_reading_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
