/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/snapshot.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/util.h"

#define FIRST_ROOM 64 /* ports */
#define SPARE_ROOM 16 /* for ports that come between two questions */
#define FILL_MSEC 100 /* the loop has begun to fill: it takes microseconds, unless the processor is taken away */
#define HANGS_NSEC NSEC_PER_SEC
#define HANGING_PATIENCE_NSEC (20 * NSEC_PER_MSEC) /* enough for a loop that is well again */
#define ROOM_TRIES 4

/* Whose the buffer "work" is. */
enum hand {
	HAND_IDLE,    /* the other thread's */
	HAND_ASKED,   /* the loop may take it, the other thread may take it back */
	HAND_FILLING, /* the loop's */
	HAND_DONE,    /* the other thread's, with an answer */
};

struct exchange {
	int ask_fd, done_fd;
	atomic_int hand;
	struct snapshot *work;             /* told by hand */
	struct snapshot *last;             /* the other thread's: the last answer */
	_Atomic(uint64_t) turn_began_usec; /* 0: the loop sleeps */
	_Atomic(uint64_t) unanswered_nsec; /* since when no question was answered; 0: the last one was */
	atomic_bool markers;               /* what is asked for */
	atomic_bool left;                  /* by the loop: nobody answers any more */
};

#define US(n) (UINT64_C(n) * 1000)
#define MS(n) (UINT64_C(n) * 1000000)

static const uint64_t times[] = {US(5),   US(10),  US(15),  US(20),  US(30),  US(50),  US(75),  US(100),
				 US(150), US(200), US(300), US(500), US(750), MS(1),   MS(2),   MS(5),
				 MS(10),  MS(20),  MS(50),  MS(100), MS(200), MS(500), MS(1000)};
static const char *const time_labels[] = {"5e-06",   "1e-05",  "1.5e-05", "2e-05",  "3e-05",  "5e-05",
					  "7.5e-05", "0.0001", "0.00015", "0.0002", "0.0003", "0.0005",
					  "0.00075", "0.001",  "0.002",   "0.005",  "0.01",   "0.02",
					  "0.05",    "0.1",    "0.2",     "0.5",    "1.0"};
const struct snapshot_bounds snapshot_time_bounds = {ARRAY_SIZE(times), times, time_labels};

static const uint64_t syncs[] = {US(1000), US(2500), MS(5),    MS(10),   MS(25),    MS(50),    MS(100),  MS(250),
				 MS(500),  MS(1000), MS(2500), MS(5000), MS(10000), MS(30000), MS(60000)};
static const char *const sync_labels[] = {"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
					  "0.5",   "1.0",    "2.5",   "5.0",  "10.0",  "30.0", "60.0"};
const struct snapshot_bounds snapshot_sync_bounds = {ARRAY_SIZE(syncs), syncs, sync_labels};

static const uint64_t rows[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
static const char *const row_labels[] = {"1.0",  "2.0",   "4.0",   "8.0",   "16.0",  "32.0",
					 "64.0", "128.0", "256.0", "512.0", "1024.0"};
const struct snapshot_bounds snapshot_rows_bounds = {ARRAY_SIZE(rows), rows, row_labels};

_Static_assert(ARRAY_SIZE(times) == SNAPSHOT_BOUNDS_MAX && ARRAY_SIZE(time_labels) == SNAPSHOT_BOUNDS_MAX,
	       "time bounds");
_Static_assert(ARRAY_SIZE(syncs) == ARRAY_SIZE(sync_labels), "sync bounds");
_Static_assert(ARRAY_SIZE(rows) == ARRAY_SIZE(row_labels), "row bounds");

void snapshot_fill_hist(struct snapshot_hist *out, const struct hist *from, const struct snapshot_bounds *bounds)
{
	out->count = from->count;
	out->sum = from->sum;
	out->max = from->max;
	hist_cumulate(from, bounds->bounds, bounds->n, out->below);
}

/* --- memory --- */

static int grow(struct snapshot *v, size_t room)
{
	struct snapshot_port *ports = realloc(v->ports, room * sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	v->ports = ports;
	v->room = room;
	return 0;
}

static void free_view(struct snapshot *v)
{
	if (v)
		free(v->ports);
	free(v);
}

static struct snapshot *new_view(void)
{
	struct snapshot *v = calloc(1, sizeof(*v));

	if (v && grow(v, FIRST_ROOM) == 0) {
		v->taken_nsec = v->sync_changed_nsec = now_nsec();
		return v;
	}
	free_view(v);
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
	x->work = new_view();
	x->last = new_view();
	if (!x->work || !x->last)
		return -ENOMEM;
	x->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	x->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->ask_fd < 0 || x->done_fd < 0)
		return -errno;
	atomic_init(&x->hand, HAND_IDLE);
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
	free_view(x->work);
	free_view(x->last);
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
	return atomic_compare_exchange_strong(&x->hand, &from, to);
}

int exchange_fd(const struct exchange *x)
{
	return x->ask_fd;
}

void exchange_serve(struct exchange *x, exchange_fill_fn fill, void *user)
{
	hush(x->ask_fd);
	if (!pass(x, HAND_ASKED, HAND_FILLING))
		return;
	fill(x->work, user);
	atomic_store(&x->hand, HAND_DONE);
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

/* Until the loop is done. False: it is not by then. A ring may be an old one. */
static bool wait_done(struct exchange *x, uint64_t until_nsec)
{
	while (atomic_load(&x->hand) != HAND_DONE) {
		if (now_nsec() >= until_nsec || atomic_load(&x->left))
			return false;
		wait_ring(x->done_fd, until_nsec);
	}
	return true;
}

/* True with the answer in work. */
static bool ask(struct exchange *x, uint64_t patience_nsec)
{
	atomic_store(&x->hand, HAND_ASKED);
	ring(x->ask_fd);
	if (wait_done(x, now_nsec() + patience_nsec) || !pass(x, HAND_ASKED, HAND_IDLE))
		return wait_done(x, now_nsec() + FILL_MSEC * NSEC_PER_MSEC);
	return false;
}

/* False while the loop still fills the buffer of a question that nobody waits for any more. */
static bool reclaim(struct exchange *x)
{
	if (atomic_load(&x->hand) == HAND_FILLING)
		return wait_done(x, now_nsec() + FILL_MSEC * NSEC_PER_MSEC);
	return true;
}

static void keep_answer(struct exchange *x)
{
	struct snapshot *answer = x->work;

	x->work = x->last;
	x->last = answer;
	atomic_store(&x->hand, HAND_IDLE);
}

/* As ask(), and again with more memory when there are more ports than room. */
static bool ask_for_all(struct exchange *x, uint64_t patience_nsec)
{
	for (unsigned i = 0; i < ROOM_TRIES; i++) {
		if (!ask(x, patience_nsec))
			return false;
		if (x->work->n_ports <= x->work->room || grow(x->work, x->work->n_ports + SPARE_ROOM) < 0)
			break;
	}
	x->work->n_ports = MIN(x->work->n_ports, x->work->room);
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
	answer.snapshot = x->last;
	answer.waited_nsec = now_nsec() - asked;
	answer.stall_nsec = answer.fresh ? 0 : stall_nsec(x);
	return answer;
}
