/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads our four fields back from every row of STATE_DB PORT_TABLE: the rows of the ports that are known, and those
 * that an earlier run left behind.
 */
#ifndef PORTSYNCD_READBACK_H
#define PORTSYNCD_READBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "ports/links.h"
#include "redis/conn.h"

struct readback_ops {
	/* What Redis held; row NULL: the key is not a hash. generation is the port's when the question was sent. */
	void (*row)(struct port *port, const struct row *row, uint32_t generation, void *user);
	/* complete: every row was read. */
	void (*done)(bool complete, void *user);
};

struct readback;

struct readback *readback_new(struct links *links, struct conn *conn, const char *separator,
			      const struct readback_ops *ops, void *user);
void readback_free(struct readback *rb);
/* 0; -EALREADY while one runs; or conn_command()'s errors. */
int readback_start(struct readback *rb);

#endif
