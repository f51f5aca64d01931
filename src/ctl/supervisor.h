/* SPDX-License-Identifier: Apache-2.0 */
/* What supervisord, which runs the daemon on a switch, says of it. */
#ifndef PORTSYNCD_CTL_SUPERVISOR_H
#define PORTSYNCD_CTL_SUPERVISOR_H

#include <jansson.h>

/*
 * {"state": "EXITED", "since": seconds since the epoch, "status", "error"} of its program portsyncd; NULL where no
 * supervisord answers (its socket and password are those of /etc/supervisor/supervisord.conf) or it has no such
 * program. Waits for no longer than CTL_ANSWER_SECS of silence.
 */
json_t *supervisor_ask(void);

#endif
