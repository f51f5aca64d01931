/* SPDX-License-Identifier: Apache-2.0 */
#include "state/saver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/thread.h"
#include "base/util.h"

#define STACK_BYTES (256U * 1024)

/* Who owns the buffer and the outcome. */
enum saver_owner {
	OWNER_LOOP,
	OWNER_THREAD,
	OWNER_DONE, /* the loop's, with an outcome that it has not seen */
	OWNER_END,  /* the thread ends */
};

struct saver {
	struct statefile *file;
	struct state state;
	int outcome;
	char why[STATEFILE_WHY_BYTES];
	atomic_int owner;
	int work_fd, done_fd; /* eventfds: they ring when the buffer changes hands */
	pthread_t thread;
};

/* --- the thread --- */

static void ring(int fd)
{
	(void)eventfd_write(fd, 1);
}

static int save(struct saver *s)
{
	int r = state_collect(&s->state);

	if (r == 0)
		return statefile_save(s->file, &s->state, s->why);
	(void)snprintf(s->why, sizeof(s->why), "%s", strerror(-r));
	return r;
}

static void *run(void *user)
{
	struct saver *s = user;
	eventfd_t rung;
	int from;

	thread_name_self("state");
	thread_step_back();
	for (;;) {
		(void)eventfd_read(s->work_fd, &rung);
		if (atomic_load(&s->owner) == OWNER_THREAD) {
			s->outcome = save(s);
			from = OWNER_THREAD;
			(void)atomic_compare_exchange_strong(&s->owner, &from, OWNER_DONE);
			ring(s->done_fd);
		}
		if (atomic_load(&s->owner) == OWNER_END)
			return NULL;
	}
}

/* --- the loop's side --- */

static bool busy(const struct saver *s)
{
	return atomic_load(&s->owner) == OWNER_THREAD;
}

struct state *saver_claim(struct saver *s, size_t ports)
{
	if (busy(s) || state_reserve(&s->state, ports) < 0)
		return NULL;
	s->state.n_ports = 0;
	return &s->state;
}

void saver_give(struct saver *s)
{
	atomic_store(&s->owner, OWNER_THREAD);
	ring(s->work_fd);
}

int saver_fd(const struct saver *s)
{
	return s->done_fd;
}

bool saver_take(struct saver *s, int *r, char why[STATEFILE_WHY_BYTES])
{
	int from = OWNER_DONE;
	eventfd_t rung;

	(void)eventfd_read(s->done_fd, &rung);
	if (!atomic_compare_exchange_strong(&s->owner, &from, OWNER_LOOP))
		return false;
	*r = s->outcome;
	memcpy(why, s->why, STATEFILE_WHY_BYTES);
	return true;
}

bool saver_wait(const struct saver *s, uint64_t patience_usec)
{
	uint64_t now = now_usec(), until = now + patience_usec;
	struct pollfd done = {.fd = s->done_fd, .events = POLLIN};
	eventfd_t rung;

	for (; busy(s) && now < until; now = now_usec()) {
		(void)poll(&done, 1, (int)((until - now) / USEC_PER_MSEC) + 1);
		(void)eventfd_read(s->done_fd, &rung); /* it may have rung for an earlier save */
	}
	return !busy(s);
}

/* --- building --- */

static void release(struct saver *s)
{
	close_fd(&s->work_fd);
	close_fd(&s->done_fd);
	state_done(&s->state);
	free(s);
}

int saver_new(struct saver **ret, struct statefile *file)
{
	struct saver *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->file = file;
	s->work_fd = eventfd(0, EFD_CLOEXEC);
	s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->work_fd < 0 || s->done_fd < 0)
		r = -errno;
	if (r == 0)
		r = thread_start(&s->thread, STACK_BYTES, run, s);
	if (r < 0) {
		release(s);
		return r;
	}
	*ret = s;
	return 0;
}

bool saver_free(struct saver *s, uint64_t patience_usec)
{
	if (!s)
		return true;
	if (!saver_wait(s, patience_usec)) {
		(void)pthread_detach(s->thread);
		return false;
	}
	atomic_store(&s->owner, OWNER_END);
	ring(s->work_fd);
	(void)pthread_join(s->thread, NULL);
	release(s);
	return true;
}
