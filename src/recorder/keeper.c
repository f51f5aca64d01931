/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "recorder/export.h"

#define CRASH_USEC (2 * USEC_PER_SEC)

struct keeper {
	char folder[PATH_MAX];
	struct keeper_outcome outcome; /* changes hands */
	struct worker *worker;
};

/* --- the thread --- */

static int write_recording(struct keeper *k)
{
	enum export_end end = k->outcome.why == RECORDER_WHY_FATAL ? EXPORT_ALL : EXPORT_TO_CHECKPOINT;
	char reason[RECORDER_TEXT_MAX + 32];
	struct text bytes = {0};
	int r;

	(void)snprintf(reason, sizeof(reason), "%s: %s", recorder_why_name(k->outcome.why), k->outcome.reason);
	r = export_recording(&bytes, end, reason);
	if (r == 0)
		r = folder_write(k->folder, time(NULL), bytes.data, bytes.len, k->outcome.name);
	free(bytes.data);
	return r;
}

static void work(void *user)
{
	struct keeper *k = user;

	k->outcome.error = write_recording(k);
}

static void settle(void *user)
{
	(void)user;
	recorder_settle();
}

/* --- the loop's side --- */

bool keeper_give(struct keeper *k, enum recorder_why why, const char *reason, enum worker_pace pace)
{
	if (!worker_is_idle(k->worker))
		return false;
	k->outcome = (struct keeper_outcome){.why = why};
	(void)snprintf(k->outcome.reason, sizeof(k->outcome.reason), "%s", reason);
	worker_give(k->worker, pace);
	return true;
}

int keeper_fd(const struct keeper *k)
{
	return worker_fd(k->worker);
}

bool keeper_take(struct keeper *k, struct keeper_outcome *outcome)
{
	if (!worker_take(k->worker))
		return false;
	*outcome = k->outcome;
	return true;
}

bool keeper_wait(const struct keeper *k, uint64_t patience_usec)
{
	return worker_wait(k->worker, patience_usec);
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
	worker_give(k->worker, WORKER_AT_ONCE);
}

/* Runs in the loop's thread: the others block signals, and a fault of their own ends the process without a recording.
 */
static void on_crash(int number)
{
	struct keeper *k = atomic_exchange(&crashing, NULL);

	if (k) {
		recorder_publish();
		if (!worker_is_busy(k->worker))
			give_crash(k, number);
		(void)worker_wait(k->worker, CRASH_USEC);
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

int keeper_new(struct keeper **ret, const char *folder)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	(void)snprintf(k->folder, sizeof(k->folder), "%s", folder);
	r = worker_new(&k->worker, &(struct worker_job){"recorder", settle, work, k});
	if (r < 0) {
		free(k);
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
	if (!worker_free(k->worker, patience_usec))
		return false;
	free(k);
	return true;
}
