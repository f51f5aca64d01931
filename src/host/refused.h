/* SPDX-License-Identifier: Apache-2.0 */
/* How the settings of host/tuning.h say that the kernel refused one. */
#ifndef PORTSYNCD_REFUSED_H
#define PORTSYNCD_REFUSED_H

#include <errno.h>

#include "log/audit.h"

/* Reports a setting that was refused with a negative errno: a warning and an audit record. */
#define tuning_refused(error, ...)                                                                                     \
	audit_event(LOG_WARNING, KIND_TUNING_REFUSED,                                                                  \
		    (error) == -EPERM || (error) == -EACCES ? AUDIT_CAPABILITY : AUDIT_TUNING, AUDIT_FAILURE,          \
		    AUDIT_KERNEL, __VA_ARGS__)

#endif
