/* SPDX-License-Identifier: Apache-2.0 */
#include "log/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>

#include "base/thread.h"
#include "base/util.h"
#include "log/log.h"
#include "log/ring.h"

#define STACK_BYTES (256U * 1024)
#define GATHER_USEC (20 * USEC_PER_MSEC)
#define STOP_USEC USEC_PER_SEC
#define PATIENCE_USEC USEC_PER_SEC
#define JOIN_MS 2000                    /* longer than the thread needs to stop */
#define MOMENT_USEC USEC_PER_SEC        /* a target may be busy for so long */
#define CROWDED (LOG_RING_ORDINARY / 2) /* wake the thread at once from here on */

enum reported { NOTHING, OF_ANOTHER, OF_THIS }; /* the target whose failure stderr has reported last */

enum rest { AWAKE, GATHERING, ASLEEP };

/* Apart from the state below, which does not begin as zeros and so takes space in the program's file. */
static struct logring ring;

static struct {
	_Atomic uint64_t written, dropped, dropped_audit; /* the latter are among the former */
	_Atomic uint64_t dropped_nsec;                    /* CLOCK_MONOTONIC; 0: none was */
	_Atomic uint64_t refused_since;                   /* as log_stats has it */

	pthread_mutex_t lock; /* guards the desired settings; held only to copy them */
	struct logtarget_settings wished;
	_Atomic uint64_t wished_from; /* the position of the first record they apply to */
	_Atomic uint64_t wished_at;   /* CLOCK_MONOTONIC us */
	atomic_uint wishes;

	pthread_t thread;
	atomic_bool running;
	atomic_bool given_up; /* the thread hangs in its target: no consumer is left */
	int wake, ended;      /* eventfds */
	int bell;             /* eventfd: lines are refused, or accepted again; see log_bell() */
	_Atomic enum rest rest;
	_Atomic uint64_t stop_at; /* 0: not asked to stop; CLOCK_MONOTONIC us */

	/* Without the thread the producers write: the loop or the HTTP thread, one at a time. */
	pthread_mutex_t direct;

	/* Owned by the consumer: */
	struct logtarget target;
	unsigned granted; /* desired settings that were applied */
	bool reports;     /* once the thread runs: if a start fails, stderr has only the reason */
	enum reported reported;
	bool rung;                                     /* because lines are refused */
	uint64_t announced, announcing_to;             /* of the dropped lines */
	uint64_t announced_audit, announcing_audit_to; /* of them, audit records */
	bool announcing, failing;                      /* failing: the last record could not be written */
	struct log_record announcement;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .direct = PTHREAD_MUTEX_INITIALIZER,
	    .wake = -1,
	    .ended = -1,
	    .bell = -1,
	    .target = {.fd = -1}};

static void wake_up(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static void count_dropped(bool audit)
{
	atomic_store_explicit(&writer.dropped_nsec, now_nsec(), memory_order_relaxed);
	atomic_fetch_add_explicit(&writer.dropped_audit, audit, memory_order_relaxed);
	atomic_fetch_add_explicit(&writer.dropped, 1, memory_order_relaxed);
}

/* --- consumer --- */

/* UINT64_MAX: no other settings are desired. */
static uint64_t patience_ends(void)
{
	return atomic_load(&writer.wishes) == writer.granted ? UINT64_MAX
							     : atomic_load(&writer.wished_at) + PATIENCE_USEC;
}

/* Records from before a change go to the old target, among them the announcement of the change. */
static bool may_grant(void)
{
	if (atomic_load(&writer.wishes) == writer.granted)
		return false;
	return logring_tail(&ring) >= atomic_load(&writer.wished_from) || now_usec() >= patience_ends();
}

static void grant_wishes(void)
{
	struct logtarget_settings settings;
	unsigned wishes = atomic_load(&writer.wishes);

	if (!may_grant())
		return;
	logwriter_get(&settings);
	logtarget_close(&writer.target);
	logtarget_init(&writer.target, &settings);
	writer.granted = wishes;
	writer.failing = false;
	if (writer.reported == OF_THIS)
		writer.reported = OF_ANOTHER;
}

/* Do not alert anybody to a target that is busy for a moment. */
static void note_refusal(int result)
{
	uint64_t since = atomic_load_explicit(&writer.refused_since, memory_order_relaxed);
	bool lasts = result < 0 && (result != -EAGAIN || (since != 0 && now_usec() - since >= MOMENT_USEC));

	if (result == 0 && since != 0)
		atomic_store_explicit(&writer.refused_since, 0, memory_order_relaxed);
	else if (result < 0 && since == 0)
		atomic_store_explicit(&writer.refused_since, now_usec(), memory_order_relaxed);
	if (writer.bell < 0 || (result == 0 ? !writer.rung : !lasts || writer.rung))
		return;
	writer.rung = result < 0;
	wake_up(writer.bell);
}

/* Report a failing target on stderr, once; not when stderr is the target. */
static void note_result(int result)
{
	const struct logtarget *target = &writer.target;
	int fault = logtarget_fault(target);

	note_refusal(result);
	if (!writer.reports || target->settings.type == LOG_TO_STDERR)
		return;
	if (result == 0 && writer.reported != NOTHING) {
		say_on_stderr(0, "portsyncd: log lines go to %s again", logtarget_name(target));
		writer.reported = NOTHING;
	} else if (result < 0 && fault != 0 && writer.reported != OF_THIS) {
		say_on_stderr(0, "portsyncd: log lines cannot be written to %s: %s", logtarget_name(target),
			      strerror(fault));
		writer.reported = OF_THIS;
	}
}

/* Dropped lines are announced here once the target accepts lines again; until then the announcement waits. */
static bool announce(void)
{
	struct log_record *record = &writer.announcement;
	uint64_t dropped = atomic_load_explicit(&writer.dropped, memory_order_relaxed);
	uint64_t audit = atomic_load_explicit(&writer.dropped_audit, memory_order_relaxed);
	struct timespec now;

	if (dropped == writer.announced || writer.failing)
		return false;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*record = (struct log_record){
		.realtime_usec = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / NSEC_PER_USEC,
		.kind = KIND_LINES_DROPPED,
		.level = LOG_WARNING,
		.function = __func__,
		.file = __FILE__,
		.line = __LINE__,
	};
	(void)snprintf(record->text, sizeof(record->text),
		       "%" PRIu64 " lines were dropped, %" PRIu64
		       " of them records of the audit trail: the ring was full",
		       dropped - writer.announced, audit - writer.announced_audit);
	writer.announcing_audit_to = audit;
	writer.announcing_to = dropped;
	writer.announcing = true;
	return true;
}

static const struct log_record *next_record(void)
{
	const struct log_record *record = writer.announcing ? &writer.announcement : logring_peek(&ring);

	if (!record && announce())
		record = &writer.announcement;
	return record;
}

static void record_done(int result)
{
	writer.failing = result < 0;
	if (result == 0)
		atomic_fetch_add_explicit(&writer.written, 1, memory_order_relaxed);
	else if (!writer.announcing)
		count_dropped(logring_peek(&ring)->audit_seq > 0);
	if (writer.announcing && result == 0) {
		writer.announced = writer.announcing_to;
		writer.announced_audit = writer.announcing_audit_to;
	}
	if (!writer.announcing)
		logring_drop(&ring);
	writer.announcing = false;
}

/* Writes as much as possible. 0 if nothing is left (*any: something was written), -EAGAIN if the target must wait. */
static int write_records(bool *any)
{
	const struct log_record *record;

	*any = false;
	grant_wishes();
	while ((record = next_record()) != NULL) {
		int r = logtarget_write(&writer.target, record);

		note_result(r);
		if (r == -EAGAIN)
			return r;
		*any = true;
		record_done(r);
		grant_wishes();
	}
	return 0;
}

static int milliseconds_until(uint64_t at)
{
	uint64_t now = now_usec();

	if (at == UINT64_MAX)
		return -1;
	return at <= now ? 0 : (int)MIN((at - now) / USEC_PER_MSEC + 1, UINT64_C(60000));
}

/* fd < 0: wait only for the time or a wake-up. */
static void rest_until(uint64_t at, int fd)
{
	uint64_t stop_at = atomic_load(&writer.stop_at);
	struct pollfd fds[] = {{.fd = writer.wake, .events = POLLIN}, {.fd = fd, .events = POLLOUT}};
	uint64_t count;

	(void)poll(fds, ARRAY_SIZE(fds), milliseconds_until(stop_at > 0 ? MIN(at, stop_at) : at));
	(void)!read(writer.wake, &count, sizeof(count));
}

static void wait_for_target(void)
{
	uint64_t until;
	int fd = logtarget_wait(&writer.target, &until);

	rest_until(MIN(until, patience_ends()), fd);
}

/* Announces its rest, then looks for records; a producer gives its record, then looks for a rest: so one sees the
 * other. */
static void wait_for_records(bool gather)
{
	atomic_store(&writer.rest, gather ? GATHERING : ASLEEP);
	if ((gather || !logring_peek(&ring)) && atomic_load(&writer.stop_at) == 0 &&
	    atomic_load(&writer.wishes) == writer.granted)
		rest_until(gather ? now_usec() + GATHER_USEC : UINT64_MAX, -1);
	atomic_store(&writer.rest, AWAKE);
}

/* Lines can wait: they must not take the processor from the loop. A supervisor's negative nice value is not meant for
 * this thread.
 */
static void schedule_self(void)
{
	const struct sched_param none = {0};

	(void)sched_setscheduler(0, SCHED_BATCH, &none);
	if (getpriority(PRIO_PROCESS, 0) < 0)
		(void)setpriority(PRIO_PROCESS, 0, 0);
}

static void *run(void *unused)
{
	bool any;

	thread_name_self("log");
	schedule_self();
	writer.reports = true;
	for (;;) {
		int r = write_records(&any);
		uint64_t stop_at = atomic_load(&writer.stop_at);

		if (stop_at > 0 && ((r == 0 && !logring_peek(&ring)) || now_usec() >= stop_at))
			break;
		if (r < 0)
			wait_for_target();
		else
			wait_for_records(any);
	}
	wake_up(writer.ended);
	return unused;
}

/* --- producers --- */

struct log_record *logwriter_claim(bool audit)
{
	struct log_record *record = logring_claim(&ring, audit);

	if (!record)
		count_dropped(audit);
	return record;
}

void logwriter_give(struct log_record *record)
{
	enum rest rest;
	bool any;

	logring_give(&ring, record);
	if (!writer.running) {
		(void)pthread_mutex_lock(&writer.direct);
		(void)(writer.given_up ? 0 : write_records(&any));
		(void)pthread_mutex_unlock(&writer.direct);
		return;
	}
	rest = atomic_load(&writer.rest);
	if (rest == ASLEEP || (rest == GATHERING && logring_used(&ring) >= CROWDED))
		if (atomic_compare_exchange_strong(&writer.rest, &rest, AWAKE))
			wake_up(writer.wake);
}

/* --- settings, start and stop --- */

void logwriter_set(const struct logtarget_settings *settings)
{
	(void)pthread_mutex_lock(&writer.lock);
	writer.wished = *settings;
	(void)pthread_mutex_unlock(&writer.lock);
	atomic_store(&writer.wished_from, logring_head(&ring));
	atomic_store(&writer.wished_at, now_usec());
	atomic_fetch_add(&writer.wishes, 1);
	if (writer.running)
		wake_up(writer.wake);
}

void logwriter_get(struct logtarget_settings *settings)
{
	(void)pthread_mutex_lock(&writer.lock);
	*settings = writer.wished;
	(void)pthread_mutex_unlock(&writer.lock);
}

static void close_fds(void)
{
	close_fd(&writer.wake);
	close_fd(&writer.ended);
	close_fd(&writer.bell);
	writer.wake = writer.ended = writer.bell = -1;
}

static int open_fds(void)
{
	int r;

	writer.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	writer.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	writer.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = -errno;
	if (writer.wake >= 0 && writer.ended >= 0 && writer.bell >= 0)
		return 0;
	close_fds();
	return r;
}

int logwriter_start(void)
{
	int r;

	if (writer.running || writer.given_up)
		return 0;
	r = open_fds();
	if (r < 0)
		return r;
	atomic_store(&writer.stop_at, 0);
	atomic_store(&writer.rest, AWAKE);
	r = thread_start(&writer.thread, STACK_BYTES, run, NULL);
	if (r < 0) {
		close_fds();
		return r;
	}
	writer.running = true;
	return 0;
}

/* A thread that hangs in a stuck journal is abandoned: the process is ending. */
static void end_thread(void)
{
	struct pollfd ended = {.fd = writer.ended, .events = POLLIN};

	atomic_store(&writer.stop_at, now_usec() + STOP_USEC);
	wake_up(writer.wake);
	writer.running = false;
	if (poll(&ended, 1, JOIN_MS) != 1) {
		(void)pthread_detach(writer.thread);
		writer.given_up = true;
		return;
	}
	(void)pthread_join(writer.thread, NULL);
	writer.reports = false;
	close_fds();
}

/* The same without a thread. */
static void write_rest(uint64_t stop_at)
{
	bool any;

	while (write_records(&any) == -EAGAIN && now_usec() < stop_at) {
		uint64_t until;
		int fd = logtarget_wait(&writer.target, &until);
		struct pollfd poll_for = {.fd = fd, .events = POLLOUT};

		(void)poll(&poll_for, 1, milliseconds_until(MIN(until, stop_at)));
	}
}

void logwriter_stop(void)
{
	const struct log_record *record;

	if (writer.running)
		end_thread();
	else if (!writer.given_up)
		write_rest(now_usec() + STOP_USEC);
	if (writer.given_up)
		return;
	while ((record = logring_peek(&ring)) != NULL) {
		count_dropped(record->audit_seq > 0);
		logring_drop(&ring);
	}
	writer.announced = writer.dropped;
	writer.announced_audit = writer.dropped_audit;
	logtarget_close(&writer.target);
}

int logwriter_bell(void)
{
	return writer.bell;
}

bool logwriter_has_capacity(unsigned slots)
{
	return logring_used(&ring) < slots;
}

void logwriter_stats(struct log_stats *stats)
{
	stats->written = atomic_load_explicit(&writer.written, memory_order_relaxed);
	stats->dropped = atomic_load_explicit(&writer.dropped, memory_order_relaxed);
	stats->dropped_audit = atomic_load_explicit(&writer.dropped_audit, memory_order_relaxed);
	stats->dropped_nsec = atomic_load_explicit(&writer.dropped_nsec, memory_order_relaxed);
	stats->waiting = logring_used(&ring);
	stats->refused_since = atomic_load_explicit(&writer.refused_since, memory_order_relaxed);
}
