/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What section [performance] asks of the machine: memory, CPUs, scheduling. What it refuses is left as it was, with a
 * warning; the daemon works all the same.
 */
#ifndef PORTSYNCD_TUNING_H
#define PORTSYNCD_TUNING_H

#include <errno.h>

#include "config/config.h"
#include "log/audit.h"

/* Of the calling thread, before it makes others. Keys at their default leave alone what a supervisor may have set, but
 * memory is locked. Returns how many settings were refused. */
unsigned tuning_apply(const struct config *config);

/* One is refused, for a negative errno: a warning and a record. */
#define tuning_refused(error, ...)                                                                                     \
	audit_event(LOG_WARNING, KIND_TUNING_REFUSED,                                                                  \
		    (error) == -EPERM || (error) == -EACCES ? AUDIT_CAPABILITY : AUDIT_TUNING, AUDIT_FAILURE,          \
		    AUDIT_KERNEL, __VA_ARGS__)

#endif
