/* SPDX-License-Identifier: Apache-2.0 */
/* Applies the configuration's [log] section, at the start and on SIGHUP. */
#ifndef PORTSYNCD_LOGGING_H
#define PORTSYNCD_LOGGING_H

#include "config/config.h"
#include "log/log.h"

void logging_open(const struct config *config);
/* What differs from the configuration that was in force before; what was changed otherwise meanwhile (LOGGER table,
 * SIGUSR1) stays as it is. A file is opened again in any case. */
void logging_change(const struct config *before, const struct config *now, const char *who);
/* The target that the configuration means; "auto" is resolved. */
enum log_target_type logging_target(const struct config *config);

#endif
