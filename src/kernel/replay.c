/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/replay.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/util.h"
#include "kernel/linkmsg.h"

#define SOCKETS 3
#define QUESTIONS 64
#define ROWS_BYTES (16U * 1024) /* a datagram of a dump that is made here ends after so many */

/* What the messages so far say of a link. */
struct known {
	struct hash_node node;
	int ifindex;
	const struct nlmsghdr *message; /* NULL: it is gone */
	uint32_t event, named;          /* the dump since which an event, or anything, named it */
};

struct replay_question {
	int ifindex; /* 0: all */
	uint32_t seq;
};

enum dump_answer {
	ANSWER_NONE,     /* no dump was asked for */
	ANSWER_AWAITED,  /* one was; the recorded one has not begun */
	ANSWER_RECORDED, /* the recorded one goes on */
	ANSWER_MADE,     /* it is made of what is known */
	ANSWER_OVER,
};

struct replay {
	const struct recording *recording;
	bool realtime;
	size_t at;           /* the item that comes next */
	size_t dumps_end;    /* just past the last item that begins a dump */
	uint64_t begin_nsec; /* when the first item was due, CLOCK_MONOTONIC; 0: it was not yet */

	struct hash by_ifindex;
	struct known *known;
	size_t n_known, max_known;

	bool base;     /* the first dump is that of the first checkpoint, and nothing is played before it */
	bool complete; /* the watch takes its links for all there are */
	bool loss;     /* is delivered next, so that the watch asks */
	enum dump_answer answer;
	bool overtaken;     /* events were delivered since the dump was asked for, before it began in the recording */
	bool ended;         /* no recorded dump goes on */
	bool interrupted;   /* a message of it said so */
	uint32_t dump, seq; /* counts the dumps; the number that the watch gave this one */
	size_t row;         /* of a dump that is made: the next of known[] */
	struct replay_question questions[QUESTIONS];
	size_t n_questions, asked_row;

	struct replay_socket *sockets[SOCKETS];
};

struct replay_socket {
	struct replay *replay;
	enum remark_socket kind;
	int fd; /* a timer: readable while there is something to receive */
	unsigned max;
	struct nlsock_datagram *datagrams;
	struct text made;
};

static struct replay *installed;

/* --- what is known of links --- */

static struct known *find(const struct replay *r, int ifindex)
{
	struct hash_node *node = hash_first(&r->by_ifindex, hash_int((uint32_t)ifindex));

	for (; node; node = hash_next(node)) {
		struct known *known = container_of(node, struct known, node);

		if (known->ifindex == ifindex)
			return known;
	}
	return NULL;
}

/* It has the capacity for each message of the recording. */
static struct known *find_or_add(struct replay *r, int ifindex)
{
	struct known *known = find(r, ifindex);

	if (known || r->n_known == r->max_known)
		return known;
	known = &r->known[r->n_known++];
	known->ifindex = ifindex;
	hash_add(&r->by_ifindex, &known->node, hash_int((uint32_t)ifindex));
	return known;
}

static void forget_all(struct replay *r)
{
	for (size_t i = 0; i < r->n_known; i++)
		r->known[i].message = NULL;
}

/* -ENODEV of a question names the link in the copy of that question. */
static int missing_link(const struct nlmsghdr *nlh)
{
	struct {
		struct nlmsgerr error;
		struct ifinfomsg info;
	} answer;

	if (nlh->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(nlh) < sizeof(answer))
		return 0;
	memcpy(&answer, mnl_nlmsg_get_payload(nlh), sizeof(answer));
	return answer.error.error == -ENODEV && answer.error.msg.nlmsg_type == RTM_GETLINK ? answer.info.ifi_index : 0;
}

/* If the beginning of a dump is not recorded, nobody knows which links it named. */
static void end_dump(struct replay *r)
{
	for (size_t i = 0; i < r->n_known && !r->interrupted && !r->ended; i++)
		if (r->known[i].named != r->dump)
			r->known[i].message = NULL;
	r->ended = true;
}

struct lesson {
	struct replay *replay;
	enum remark_socket from;
};

static void learn_link(const struct lesson *lesson, const struct nlmsghdr *nlh)
{
	struct replay *r = lesson->replay;
	struct link_msg msg;
	struct known *known;

	if (linkmsg_parse(nlh, &msg) < 0 || msg.family != AF_UNSPEC)
		return;
	known = find_or_add(r, msg.ifindex);
	/* As the model does: the event is newer than the row, or more events follow. */
	if (!known || (lesson->from == REMARK_DUMP && known->event == r->dump))
		return;
	known->message = msg.type == RTM_NEWLINK ? nlh : NULL;
	if (lesson->from == REMARK_EVENTS)
		known->event = r->dump;
	if (lesson->from != REMARK_ASKED)
		known->named = r->dump;
}

static int learn_message(const struct nlmsghdr *nlh, void *user)
{
	const struct lesson *lesson = user;
	struct replay *r = lesson->replay;
	struct known *gone = lesson->from == REMARK_ASKED ? find(r, missing_link(nlh)) : NULL;

	if (gone)
		gone->message = NULL;
	if (lesson->from == REMARK_DUMP)
		r->interrupted = r->interrupted || (nlh->nlmsg_flags & NLM_F_DUMP_INTR);
	learn_link(lesson, nlh);
	if (lesson->from == REMARK_DUMP && nlh->nlmsg_type == NLMSG_DONE)
		end_dump(r);
	return 0;
}

static void learn(struct replay *r, enum remark_socket from, const void *data, size_t len)
{
	struct lesson lesson = {.replay = r, .from = from};

	(void)linkmsg_walk(data, len, learn_message, &lesson);
}

static void learn_checkpoint(struct replay *r, const struct recording_checkpoint *checkpoint)
{
	const struct recording_port *ports = r->recording->ports + checkpoint->first_port;

	forget_all(r);
	for (size_t i = 0; i < checkpoint->n_ports; i++)
		learn(r, REMARK_ASKED, ports[i].data, ports[i].len);
}

/* --- what comes next --- */

static const struct recording_item *next_item(const struct replay *r)
{
	return r->at < r->recording->n_items ? &r->recording->items[r->at] : NULL;
}

static bool is_datagram(const struct recording_item *item, enum remark_socket of)
{
	return item && item->kind == RECORDING_DATAGRAM && item->remark == of;
}

/* CLOCK_MONOTONIC; 1: at once. */
static uint64_t due_at(struct replay *r, const struct recording_item *item)
{
	uint64_t first = r->recording->items[0].nsec;

	if (!r->realtime)
		return 1;
	if (r->begin_nsec == 0)
		r->begin_nsec = now_nsec();
	return r->begin_nsec + (item->nsec > first ? item->nsec - first : 0);
}

/* The recording's daemon asked for all links here. True: ours has, too, and the answer follows. */
static bool begins_dump(struct replay *r)
{
	switch (r->answer) {
	case ANSWER_AWAITED:
		r->loss = r->overtaken;
		if (r->loss)
			return false;
		r->answer = ANSWER_RECORDED;
		r->ended = r->interrupted = false;
		r->dump++;
		return true;
	case ANSWER_NONE:
		r->loss = r->complete;
		return false;
	default: /* the watch will give up that one */
		return false;
	}
}

/* Skips what no socket gets. */
static void skip(struct replay *r)
{
	const struct recording_item *item;

	while (!r->loss && !r->base && (item = next_item(r)) != NULL) {
		if (item->kind == RECORDING_LOSS || is_datagram(item, REMARK_EVENTS))
			return;
		if (item->kind == RECORDING_DUMP && !begins_dump(r))
			return;
		if (is_datagram(item, REMARK_DUMP) && r->answer == ANSWER_RECORDED)
			return;
		if (item->kind == RECORDING_DATAGRAM)
			learn(r, (enum remark_socket)item->remark, item->data, item->len);
		r->at++;
	}
}

static void make_answer(struct replay *r)
{
	bool none_follows = r->at >= r->dumps_end;
	bool cut_off = r->answer == ANSWER_RECORDED && !r->ended && !next_item(r);

	if (!cut_off && (r->answer != ANSWER_AWAITED || (!r->base && !none_follows)))
		return;
	r->answer = ANSWER_MADE;
	r->row = 0;
}

/* When the socket has something to receive: CLOCK_MONOTONIC, 1: now, 0: nothing for the time being. */
static uint64_t ready_at(struct replay *r, enum remark_socket kind)
{
	const struct recording_item *item = next_item(r);

	switch (kind) {
	case REMARK_EVENTS:
		if (r->loss)
			return 1;
		if (r->base || !item || (item->kind != RECORDING_LOSS && !is_datagram(item, REMARK_EVENTS)))
			return 0;
		return due_at(r, item);
	case REMARK_DUMP:
		if (r->answer == ANSWER_MADE)
			return 1;
		return r->answer == ANSWER_RECORDED && is_datagram(item, REMARK_DUMP) ? due_at(r, item) : 0;
	case REMARK_ASKED:
		break;
	}
	return r->n_questions > 0;
}

static bool is_ready(struct replay *r, enum remark_socket kind)
{
	uint64_t at = ready_at(r, kind);

	return at != 0 && (at == 1 || at <= now_nsec());
}

static void set_timer(const struct replay_socket *s, uint64_t nsec)
{
	const struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(nsec / NSEC_PER_SEC), .tv_nsec = (long)(nsec % NSEC_PER_SEC)}};

	(void)timerfd_settime(s->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Call it after any change. */
static void refresh(struct replay *r)
{
	make_answer(r);
	skip(r);
	make_answer(r);
	for (size_t i = 0; i < SOCKETS; i++)
		if (r->sockets[i])
			set_timer(r->sockets[i], ready_at(r, (enum remark_socket)i));
}

/* --- events --- */

static enum nlsock_outcome lose(struct replay *r, struct nlsock_batch *batch)
{
	enum remark_loss loss = r->loss ? REMARK_OVERRUN : (enum remark_loss)next_item(r)->remark;

	if (!r->loss)
		r->at++;
	r->loss = r->complete = false;
	if (r->answer == ANSWER_AWAITED)
		r->answer = ANSWER_OVER;
	batch->error = -EIO;
	return loss == REMARK_OVERRUN ? NLSOCK_OVERRUN : loss == REMARK_TRUNCATED ? NLSOCK_TRUNCATED : NLSOCK_ERROR;
}

/*
 * Each datagram has a turn of the loop of its own, so that each change is written. But a watch that is out of sync
 * takes an empty socket for the moment to ask.
 */
static void receive_events(struct replay_socket *s, struct nlsock_batch *batch)
{
	struct replay *r = s->replay;
	unsigned max = r->complete ? 1 : s->max;

	while (batch->n < max && !r->loss && is_datagram(next_item(r), REMARK_EVENTS) && is_ready(r, REMARK_EVENTS)) {
		const struct recording_item *item = next_item(r);

		learn(r, REMARK_EVENTS, item->data, item->len);
		s->datagrams[batch->n++] = (struct nlsock_datagram){.data = item->data, .len = item->len};
		r->overtaken = true;
		r->at++;
	}
	if (!is_ready(r, REMARK_EVENTS))
		return;
	if (batch->n == 0)
		batch->outcome = lose(r, batch);
	else if (!r->complete)
		batch->outcome = NLSOCK_DATA;
}

/* --- answers --- */

static void put_padded(struct text *out, const struct nlmsghdr *nlh)
{
	static const char zeros[NLMSG_ALIGNTO] = {0};

	text_add(out, (const char *)nlh, nlh->nlmsg_len);
	text_add(out, zeros, NLMSG_ALIGN(nlh->nlmsg_len) - nlh->nlmsg_len);
}

static void put_row(struct text *out, const struct nlmsghdr *message, uint16_t flags, uint32_t seq)
{
	const struct nlmsghdr header = {
		.nlmsg_len = message->nlmsg_len, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = flags, .nlmsg_seq = seq};
	size_t begin = out->len;

	put_padded(out, message);
	if (!out->failed)
		memcpy(out->data + begin, &header, sizeof(header));
}

static void put_number(struct text *out, uint16_t type, uint32_t seq, int number)
{
	struct {
		struct nlmsghdr nlh;
		int number;
		struct nlmsghdr question; /* of an error; it stays empty */
	} message = {.nlh = {.nlmsg_type = type, .nlmsg_seq = seq}, .number = number};

	message.nlh.nlmsg_len = type == NLMSG_ERROR ? sizeof(message) : NLMSG_LENGTH(sizeof(number));
	put_padded(out, &message.nlh);
}

/* One datagram of a dump of all that is known. True: it was the last. */
static bool put_rows(const struct replay *r, struct text *out, size_t *row, uint32_t seq)
{
	for (; *row < r->n_known && out->len < ROWS_BYTES; ++*row)
		if (r->known[*row].message)
			put_row(out, r->known[*row].message, NLM_F_MULTI, seq);
	if (*row < r->n_known)
		return false;
	put_number(out, NLMSG_DONE, seq, 0);
	return true;
}

static void give_made(struct replay_socket *s, struct nlsock_batch *batch)
{
	if (s->made.failed) {
		batch->outcome = NLSOCK_ERROR;
		batch->error = -ENOMEM;
		return;
	}
	s->datagrams[batch->n++] = (struct nlsock_datagram){.data = s->made.data, .len = s->made.len};
	batch->outcome = NLSOCK_DATA;
}

static int set_seq(const struct nlmsghdr *nlh, void *user)
{
	((struct nlmsghdr *)(uintptr_t)nlh)->nlmsg_seq = *(const uint32_t *)user;
	return 0;
}

static void receive_recorded(struct replay_socket *s, struct nlsock_batch *batch)
{
	struct replay *r = s->replay;
	const struct recording_item *item = next_item(r);

	(void)linkmsg_walk(item->data, item->len, set_seq, &r->seq);
	learn(r, REMARK_DUMP, item->data, item->len);
	s->datagrams[batch->n++] = (struct nlsock_datagram){.data = item->data, .len = item->len};
	batch->outcome = NLSOCK_DATA;
	r->at++;
}

static void receive_dump(struct replay_socket *s, struct nlsock_batch *batch)
{
	struct replay *r = s->replay;

	if (!is_ready(r, REMARK_DUMP))
		return;
	if (r->answer == ANSWER_RECORDED) {
		receive_recorded(s, batch);
		return;
	}
	if (put_rows(r, &s->made, &r->row, r->seq))
		r->answer = ANSWER_OVER;
	give_made(s, batch);
}

static void answer_question(struct replay *r, struct text *out)
{
	const struct replay_question *question = &r->questions[0];
	const struct known *known = find(r, question->ifindex);
	bool over = true;

	if (question->ifindex == 0)
		over = put_rows(r, out, &r->asked_row, question->seq);
	else if (known && known->message)
		put_row(out, known->message, 0, question->seq);
	else
		put_number(out, NLMSG_ERROR, question->seq, -ENODEV);
	if (!over)
		return;
	r->asked_row = 0;
	r->n_questions--;
	memmove(r->questions, r->questions + 1, r->n_questions * sizeof(r->questions[0]));
}

static void receive_asked(struct replay_socket *s, struct nlsock_batch *batch)
{
	if (s->replay->n_questions == 0)
		return;
	answer_question(s->replay, &s->made);
	give_made(s, batch);
}

/* --- sockets --- */

void replay_receive(struct replay_socket *s, struct nlsock_batch *batch)
{
	*batch = (struct nlsock_batch){.outcome = NLSOCK_AGAIN, .datagram = s->datagrams};
	s->made.len = 0;
	switch (s->kind) {
	case REMARK_EVENTS:
		receive_events(s, batch);
		break;
	case REMARK_DUMP:
		receive_dump(s, batch);
		break;
	case REMARK_ASKED:
		receive_asked(s, batch);
		break;
	}
	refresh(s->replay);
}

static int ask(struct replay *r, int ifindex, uint32_t seq)
{
	if (r->n_questions == QUESTIONS)
		return -EAGAIN;
	r->questions[r->n_questions++] = (struct replay_question){.ifindex = ifindex, .seq = seq};
	return 0;
}

int replay_request(struct replay_socket *s, int ifindex, uint32_t seq)
{
	struct replay *r = s->replay;
	int result = 0;

	if (s->kind == REMARK_ASKED) {
		result = ask(r, ifindex, seq);
	} else {
		r->answer = ANSWER_AWAITED;
		r->overtaken = false;
		r->seq = seq;
	}
	refresh(r);
	return result;
}

int replay_open(struct replay_socket **ret, struct replay *r, enum remark_socket kind, unsigned datagrams)
{
	struct replay_socket *s = calloc(1, sizeof(*s));
	int error = ENOMEM;

	if (!s)
		return -error;
	*s = (struct replay_socket){.replay = r, .kind = kind, .max = datagrams, .fd = -1};
	s->datagrams = calloc(datagrams, sizeof(*s->datagrams));
	if (s->datagrams) {
		s->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		error = errno;
	}
	if (s->fd < 0) {
		replay_close(s);
		return -error;
	}
	r->sockets[kind] = s;
	refresh(r);
	*ret = s;
	return 0;
}

void replay_close(struct replay_socket *s)
{
	struct replay *r = s->replay;

	if (r->sockets[s->kind] == s) {
		r->sockets[s->kind] = NULL;
		if (s->kind == REMARK_DUMP)
			r->answer = ANSWER_NONE;
		refresh(r);
	}
	close_fd(&s->fd);
	free(s->datagrams);
	free(s->made.data);
	free(s);
}

int replay_fd(const struct replay_socket *s)
{
	return s->fd;
}

/* --- the whole --- */

struct replay *replay_installed(void)
{
	return installed;
}

void replay_install(struct replay *r)
{
	installed = r;
}

void replay_note_state(struct replay *r, enum watch_state state)
{
	r->complete = state == WATCH_SETTLING || state == WATCH_SYNCED;
	r->base = r->base && state != WATCH_SYNCED;
	refresh(r);
}

bool replay_is_over(const struct replay *r)
{
	return !next_item(r) && !r->loss && !r->base && r->answer == ANSWER_NONE;
}

void replay_settle(struct replay *r)
{
	const struct recording_checkpoint *last = recording_last(r->recording);

	if (last)
		learn_checkpoint(r, last);
}

static int count_message(const struct nlmsghdr *nlh, void *user)
{
	struct link_msg msg;

	if (linkmsg_parse(nlh, &msg) == 0)
		++*(size_t *)user;
	return 0;
}

/* Counts the messages that a link may be learned from; a port's must be good. */
static int count_messages(const struct recording *recording, size_t *n)
{
	for (size_t i = 0; i < recording->n_items; i++)
		(void)linkmsg_walk(recording->items[i].data, recording->items[i].len, count_message, n);
	for (size_t i = 0; i < recording->n_ports; i++) {
		size_t before = *n;

		if (!recording->ports[i].data)
			continue;
		if (linkmsg_walk(recording->ports[i].data, recording->ports[i].len, count_message, n) < 0 ||
		    *n != before + 1)
			return -EBADMSG;
	}
	return 0;
}

static void find_dumps(struct replay *r)
{
	for (size_t i = 0; i < r->recording->n_items; i++)
		if (r->recording->items[i].kind == RECORDING_DUMP)
			r->dumps_end = i + 1;
}

static bool any_link(const struct recording *recording, const struct recording_checkpoint *checkpoint)
{
	for (size_t i = 0; i < checkpoint->n_ports; i++)
		if (recording->ports[checkpoint->first_port + i].data)
			return true;
	return false;
}

static void free_replay(struct replay **r)
{
	replay_free(*r);
}

int replay_new(struct replay **ret, const struct recording *recording, bool realtime)
{
	struct replay *r cleanup(free_replay) = calloc(1, sizeof(*r));
	const struct recording_checkpoint *first = recording_first(recording);

	if (!r)
		return -ENOMEM;
	r->recording = recording;
	r->realtime = realtime;
	if (count_messages(recording, &r->max_known) < 0)
		return -EBADMSG;
	r->known = calloc(r->max_known + 1, sizeof(*r->known));
	if (!r->known || hash_init(&r->by_ifindex, 0) < 0)
		return -ENOMEM;
	find_dumps(r);
	r->dump = 1;
	r->ended = true;
	if (first)
		learn_checkpoint(r, first);
	r->base = first && any_link(recording, first);
	*ret = r;
	r = NULL;
	return 0;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	if (installed == r)
		installed = NULL;
	hash_done(&r->by_ifindex);
	free(r->known);
	free(r);
}
