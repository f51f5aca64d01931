/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's [log] section into the log, at the start and on SIGHUP. */
#ifndef PORTSYNCD_LOGGING_H
#define PORTSYNCD_LOGGING_H

#include "config/config.h"
#include "log/log.h"

void logging_open(const struct config *config);
/* What differs from the configuration that was in force before; what was changed otherwise meanwhile (LOGGER table,
 * SIGUSR1) stays as it is. A file is opened again in any case. */
void logging_change(const struct config *before, const struct config *now, const char *who);
/* The target that the configuration asks for, here and now. */
enum log_target_type logging_sink(const struct config *config);

#endif
