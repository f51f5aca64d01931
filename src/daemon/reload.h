/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration is read again. */
#ifndef PORTSYNCD_DAEMON_RELOAD_H
#define PORTSYNCD_DAEMON_RELOAD_H

#include "daemon/private.h"

/* Reports that the configuration has faults and is used all the same. complaints may be NULL, and is overwritten. */
void reload_report_faults(const struct config *config, char *complaints);

/* Reads the configuration again; who is the requester, for the audit record. A bad one is logged and changes nothing.
 */
void reload(struct daemon *d, const char *who);

#endif
