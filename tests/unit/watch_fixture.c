/* SPDX-License-Identifier: Apache-2.0 */
#include "watch_fixture.h"

void hear(struct fixture *fx, const char *sign, int ifindex)
{
	size_t room = sizeof(fx->heard) - fx->heard_len;
	int n = ifindex ? snprintf(fx->heard + fx->heard_len, room, "%s%d", sign, ifindex)
			: snprintf(fx->heard + fx->heard_len, room, "%s", sign);

	fx->heard_len = MIN(fx->heard_len + (size_t)n, sizeof(fx->heard) - 1);
	if (fx->act && fx->act_on == sign[0]) {
		void (*act)(struct fixture *) = fx->act;

		fx->act = NULL;
		act(fx);
	}
}

void on_event(const struct link_msg *msg, uint64_t received_nsec, void *user)
{
	(void)received_nsec;
	hear(user, msg->type == RTM_NEWLINK ? "e" : "x", msg->ifindex);
}

void on_begin(void *user)
{
	hear(user, "(", 0);
}

void on_row(const struct link_msg *msg, void *user)
{
	hear(user, "r", msg->ifindex);
}

int on_commit(bool complete, void *user)
{
	struct fixture *fx = user;

	hear(fx, complete ? ")" : "]", 0);
	return fx->commit_error;
}

void on_abort(void *user)
{
	hear(user, "!", 0);
}

void on_state(enum watch_state state, void *user)
{
	static const char *const signs[] = {"U", "D", "T", "S"};
	struct fixture *fx = user;

	fx->synced += state == WATCH_SYNCED;
	hear(fx, signs[state], 0);
}

struct nlmsghdr *put(struct bytes *b, uint16_t type, uint16_t flags, uint32_t seq, size_t payload)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->data + b->len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = seq;
	if (payload)
		(void)mnl_nlmsg_put_extra_header(nlh, payload);
	b->len += nlh->nlmsg_len;
	return nlh;
}

struct nlmsghdr *put_link(struct bytes *b, uint16_t type, int ifindex)
{
	struct nlmsghdr *nlh = put(b, type, 0, FAKE_SEQ, sizeof(struct ifinfomsg));

	((struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index = ifindex;
	return nlh;
}

struct nlmsghdr *put_error(struct bytes *b, uint16_t type, int error)
{
	struct nlmsghdr *nlh = put(b, type, 0, FAKE_SEQ, sizeof(struct nlmsgerr));

	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error = error;
	return nlh;
}

void link_event(int ifindex)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, ifindex);
	fake_event_data(b.data, b.len);
}

void dump_row(unsigned n, int ifindex)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, ifindex);
	fake_dump_data(n, b.data, b.len);
}

void dump_done(unsigned n)
{
	struct bytes b = {0};

	(void)put(&b, NLMSG_DONE, 0, FAKE_SEQ, sizeof(int));
	fake_dump_data(n, b.data, b.len);
}

void good_dump(unsigned n)
{
	dump_row(n, 2);
	dump_row(n, 3);
	dump_done(n);
}

void bad_row_interrupted(void)
{
	struct bytes b = {0};

	put_link(&b, RTM_NEWLINK, 2)->nlmsg_flags |= NLM_F_DUMP_INTR;
	(void)put_link(&b, RTM_NEWLINK, 3);
	fake_dump_data(0, b.data, b.len);
	dump_done(0);
}

bool is_synced(const struct fixture *fx)
{
	return watch_state(fx->watch) == WATCH_SYNCED;
}

bool is_dumping(const struct fixture *fx)
{
	return watch_state(fx->watch) == WATCH_DUMPING;
}

bool is_settling(const struct fixture *fx)
{
	return watch_state(fx->watch) == WATCH_SETTLING;
}

bool all_events_read(const struct fixture *fx)
{
	(void)fx;
	return fake_events_left() == 0;
}

int turn(struct fixture *fx, uint64_t usec)
{
	uint64_t now = now_usec(), due = fx->watch ? watch_due(fx->watch) : UINT64_MAX, before = fx->heard_len;
	int r = sd_event_run(fx->event, due > now ? MIN(due - now, usec) : 0);

	if (fx->watch) /* a callback may have freed it */
		watch_turn(fx->watch);
	return fx->heard_len != before ? 1 : r;
}

void run_until(struct fixture *fx, bool (*condition)(const struct fixture *fx))
{
	uint64_t deadline = patience_ends_usec();

	while (!condition(fx)) {
		assert_true(now_usec() < deadline);
		assert_true(turn(fx, USEC_PER_SEC / 10) >= 0);
	}
}

void run_dry(struct fixture *fx)
{
	unsigned turns = 0;

	while (turn(fx, 0) > 0)
		assert_true(turns++ < 10000);
}

void start(struct fixture *fx)
{
	assert_int_equal(watch_new(&fx->watch, fx->event, &fx->opt, &ops, fx), 0);
}

void start_synced(struct fixture *fx)
{
	good_dump(0);
	start(fx);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)TS");
	fx->heard_len = 0;
}

size_t logged(struct fixture *fx, const char *text)
{
	size_t n = 0;
	char line[1200];

	rewind(fx->log);
	while (fgets(line, sizeof(line), fx->log))
		n += strstr(line, text) != NULL;
	return n;
}

int watch_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	if (!fx || sd_event_new(&fx->event) < 0)
		return -1;
	fx->opt = (struct watch_options){
		.settle_usec = 10 * USEC_PER_SEC,
		.dump_timeout_usec = 10 * USEC_PER_SEC,
		.retry_initial_ms = 1,
		.retry_max_ms = 4,
		.retry_bound = 100,
	};
	fake_reset();
	log_set_level(LOG_INFO);
	loglimit_set(0, -1);
	loglimit_set(LOG_WINDOW_SECS, -1);
	fx->log = tmpfile();
	fx->old_stderr = dup(STDERR_FILENO);
	if (!fx->log || fx->old_stderr < 0 || dup2(fileno(fx->log), STDERR_FILENO) < 0)
		return -1;
	*state = fx;
	return 0;
}

int watch_teardown(void **state)
{
	struct fixture *fx = *state;

	watch_free(fx->watch);
	sd_event_unref(fx->event);
	(void)dup2(fx->old_stderr, STDERR_FILENO);
	(void)close(fx->old_stderr);
	(void)fclose(fx->log);
	free(fx);
	return fake.open_sockets == 0 ? 0 : -1;
}
