/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's own copy of its options; for conn.c alone. */
#ifndef PORTSYNCD_CONN_OPTIONS_H
#define PORTSYNCD_CONN_OPTIONS_H

#include "redis/conn.h"

/* 0 or -ENOMEM; conn_options_free() is due in both cases. */
int conn_options_copy(struct conn_options *to, const struct conn_options *from);
/* Frees the strings. */
void conn_options_free(struct conn_options *opt);

#endif
