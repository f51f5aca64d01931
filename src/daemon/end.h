/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon ends: a fault, a signal, and what was suppressed until then. */
#ifndef PORTSYNCD_DAEMON_END_H
#define PORTSYNCD_DAEMON_END_H

#include <sys/signalfd.h>

#include "daemon/private.h"
#include "log/record.h"

/* Ends the daemon: one line and record says why, on stderr too if that shows no lines of the log. */
void daemon_fail_for(struct daemon *d, enum log_kind event, const char *format, ...) PRINTF_LIKE(3, 4);
#define daemon_fail(d, ...) daemon_fail_for(d, AUDIT_STOP, __VA_ARGS__)

/* SIGTERM or SIGINT came: logs it, and begins to stop. */
void daemon_stops(struct daemon *d, const struct signalfd_siginfo *info);

/* Logs how many lines and records were suppressed; end: also in windows that still last. */
void daemon_report_suppressed(struct daemon *d, bool end);

/* "pid N uid N" of the sender of a signal, for audit records. Returns out. */
const char *daemon_sender(const struct signalfd_siginfo *info, char out[LOG_SUBJECT_BYTES]);

#endif
