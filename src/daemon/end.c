/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/end.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timer.h"
#include "host/notify.h"
#include "log/audit.h"
#include "recorder/recorder.h"
#include "sonic/portlog.h"

#define FAIL_WAIT_MS 1000 /* how long a line waits for a stderr that nobody reads */

void daemon_fail_for(struct daemon *d, enum log_kind event, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	audit_event(LOG_ERR, KIND_ENDED_BY_FAULT, event, AUDIT_FAILURE, audit_self(), "%s", text);
	if (!log_shows_on_stderr())
		say_on_stderr(FAIL_WAIT_MS, "portsyncd: %s", text);
	recorder_trigger(RECORDER_WHY_FATAL, "%s", text);
	d->status = EXIT_FAILURE;
	if (d->event)
		(void)timer_exit(d->event, EXIT_FAILURE);
}

void daemon_report_suppressed(struct daemon *d, bool end)
{
	if (d->links)
		portlog_report_suppressed(d->links, end);
	log_report_suppressed(end);
}

const char *daemon_sender(const struct signalfd_siginfo *info, char out[LOG_SUBJECT_BYTES])
{
	return audit_process(out, (pid_t)info->ssi_pid, info->ssi_uid);
}

void daemon_stops(struct daemon *d, const struct signalfd_siginfo *info)
{
	char who[LOG_SUBJECT_BYTES];

	d->stopping = true;
	audit_event(LOG_NOTICE, KIND_STOPPING, AUDIT_STOP, AUDIT_SUCCESS, daemon_sender(info, who), "stopping on %s",
		    info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
	notify_send(d->notify, "STOPPING=1");
}
