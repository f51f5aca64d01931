/* SPDX-License-Identifier: Apache-2.0 */
#include "base/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/thread.h"
#include "base/util.h"

#define STACK_BYTES (256U * 1024)
#define PACES (WORKER_AT_ONCE + 1)

/* Who owns the piece and its outcome. */
enum worker_owner {
	OWNER_LOOP,
	OWNER_THREAD,
	OWNER_DONE, /* the loop's, which has not seen it */
	OWNER_END,  /* the threads end */
};

struct hand {
	struct worker *worker;
	enum worker_pace pace;
	int work_fd; /* an eventfd: there is a piece, or the end */
	pthread_t thread;
};

struct worker {
	struct worker_job job;
	atomic_int owner;
	int done_fd; /* an eventfd */
	struct hand hands[PACES];
};

/* --- the threads --- */

static void ring(int fd)
{
	(void)eventfd_write(fd, 1);
}

static void set_up(const struct hand *hand)
{
	const struct worker_job *job = &hand->worker->job;
	char name[16];

	(void)snprintf(name, sizeof(name), "%s%s", job->name, hand->pace == WORKER_AT_ONCE ? "-end" : "");
	thread_name_self(name);
	if (hand->pace == WORKER_AT_ONCE)
		return;
	thread_step_back();
	if (job->begin)
		job->begin(job->user);
}

static void *run(void *user)
{
	const struct hand *hand = user;
	struct worker *w = hand->worker;
	eventfd_t rung;
	int from;

	set_up(hand);
	for (;;) {
		(void)eventfd_read(hand->work_fd, &rung);
		if (atomic_load(&w->owner) == OWNER_END)
			return NULL;
		w->job.work(w->job.user);
		from = OWNER_THREAD;
		(void)atomic_compare_exchange_strong(&w->owner, &from, OWNER_DONE);
		ring(w->done_fd);
	}
}

/* --- the loop's side --- */

bool worker_is_busy(const struct worker *w)
{
	return atomic_load(&w->owner) == OWNER_THREAD;
}

bool worker_is_idle(const struct worker *w)
{
	return atomic_load(&w->owner) == OWNER_LOOP;
}

void worker_give(struct worker *w, enum worker_pace pace)
{
	atomic_store(&w->owner, OWNER_THREAD);
	ring(w->hands[pace].work_fd);
}

int worker_fd(const struct worker *w)
{
	return w->done_fd;
}

bool worker_take(struct worker *w)
{
	int from = OWNER_DONE;
	eventfd_t rung;

	(void)eventfd_read(w->done_fd, &rung);
	return atomic_compare_exchange_strong(&w->owner, &from, OWNER_LOOP);
}

bool worker_wait(const struct worker *w, uint64_t patience_usec)
{
	uint64_t now = now_usec(), until = now + patience_usec;
	struct pollfd done = {.fd = w->done_fd, .events = POLLIN};
	eventfd_t rung;

	for (; worker_is_busy(w) && now < until; now = now_usec()) {
		(void)poll(&done, 1, (int)((until - now) / USEC_PER_MSEC) + 1);
		(void)eventfd_read(w->done_fd, &rung); /* it may have rung for an earlier piece */
	}
	return !worker_is_busy(w);
}

/* --- building --- */

static void release(struct worker *w)
{
	for (size_t i = 0; i < PACES; i++)
		close_fd(&w->hands[i].work_fd);
	close_fd(&w->done_fd);
	free(w);
}

static int open_fds(struct worker *w)
{
	w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->done_fd < 0)
		return -errno;
	for (size_t i = 0; i < PACES; i++) {
		w->hands[i].work_fd = eventfd(0, EFD_CLOEXEC);
		if (w->hands[i].work_fd < 0)
			return -errno;
	}
	return 0;
}

static void end_threads(struct worker *w, size_t n)
{
	atomic_store(&w->owner, OWNER_END);
	for (size_t i = 0; i < n; i++) {
		ring(w->hands[i].work_fd);
		(void)pthread_join(w->hands[i].thread, NULL);
	}
}

static int start_threads(struct worker *w)
{
	for (size_t i = 0; i < PACES; i++) {
		struct hand *hand = &w->hands[i];
		int r = thread_start(&hand->thread, STACK_BYTES, run, hand);

		if (r < 0) {
			end_threads(w, i);
			return r;
		}
	}
	return 0;
}

int worker_new(struct worker **ret, const struct worker_job *job)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->job = *job;
	w->done_fd = -1;
	for (size_t i = 0; i < PACES; i++)
		w->hands[i] = (struct hand){.worker = w, .pace = (enum worker_pace)i, .work_fd = -1};
	r = open_fds(w);
	if (r == 0)
		r = start_threads(w);
	if (r < 0) {
		release(w);
		return r;
	}
	*ret = w;
	return 0;
}

bool worker_free(struct worker *w, uint64_t patience_usec)
{
	if (!w)
		return true;
	if (!worker_wait(w, patience_usec)) {
		for (size_t i = 0; i < PACES; i++)
			(void)pthread_detach(w->hands[i].thread);
		return false;
	}
	end_threads(w, PACES);
	release(w);
	return true;
}
