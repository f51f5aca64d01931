/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What section [performance] asks of the machine: memory, CPUs, scheduling. What it refuses is left as it was, with a
 * warning; the daemon works all the same.
 */
#ifndef PORTSYNCD_TUNING_H
#define PORTSYNCD_TUNING_H

#include "config/config.h"

/* Of the calling thread, before it makes others. Keys at their default leave alone what a supervisor may have set, but
 * memory is locked. Returns how many settings were refused. */
unsigned tuning_apply(const struct config *config);

#endif
