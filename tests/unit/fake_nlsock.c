/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_nlsock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/util.h"

enum step_kind { STEP_DATA, STEP_OUTCOME, STEP_SPOOFED };

struct step {
	enum step_kind kind;
	enum nlsock_outcome outcome;
	int error;
	void *data; /* exactly len bytes, so that AddressSanitizer sees every byte too far */
	size_t len;
};

struct script {
	struct step *steps;
	size_t n, at;
	struct nlsock *reader;
};

struct nlsock {
	int fd;
	struct script *script;
	uint32_t seq;
	struct nlsock_datagram given[FAKE_BATCH]; /* freed by the next receive: a pointer that is kept is caught */
	size_t n_given;
};

struct fake fake;
static struct script event_script, asking_script, dump_scripts[FAKE_DUMPS];

static void drop_script(struct script *s)
{
	for (size_t i = s->at; i < s->n; i++)
		free(s->steps[i].data);
	free(s->steps);
	*s = (struct script){0};
}

void fake_reset(void)
{
	drop_script(&event_script);
	drop_script(&asking_script);
	for (size_t i = 0; i < FAKE_DUMPS; i++)
		drop_script(&dump_scripts[i]);
	fake = (struct fake){0};
}

static void set_readable(const struct nlsock *s, bool readable)
{
	eventfd_t value = 1;

	(void)(readable ? eventfd_write(s->fd, value) : eventfd_read(s->fd, &value));
}

static void add_step(struct script *s, struct step step)
{
	struct step *steps = reallocarray(s->steps, s->n + 1, sizeof(*steps));

	if (!steps)
		abort();
	s->steps = steps;
	s->steps[s->n++] = step;
	if (s->reader)
		set_readable(s->reader, true);
}

static void add_data(struct script *s, const void *bytes, size_t len)
{
	struct step step = {.kind = STEP_DATA, .data = malloc(len ? len : 1), .len = len};

	if (!step.data)
		abort();
	if (len)
		memcpy(step.data, bytes, len);
	add_step(s, step);
}

void fake_event_data(const void *bytes, size_t len)
{
	add_data(&event_script, bytes, len);
}

void fake_event_outcome(enum nlsock_outcome outcome, int error)
{
	add_step(&event_script, (struct step){.kind = STEP_OUTCOME, .outcome = outcome, .error = error});
}

void fake_event_spoofed(void)
{
	add_step(&event_script, (struct step){.kind = STEP_SPOOFED});
}

size_t fake_events_left(void)
{
	return event_script.n - event_script.at;
}

void fake_answer_data(const void *bytes, size_t len)
{
	add_data(&asking_script, bytes, len);
}

void fake_dump_data(unsigned n, const void *bytes, size_t len)
{
	add_data(&dump_scripts[n], bytes, len);
}

void fake_dump_outcome(unsigned n, enum nlsock_outcome outcome, int error)
{
	add_step(&dump_scripts[n], (struct step){.kind = STEP_OUTCOME, .outcome = outcome, .error = error});
}

void fake_dump_spoofed(unsigned n)
{
	add_step(&dump_scripts[n], (struct step){.kind = STEP_SPOOFED});
}

static int open_sock(struct nlsock **ret, const struct nlsock_options *opt, struct script *script)
{
	struct nlsock *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0) {
		free(s);
		return -EMFILE;
	}
	s->script = script;
	script->reader = s;
	set_readable(s, script->at < script->n || fake.endless);
	fake.options = *opt;
	fake.open_sockets++;
	*ret = s;
	return 0;
}

int nlsock_open_events(struct nlsock **ret, const struct nlsock_options *opt)
{
	return open_sock(ret, opt, &event_script);
}

int nlsock_open_dump(struct nlsock **ret, const struct nlsock_options *opt)
{
	if (fake.open_dump_error)
		return fake.open_dump_error;
	return open_sock(ret, opt, &dump_scripts[fake.opened++ % FAKE_DUMPS]);
}

int nlsock_open_asking(struct nlsock **ret, const struct nlsock_options *opt)
{
	return open_sock(ret, opt, &asking_script);
}

int nlsock_start_asking(struct nlsock *s)
{
	(void)s;
	return 0;
}

int nlsock_request_link(struct nlsock *s, int ifindex, uint32_t seq)
{
	(void)s;
	fake.asked[fake.questions++ % FAKE_DUMPS] = (struct fake_question){.ifindex = ifindex, .seq = seq};
	return fake.question_error;
}

int nlsock_request_dump(struct nlsock *s, uint32_t seq)
{
	fake.pending_at_request = fake_events_left();
	fake.request_at[fake.requests++ % FAKE_DUMPS] = now_usec();
	fake.dump_seq = seq;
	if (s->script != &asking_script)
		s->seq = seq;
	return fake.request_error;
}

static void patch_seq(const struct nlsock *s, const struct step *step)
{
	size_t at = 0;

	while (s->seq && step->len - at >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr *nlh = (void *)((char *)step->data + at);

		if (nlh->nlmsg_seq == FAKE_SEQ)
			nlh->nlmsg_seq = s->seq;
		if (nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len >= step->len - at)
			return;
		at += MIN(NLMSG_ALIGN((size_t)nlh->nlmsg_len), step->len - at);
	}
}

static void give(struct nlsock *s, const struct step *step, struct nlsock_batch *batch)
{
	patch_seq(s, step);
	s->given[batch->n++] = (struct nlsock_datagram){.data = step->data, .len = step->len};
}

static void take_back(struct nlsock *s)
{
	for (size_t i = 0; i < s->n_given; i++)
		free((void *)(uintptr_t)s->given[i].data);
	s->n_given = 0;
}

/* Takes what comes before the next outcome; false when it ended at one, or at a full batch. */
static bool take_data(struct nlsock *s, struct nlsock_batch *batch)
{
	struct script *script = s->script;

	while (script->at < script->n) {
		const struct step *step = &script->steps[script->at];

		if (step->kind == STEP_OUTCOME || batch->n == FAKE_BATCH)
			return false;
		script->at++;
		if (step->kind == STEP_SPOOFED)
			batch->spoofed++;
		else
			give(s, step, batch);
	}
	return batch->n < FAKE_BATCH;
}

static bool at_outcome(const struct script *script)
{
	return script->at < script->n && script->steps[script->at].kind == STEP_OUTCOME;
}

void nlsock_receive(struct nlsock *s, struct nlsock_batch *batch)
{
	struct script *script = s->script;

	take_back(s);
	batch->n = batch->spoofed = 0;
	batch->error = 0;
	batch->datagram = s->given;
	batch->outcome = take_data(s, batch) ? NLSOCK_AGAIN : NLSOCK_DATA;
	/* As in the kernel: a truncation comes with the datagrams around it, an error alone. */
	if (at_outcome(script) && (batch->n == 0 || script->steps[script->at].outcome == NLSOCK_TRUNCATED)) {
		batch->outcome = script->steps[script->at].outcome;
		batch->error = script->steps[script->at++].error;
	}
	if (fake.endless && s->script == &event_script && batch->outcome == NLSOCK_AGAIN)
		batch->outcome = NLSOCK_DATA;
	else if (script->at == script->n)
		set_readable(s, false);
	s->n_given = batch->n;
}

int nlsock_fd(const struct nlsock *s)
{
	return s->fd;
}

size_t nlsock_rcvbuf(const struct nlsock *s)
{
	(void)s;
	return FAKE_RCVBUF;
}

bool nlsock_rcvbuf_forced(const struct nlsock *s)
{
	(void)s;
	return true;
}

int nlsock_set_links_down(const int *ifindex, size_t n, int *results)
{
	(void)ifindex;
	memset(results, 0, n * sizeof(*results));
	return 0;
}

void nlsock_free(struct nlsock *s)
{
	if (!s)
		return;
	take_back(s);
	s->script->reader = NULL;
	(void)close(s->fd);
	free(s);
	fake.open_sockets--;
}
