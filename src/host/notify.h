/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to the service manager, by the protocol of sd_notify(3). sd_notify() blocks while the manager's socket is
 * full, which would hold up the loop. Here a message that does not fit is sent later.
 */
#ifndef PORTSYNCD_HOST_NOTIFY_H
#define PORTSYNCD_HOST_NOTIFY_H

#include <systemd/sd-event.h>

#include "base/util.h"

struct notify;

/* Reads NOTIFY_SOCKET. Without a manager *ret is NULL, which every call accepts. 0 or negative errno. */
int notify_new(struct notify **ret);
void notify_free(struct notify *n);

/* From now on the loop sends what did not fit, and WATCHDOG=1 as often as WATCHDOG_USEC demands. 0 or negative errno.
 */
int notify_attach(struct notify *n, sd_event *event);
/* Call it before that loop is freed. Tries once more to send what still waits: it may be STOPPING=1. */
void notify_detach(struct notify *n);

/* Lines of sd_notify(3), "READY=1"; they arrive in order. A STATUS= that was not sent yet gives way to a newer one. */
void notify_send(struct notify *n, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
