/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/util.h"

#define FIRST_PORTS 64
#define SPARE_PORTS 16 /* for ports that come between two requests */
#define FILL_MSEC 100  /* filling takes microseconds, unless the loop loses its processor meanwhile */
#define HANGS_NSEC NSEC_PER_SEC
#define HANGING_PATIENCE_NSEC (20 * NSEC_PER_MSEC) /* enough for a loop that is well again */
#define TRIES 4

/* Who owns the buffer "work", and what it is for. */
enum exchange_phase {
	PHASE_IDLE,    /* the other thread */
	PHASE_ASKED,   /* the loop may take it, the other thread may take it back */
	PHASE_FILLING, /* the loop */
	PHASE_DONE,    /* the other thread, with an answer in it */
};

struct buffer {
	struct snapshot snapshot;
	struct health_report health;
};

struct exchange {
	int ask_fd, done_fd;
	atomic_int phase;
	struct buffer *work;               /* phase says whose it is */
	struct buffer *last;               /* the last answer; the other thread's */
	_Atomic(uint64_t) turn_began_usec; /* 0: the loop sleeps */
	_Atomic(uint64_t) unanswered_nsec; /* since when no request was answered; 0: the last one was */
	atomic_bool markers;               /* the request wants them */
	atomic_bool left;                  /* by the loop: it no longer answers */
};

/* --- memory --- */

static void free_buffer(struct buffer *buffer)
{
	if (buffer)
		snapshot_done(&buffer->snapshot);
	free(buffer);
}

static struct buffer *new_buffer(void)
{
	struct buffer *buffer = calloc(1, sizeof(*buffer));

	if (buffer && snapshot_reserve(&buffer->snapshot, FIRST_PORTS) == 0) {
		buffer->snapshot.taken_nsec = buffer->snapshot.sync.changed_nsec = now_nsec();
		return buffer;
	}
	free_buffer(buffer);
	return NULL;
}

static void free_exchange(struct exchange **x)
{
	exchange_free(*x);
}

int exchange_new(struct exchange **ret)
{
	struct exchange *x cleanup(free_exchange) = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->ask_fd = x->done_fd = -1;
	x->work = new_buffer();
	x->last = new_buffer();
	if (!x->work || !x->last)
		return -ENOMEM;
	x->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	x->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->ask_fd < 0 || x->done_fd < 0)
		return -errno;
	atomic_init(&x->phase, PHASE_IDLE);
	atomic_init(&x->turn_began_usec, 0);
	atomic_init(&x->unanswered_nsec, 0);
	*ret = x;
	x = NULL;
	return 0;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	close_fd(&x->ask_fd);
	close_fd(&x->done_fd);
	free_buffer(x->work);
	free_buffer(x->last);
	free(x);
}

/* --- the loop's side --- */

static void ring(int fd)
{
	(void)eventfd_write(fd, 1);
}

static void hush(int fd)
{
	eventfd_t count;

	(void)eventfd_read(fd, &count);
}

static bool pass(struct exchange *x, int from, int to)
{
	return atomic_compare_exchange_strong(&x->phase, &from, to);
}

int exchange_fd(const struct exchange *x)
{
	return x->ask_fd;
}

void exchange_serve(struct exchange *x, exchange_fill_fn fill, void *user)
{
	hush(x->ask_fd);
	if (!pass(x, PHASE_ASKED, PHASE_FILLING))
		return;
	fill(&x->work->snapshot, &x->work->health, user);
	atomic_store(&x->phase, PHASE_DONE);
	ring(x->done_fd);
}

bool exchange_wants_markers(const struct exchange *x)
{
	return atomic_load(&x->markers);
}

void exchange_hush(struct exchange *x)
{
	hush(x->ask_fd);
}

void exchange_turn_begins(struct exchange *x, uint64_t usec)
{
	atomic_store_explicit(&x->turn_began_usec, usec, memory_order_relaxed);
}

void exchange_turn_ends(struct exchange *x)
{
	atomic_store_explicit(&x->turn_began_usec, 0, memory_order_relaxed);
}

void exchange_leave(struct exchange *x)
{
	if (!x)
		return;
	atomic_store(&x->left, true);
	ring(x->done_fd);
}

/* --- the other side --- */

static uint64_t since(uint64_t nsec)
{
	uint64_t now = now_nsec();

	return nsec != 0 && now > nsec ? now - nsec : 0;
}

static uint64_t stall_nsec(const struct exchange *x)
{
	uint64_t began = atomic_load_explicit(&x->turn_began_usec, memory_order_relaxed);

	return MAX(since(began * NSEC_PER_USEC), since(atomic_load(&x->unanswered_nsec)));
}

static void wait_ring(int fd, uint64_t until_nsec)
{
	uint64_t now = now_nsec();
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	if (until_nsec > now)
		(void)poll(&poll_fd, 1, (int)((until_nsec - now) / NSEC_PER_MSEC) + 1);
	hush(fd);
}

/* Waits until the loop is done; false when it is not by then. A ring may belong to an earlier request. */
static bool wait_done(struct exchange *x, uint64_t until_nsec)
{
	while (atomic_load(&x->phase) != PHASE_DONE) {
		if (now_nsec() >= until_nsec || atomic_load(&x->left))
			return false;
		wait_ring(x->done_fd, until_nsec);
	}
	return true;
}

/* True with the answer in work. */
static bool ask(struct exchange *x, uint64_t patience_nsec)
{
	atomic_store(&x->phase, PHASE_ASKED);
	ring(x->ask_fd);
	if (wait_done(x, now_nsec() + patience_nsec) || !pass(x, PHASE_ASKED, PHASE_IDLE))
		return wait_done(x, now_nsec() + FILL_MSEC * NSEC_PER_MSEC);
	return false;
}

/* False while the loop still fills the buffer for a request that was given up. */
static bool reclaim(struct exchange *x)
{
	if (atomic_load(&x->phase) == PHASE_FILLING)
		return wait_done(x, now_nsec() + FILL_MSEC * NSEC_PER_MSEC);
	return true;
}

static void keep_answer(struct exchange *x)
{
	struct buffer *answer = x->work;

	x->work = x->last;
	x->last = answer;
	atomic_store(&x->phase, PHASE_IDLE);
}

/* As ask(), and again with more memory when there are more ports than capacity. */
static bool ask_for_all(struct exchange *x, uint64_t patience_nsec)
{
	struct snapshot *snapshot = &x->work->snapshot;

	for (unsigned i = 0; i < TRIES; i++) {
		if (!ask(x, patience_nsec))
			return false;
		if (snapshot->n_ports <= snapshot->capacity ||
		    snapshot_reserve(snapshot, snapshot->n_ports + SPARE_PORTS) < 0)
			break;
	}
	snapshot->n_ports = MIN(snapshot->n_ports, snapshot->capacity);
	return true;
}

struct exchange_answer exchange_get(struct exchange *x, uint64_t patience_nsec, bool markers)
{
	uint64_t asked = now_nsec();
	struct exchange_answer answer = {0};

	if (stall_nsec(x) >= HANGS_NSEC)
		patience_nsec = MIN(patience_nsec, HANGING_PATIENCE_NSEC);
	atomic_store(&x->markers, markers);
	answer.fresh = reclaim(x) && ask_for_all(x, patience_nsec);
	if (answer.fresh)
		keep_answer(x);
	if (answer.fresh || atomic_load(&x->unanswered_nsec) == 0)
		atomic_store(&x->unanswered_nsec, answer.fresh ? 0 : asked);
	answer.snapshot = &x->last->snapshot;
	answer.health = &x->last->health;
	answer.waited_nsec = now_nsec() - asked;
	answer.stall_nsec = answer.fresh ? 0 : stall_nsec(x);
	return answer;
}
