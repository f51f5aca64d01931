/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for database_config.json, or the global file that names it. On a switch the database container writes it when
 * that container starts. Until then nobody knows which Redis is which, so nothing is built but the pages that say so;
 * they are built again afterwards, since their thread still has all our rights. The wait has a loop of its own.
 */
#include "daemon/await.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/timer.h"
#include "daemon/end.h"
#include "daemon/judge.h"
#include "daemon/single.h"
#include "daemon/status.h"
#include "host/notify.h"
#include "log/log.h"

#define ERROR_BYTES 512
#define LOOK_USEC (500 * USEC_PER_MSEC)
#define LOOK_ACCURACY_USEC (100 * USEC_PER_MSEC)
#define GRACE_USEC (5 * USEC_PER_SEC) /* the file may be written in several steps */

struct await {
	struct daemon *d;
	sd_event_source *look;
	char reported[ERROR_BYTES];
	uint64_t faulty_since; /* since when the file exists but cannot be used; 0: it does not exist */
	int outcome;
};

/* Once for each reason: the global file may exist before the one that it names. */
static void report(struct await *a, const char *error)
{
	const char *allowed = strstr(error, "; allowed: ");
	int len = allowed ? (int)(allowed - error) : (int)strlen(error);

	if (strcmp(a->reported, error) == 0)
		return;
	(void)snprintf(a->reported, sizeof(a->reported), "%s", error);
	log_warning(KIND_DATABASES_AWAITED,
		    "it is not known yet where Redis is, so it is not contacted: %.*s; that file is awaited. On a "
		    "system without SONiC set [database] redis_unix_socket or redis_host",
		    len, error);
	notify_send(a->d->notify, "READY=1\nSTATUS=waits for the file that says where Redis is: %.*s", len, error);
}

/* While the file does not exist, and for a moment when it exists but cannot be used. */
static bool goes_on(struct await *a, int r)
{
	uint64_t now = now_usec();

	if (r == -ENOENT)
		a->faulty_since = 0;
	else if (r < 0 && a->faulty_since == 0)
		a->faulty_since = now;
	return r == -ENOENT || (r < 0 && now - a->faulty_since < GRACE_USEC);
}

static int on_look(sd_event_source *source, uint64_t usec, void *user)
{
	struct await *a = user;
	char error[ERROR_BYTES];
	int r = connections_read(a->d, error, sizeof(error));

	if (goes_on(a, r)) {
		report(a, error);
		timer_start_at(source, usec + LOOK_USEC);
		return 0;
	}
	if (r < 0)
		daemon_fail(a->d, "%s", error);
	else
		log_notice(KIND_DATABASES_KNOWN, "the file that says where Redis is exists now");
	a->outcome = r;
	return timer_exit(a->d->event, 0);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	struct await *a = user;

	(void)source;
	daemon_stops(a->d, info);
	a->outcome = -ECANCELED;
	return timer_exit(a->d->event, 0);
}

static int run(struct await *a)
{
	struct daemon *d = a->d;
	int r = sd_event_add_signal(d->event, &d->signals[0], SIGTERM, on_stop, a);

	if (r >= 0)
		r = sd_event_add_signal(d->event, &d->signals[1], SIGINT, on_stop, a);
	if (r >= 0)
		r = notify_attach(d->notify, d->event);
	if (r >= 0)
		r = single_serve(d);
	if (r >= 0)
		r = timer_add(&a->look, d->event, LOOK_ACCURACY_USEC, on_look, a);
	if (a->look)
		timer_start(a->look, LOOK_USEC);
	if (r >= 0)
		r = sd_event_loop(d->event);
	notify_detach(d->notify);
	d->single_asked = sd_event_source_disable_unref(d->single_asked);
	a->look = sd_event_source_disable_unref(a->look);
	for (size_t i = 0; i < 2; i++)
		d->signals[i] = sd_event_source_disable_unref(d->signals[i]);
	return r < 0 ? r : a->outcome;
}

int connections_await(struct daemon *d, const char *error)
{
	struct await a = {.d = d};
	int r = sd_event_new(&d->event);

	if (r < 0)
		return r;
	report(&a, error);
	d->awaited = a.reported;
	r = judge_build(d);
	if (r >= 0)
		r = status_build(d);
	if (r >= 0) {
		status_start(d);
		r = run(&a);
	}
	status_free(d);
	d->status_page = NULL;
	judge_free(d);
	d->judge = NULL;
	d->awaited = NULL;
	d->event = sd_event_unref(d->event);
	return r;
}
