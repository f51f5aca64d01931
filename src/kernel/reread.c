/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/reread.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/timer.h"
#include "base/util.h"
#include "kernel/reply.h"
#include "log/log.h"
#include "recorder/recorder.h"

/*
 * A silent change follows its message while the kernel still holds its lock; a question asked a little later rarely has
 * to wait for that lock.
 */
#define DELAY_USEC (20 * USEC_PER_MSEC)
#define NEXT_USEC (1 * USEC_PER_MSEC)  /* between two rounds of questions */
#define ANSWER_USEC USEC_PER_SEC       /* an answer that did not come by then was lost */
#define FLOOD_USEC USEC_PER_SEC        /* so long a reading of all, instead of many questions, gathers more of them */
#define STALL_USEC (30 * USEC_PER_SEC) /* a reading of all that did not end by then never will */
#define TIMER_ACCURACY_USEC 1000

struct reread_question {
	int ifindex;
	uint32_t seq;
	bool answered, overtaken;
	struct link_msg answer;
};

struct reread {
	sd_event *event;
	const struct reread_ops *ops;
	void *user;
	struct reread_stats stats;
	bool running;

	struct nlsock *socket;
	sd_event_source *source, *timer, *flood;
	bool reading; /* all, since began_usec */
	bool found;   /* a row of this datagram differs */
	uint64_t began_usec;
	struct reply reply;
	uint32_t seq;

	struct reread_question questions[REREAD_AT_ONCE]; /* under way */
	size_t n_questions;
	int waiting[REREAD_WAITING];
	size_t n_waiting;
	bool busy; /* not idle since ops->idle() */
};

static void start_unless_running(sd_event_source *timer, uint64_t delay)
{
	if (!timer_is_running(timer))
		timer_start(timer, delay);
}

static void note_idle(struct reread *r)
{
	if (!r->busy || r->n_questions > 0 || r->n_waiting > 0 || r->reading || timer_is_running(r->flood))
		return;
	r->busy = false;
	r->ops->idle(r->user);
}

/* --- single links --- */

static bool is_waiting(const struct reread *r, int ifindex)
{
	for (size_t i = 0; i < r->n_waiting; i++)
		if (r->waiting[i] == ifindex)
			return true;
	return false;
}

void reread_link(struct reread *r, int ifindex)
{
	if (!r->running || is_waiting(r, ifindex))
		return;
	r->busy = true;
	if (r->n_waiting == REREAD_WAITING) {
		start_unless_running(r->flood, FLOOD_USEC);
		return;
	}
	r->waiting[r->n_waiting++] = ifindex;
	start_unless_running(r->timer, DELAY_USEC);
}

void reread_overtake(struct reread *r, int ifindex)
{
	for (size_t i = 0; i < r->n_questions; i++)
		if (r->questions[i].ifindex == ifindex)
			r->questions[i].overtaken = true;
}

/* Moves the questions under way to out. */
static size_t take_questions(struct reread *r, struct reread_question *out)
{
	size_t n = r->n_questions;

	memcpy(out, r->questions, n * sizeof(*out));
	r->n_questions = 0;
	return n;
}

static void ask_again(struct reread *r)
{
	struct reread_question lost[REREAD_AT_ONCE];
	size_t n = take_questions(r, lost);

	for (size_t i = 0; i < n; i++)
		reread_link(r, lost[i].ifindex);
}

static void ask(struct reread *r)
{
	size_t n = 0;

	if (r->n_waiting == 0)
		return;
	while (n < r->n_waiting && r->n_questions < REREAD_AT_ONCE) {
		struct reread_question *question = &r->questions[r->n_questions];

		*question = (struct reread_question){.ifindex = r->waiting[n], .seq = ++r->seq};
		if (nlsock_request_link(r->socket, question->ifindex, question->seq) < 0) {
			r->stats.failures++;
			break;
		}
		r->stats.links++;
		r->n_questions++;
		n++;
	}
	r->n_waiting -= n;
	memmove(r->waiting, r->waiting + n, r->n_waiting * sizeof(r->waiting[0]));
	timer_start(r->timer, ANSWER_USEC);
}

static bool all_answered(const struct reread *r)
{
	for (size_t i = 0; i < r->n_questions; i++)
		if (!r->questions[i].answered)
			return false;
	return r->n_questions > 0;
}

static void apply(struct reread *r)
{
	struct reread_question answered[REREAD_AT_ONCE];
	size_t n = take_questions(r, answered);

	for (size_t i = 0; i < n && r->running; i++) {
		if (!answered[i].overtaken) {
			r->ops->link(&answered[i].answer, r->user);
			continue;
		}
		r->stats.void_answers++;
		reread_link(r, answered[i].ifindex);
	}
}

/* Answers count once all that the kernel sent before them was read. */
static void settle(struct reread *r)
{
	if (!all_answered(r))
		return;
	if (!r->ops->catch_up(r->user)) {
		if (r->running)
			timer_start(r->timer, NEXT_USEC);
		return;
	}
	apply(r);
	if (!r->running)
		return;
	if (r->n_waiting > 0)
		timer_start(r->timer, NEXT_USEC);
	else
		timer_stop(r->timer);
	note_idle(r);
}

static int read_answer(const struct nlmsghdr *nlh, struct reread_question *question)
{
	int r;

	if (nlh->nlmsg_type != NLMSG_ERROR)
		return linkmsg_parse(nlh, &question->answer);
	r = reply_error(nlh);
	if (r != -ENODEV)
		return r < 0 ? r : -EBADMSG;
	question->answer = (struct link_msg){.type = RTM_DELLINK, .ifindex = question->ifindex};
	return 0;
}

static int on_answer(const struct nlmsghdr *nlh, void *user)
{
	struct reread *r = user;

	for (size_t i = 0; i < r->n_questions; i++) {
		struct reread_question *question = &r->questions[i];

		if (question->seq != nlh->nlmsg_seq || question->answered)
			continue;
		/* Otherwise it is asked again, like one whose answer is late. */
		question->answered = read_answer(nlh, question) == 0 && question->answer.ifindex == question->ifindex;
		r->stats.failures += !question->answered;
	}
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct reread *r = user;

	(void)source;
	(void)usec;
	if (!r->running)
		return 0;
	if (all_answered(r)) {
		settle(r);
		return 0;
	}
	if (r->n_questions > 0) {
		r->stats.failures++;
		ask_again(r);
	}
	ask(r);
	return 0;
}

/* --- all links --- */

static void on_row(const struct link_msg *row, void *user)
{
	struct reread *r = user;

	if (!r->ops->differs(row, r->user))
		return;
	r->found = true;
	reread_link(r, row->ifindex);
}

static bool rows_wanted(const void *user)
{
	return ((const struct reread *)user)->running;
}

static void end_all(struct reread *r, int result)
{
	r->reading = false;
	if (result > 0)
		r->ops->all_read(r->user);
	else
		r->stats.failures++;
	if (result < 0)
		log_info(KIND_REREAD_FAILED,
			 "reading the links again failed, it is tried again at the next reconciliation: %s",
			 strerror(-result));
	note_idle(r);
}

static void read_all(struct reread *r, const struct nlsock_batch *batch)
{
	static const struct reply_ops ops = {.row = on_row, .wanted = rows_wanted};
	int result = reply_read(&r->reply, batch, &ops, r);

	if (result != 0)
		end_all(r, result);
}

void reread_all(struct reread *r)
{
	uint64_t now = now_usec();
	int result;

	if (!r->running || (r->reading && now - r->began_usec < STALL_USEC))
		return;
	r->busy = r->reading = true;
	r->began_usec = now;
	r->stats.all++;
	r->ops->all_begins(r->user);
	timer_stop(r->flood);
	/* Each find is read again anyway: changes meanwhile do no harm. */
	r->reply = (struct reply){.seq = ++r->seq, .takes_interrupted = true};
	result = nlsock_request_dump(r->socket, r->reply.seq);
	if (result < 0)
		end_all(r, result);
}

/* A routine reading of all that finds nothing must not fill the recorder. */
static void record(const struct reread *r, const struct nlsock_batch *batch, bool routine)
{
	for (size_t i = 0; i < batch->n && (r->found || !routine); i++)
		recorder_datagram(RECORDER_ANSWER, batch->datagram[i].data, batch->datagram[i].len);
}

/* Answers to all questions, also of a reading that was given up: nobody waits for those. */
static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	struct reread *r = user;
	struct nlsock_batch batch;
	bool routine = r->reading;

	(void)source;
	(void)fd;
	(void)revents;
	r->found = false;
	nlsock_receive(r->socket, &batch);
	for (size_t i = 0; i < batch.n; i++)
		if (linkmsg_walk(batch.datagram[i].data, batch.datagram[i].len, on_answer, r) < 0)
			r->stats.failures++;
	if (r->reading)
		read_all(r, &batch);
	record(r, &batch, routine);
	settle(r);
	return 0;
}

static int on_flood(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	reread_all(user);
	return 0;
}

/* --- beginning and end --- */

void reread_start(struct reread *r)
{
	r->running = true;
}

void reread_stop(struct reread *r)
{
	r->running = r->busy = false;
	r->reading = false;
	r->n_waiting = r->n_questions = 0;
	timer_stop(r->timer);
	timer_stop(r->flood);
}

static int add_sources(struct reread *r)
{
	int result = sd_event_add_io(r->event, &r->source, nlsock_fd(r->socket), EPOLLIN, on_socket, r);

	if (result >= 0)
		result = sd_event_source_set_priority(r->source, SD_EVENT_PRIORITY_IDLE);
	if (result >= 0)
		result = timer_add(&r->timer, r->event, TIMER_ACCURACY_USEC, on_timer, r);
	return result < 0 ? result : timer_add(&r->flood, r->event, TIMER_ACCURACY_USEC, on_flood, r);
}

static void free_reread(struct reread **r)
{
	reread_free(*r);
}

int reread_new(struct reread **ret, sd_event *event, const struct nlsock_options *opt, const struct reread_ops *ops,
	       void *user)
{
	struct reread *r cleanup(free_reread) = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return -ENOMEM;
	*r = (struct reread){.event = sd_event_ref(event), .ops = ops, .user = user};
	result = nlsock_open_asking(&r->socket, opt);
	if (result == 0)
		result = add_sources(r);
	if (result < 0)
		return result;
	*ret = r;
	r = NULL;
	return 0;
}

int reread_serve(struct reread *r)
{
	return nlsock_start_asking(r->socket);
}

void reread_free(struct reread *r)
{
	if (!r)
		return;
	(void)sd_event_source_disable_unref(r->source);
	(void)sd_event_source_disable_unref(r->timer);
	(void)sd_event_source_disable_unref(r->flood);
	nlsock_free(r->socket);
	(void)sd_event_unref(r->event);
	free(r);
}

bool reread_is_busy(const struct reread *r)
{
	return r->busy;
}

const struct reread_stats *reread_stats(const struct reread *r)
{
	return &r->stats;
}
