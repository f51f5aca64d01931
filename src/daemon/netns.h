/* SPDX-License-Identifier: Apache-2.0 */
/* --netns: the network namespace with this name. */
#ifndef PORTSYNCD_DAEMON_NETNS_H
#define PORTSYNCD_DAEMON_NETNS_H

#include "daemon/private.h"

/* Enters the network namespace of --netns. 0, or negative errno, which netns_report_missing() then logs. */
int netns_enter(struct daemon *d);
void netns_report_missing(struct daemon *d, int error);

/* Ends the daemon once that name is gone or belongs to another namespace. */
void netns_watch(struct daemon *d);
void netns_check(struct daemon *d);

#endif
