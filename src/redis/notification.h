/* SPDX-License-Identifier: Apache-2.0 */
/* What a subscription hears (redis.io/docs/manual/keyspace-notifications). For conn.c alone. */
#ifndef PORTSYNCD_NOTIFICATION_H
#define PORTSYNCD_NOTIFICATION_H

#include "redis/conn.h"

/* Gives a notification to whom it is for. What is none is passed over. */
void notification_take(const struct resp_value *v, const struct conn_ops *ops, void *user);

#endif
