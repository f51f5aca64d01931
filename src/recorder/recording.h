/* SPDX-License-Identifier: Apache-2.0 */
/* A recording as a whole, for a replay: read at once and checked from the first byte to the last. */
#ifndef PORTSYNCD_RECORDING_H
#define PORTSYNCD_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/remark.h"

#define RECORDING_BYTES_MAX (UINT32_MAX / 2) /* the largest ring, 1 GiB, has fewer */
#define RECORDING_WHY_MAX 224

/* What a replay follows, in the recorded order. */
enum recording_kind {
	RECORDING_DATAGRAM, /* remark: its socket; with data */
	RECORDING_LOSS,     /* remark: what was lost */
	RECORDING_DUMP,     /* the daemon asked for all links: answers on the dump socket follow */
};

struct recording_item {
	enum recording_kind kind;
	uint64_t nsec; /* since the epoch */
	uint64_t remark;
	void *data; /* aligned to 4 bytes */
	size_t len;
};

/* A port at a checkpoint. */
struct recording_port {
	struct remark remark;
	void *data; /* RTM_NEWLINK, if it has a link */
	size_t len;
};

/* Ports of the model at some moment: ports[first_port ..], when items[before_item] had not come yet. */
struct recording_checkpoint {
	size_t before_item, first_port, n_ports;
};

struct recording {
	struct remark about; /* REMARK_RECORDING */
	struct recording_item *items;
	size_t n_items, n_datagrams, n_losses;
	struct recording_checkpoint *checkpoints;
	size_t n_checkpoints;
	struct recording_port *ports;
	size_t n_ports;

	void *bytes; /* private, with the sizes of the arrays */
	size_t items_size, checkpoints_size, ports_size;
};

/*
 * Takes over the bytes (malloc'ed, or NULL with len 0), also on an error. 0; -EBADMSG: they are not a recording, or not
 * all of one; -EPROTO: a newer version; -ENOMEM. why says which byte is wrong and how. Memory is in proportion to len.
 */
int recording_parse(struct recording **ret, void *bytes, size_t len, char *why, size_t size);
/* The same from a file; also the errors of file_open(). */
int recording_load(struct recording **ret, const char *path, char *why, size_t size);
/* The checkpoint at the beginning, and at the end; NULL: there is none. */
const struct recording_checkpoint *recording_first(const struct recording *r);
const struct recording_checkpoint *recording_last(const struct recording *r);
/* NULL is fine. */
void recording_free(struct recording *r);

#endif
