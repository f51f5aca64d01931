/* SPDX-License-Identifier: Apache-2.0 */
/* What can be known of a daemon that does not answer: its process, its unit, its last line in the journal. */
#ifndef PORTSYNCD_CTL_ABSENCE_H
#define PORTSYNCD_CTL_ABSENCE_H

#include <jansson.h>

#include "ctl/ctl.h"

/* [{"pid", "state": "running|stopped|...", "seconds"}]: processes called portsyncd in the daemon's network namespace.
 */
json_t *absence_processes(const struct ctl *ctl);
/*
 * {"active", "sub", "result", "status", "since"}: what systemd says of portsyncd.service; null where no systemd
 * answers or it has no such unit.
 */
json_t *absence_unit(void);
/* {"state", "since", "status", "error"}: what supervisord says of the program portsyncd; null where none has it. */
json_t *absence_program(void);
/* {"at", "text"}: the last line that portsyncd wrote to this machine's journal; null. */
json_t *absence_last_line(void);

#endif
