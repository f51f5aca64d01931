/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/thread.h"
#include "base/util.h"
#include "recorder/export.h"

#define STACK_BYTES (256U * 1024)
#define CRASH_MSEC 2000

/* Who owns the outcome. */
enum keeper_owner {
	OWNER_LOOP,
	OWNER_THREAD,
	OWNER_DONE, /* the loop's, which has not seen it */
	OWNER_END,  /* the thread ends */
};

struct keeper {
	char folder[PATH_MAX];
	struct keeper_outcome outcome;
	atomic_int owner;
	int work_fd, done_fd; /* eventfds */
	pthread_t thread;
};

/* --- the thread --- */

static void ring(int fd)
{
	(void)eventfd_write(fd, 1);
}

static int write_recording(struct keeper *k)
{
	char reason[RECORDER_TEXT_MAX + 32];
	struct text bytes = {0};
	int r;

	(void)snprintf(reason, sizeof(reason), "%s: %s", recorder_why_name(k->outcome.why), k->outcome.reason);
	r = export_recording(&bytes, reason);
	if (r == 0)
		r = folder_write(k->folder, time(NULL), bytes.data, bytes.len, k->outcome.name);
	free(bytes.data);
	return r;
}

static void *run(void *user)
{
	struct keeper *k = user;
	eventfd_t rung;
	int from;

	thread_name_self("recorder");
	thread_step_back();
	recorder_settle();
	for (;;) {
		(void)eventfd_read(k->work_fd, &rung);
		if (atomic_load(&k->owner) == OWNER_THREAD) {
			k->outcome.error = write_recording(k);
			from = OWNER_THREAD;
			(void)atomic_compare_exchange_strong(&k->owner, &from, OWNER_DONE);
			ring(k->done_fd);
		}
		if (atomic_load(&k->owner) == OWNER_END)
			return NULL;
	}
}

/* --- the loop's side --- */

bool keeper_give(struct keeper *k, enum recorder_why why, const char *reason)
{
	if (atomic_load(&k->owner) != OWNER_LOOP)
		return false;
	k->outcome = (struct keeper_outcome){.why = why};
	(void)snprintf(k->outcome.reason, sizeof(k->outcome.reason), "%s", reason);
	atomic_store(&k->owner, OWNER_THREAD);
	ring(k->work_fd);
	return true;
}

int keeper_fd(const struct keeper *k)
{
	return k->done_fd;
}

bool keeper_take(struct keeper *k, struct keeper_outcome *outcome)
{
	eventfd_t rung;

	(void)eventfd_read(k->done_fd, &rung);
	if (atomic_load(&k->owner) != OWNER_DONE)
		return false;
	*outcome = k->outcome;
	atomic_store(&k->owner, OWNER_LOOP);
	return true;
}

static bool busy(const struct keeper *k)
{
	return atomic_load(&k->owner) == OWNER_THREAD;
}

bool keeper_wait(const struct keeper *k, uint64_t patience_usec)
{
	uint64_t now = now_usec(), until = now + patience_usec;
	struct pollfd done = {.fd = k->done_fd, .events = POLLIN};

	for (; busy(k) && now < until; now = now_usec())
		(void)poll(&done, 1, (int)((until - now) / USEC_PER_MSEC) + 1);
	return !busy(k);
}

/* --- the end by a signal --- */

static const struct {
	int number;
	const char *reason;
} crashes[] = {
	{SIGABRT, "SIGABRT: the loop did not turn and a watchdog ended it, or a library found a fault"},
	{SIGSEGV, "SIGSEGV: a bad address"},
	{SIGBUS, "SIGBUS: memory that is not there"},
	{SIGFPE, "SIGFPE: arithmetic"},
	{SIGILL, "SIGILL: an illegal instruction"},
};

static struct keeper *_Atomic crashing;

static void give_crash(struct keeper *k, int number)
{
	const char *reason = "";

	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		if (crashes[i].number == number)
			reason = crashes[i].reason;
	k->outcome.why = RECORDER_WHY_FATAL;
	memcpy(k->outcome.reason, reason, strlen(reason) + 1);
	atomic_store(&k->owner, OWNER_THREAD);
	ring(k->work_fd);
}

/* Runs in the loop's thread: the others block signals, and a fault of their own ends the process without a recording.
 */
static void on_crash(int number)
{
	struct keeper *k = atomic_exchange(&crashing, NULL);
	struct pollfd done;
	eventfd_t rung;

	if (k) {
		recorder_publish();
		(void)eventfd_read(k->done_fd, &rung);
		if (atomic_load(&k->owner) != OWNER_THREAD)
			give_crash(k, number);
		done = (struct pollfd){.fd = k->done_fd, .events = POLLIN};
		(void)poll(&done, 1, CRASH_MSEC);
	}
	(void)raise(number);
}

static void handle_crashes(void (*handler)(int), void (*instead_of)(int))
{
	const struct sigaction action = {.sa_handler = handler, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};

	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++) {
		struct sigaction before;

		if (sigaction(crashes[i].number, NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
		    before.sa_handler == instead_of)
			(void)sigaction(crashes[i].number, &action, NULL);
	}
}

/* --- building --- */

static void release(struct keeper *k)
{
	close_fd(&k->work_fd);
	close_fd(&k->done_fd);
	free(k);
}

int keeper_new(struct keeper **ret, const char *folder)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int r = 0;

	if (!k)
		return -ENOMEM;
	(void)snprintf(k->folder, sizeof(k->folder), "%s", folder);
	k->work_fd = eventfd(0, EFD_CLOEXEC);
	k->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->work_fd < 0 || k->done_fd < 0)
		r = -errno;
	if (r == 0)
		r = thread_start(&k->thread, STACK_BYTES, run, k);
	if (r < 0) {
		release(k);
		return r;
	}
	atomic_store(&crashing, k);
	handle_crashes(on_crash, SIG_DFL);
	*ret = k;
	return 0;
}

bool keeper_free(struct keeper *k, uint64_t patience_usec)
{
	if (!k)
		return true;
	handle_crashes(SIG_DFL, on_crash);
	atomic_store(&crashing, NULL);
	if (!keeper_wait(k, patience_usec)) {
		(void)pthread_detach(k->thread);
		return false;
	}
	atomic_store(&k->owner, OWNER_END);
	ring(k->work_fd);
	(void)pthread_join(k->thread, NULL);
	release(k);
	return true;
}
