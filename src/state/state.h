/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives a restart, and its text: JSON whose last member is the SHA-256 of every byte before it, so that a
 * damaged file is never parsed. Touches no file. It holds counters and the history only: for everything else Redis and
 * the kernel have the truth.
 */
#ifndef PORTSYNCD_STATE_H
#define PORTSYNCD_STATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "ports/changes.h"

#define STATE_VERSION 2 /* 1, which had no changes, is read too */
#define STATE_MAX_BYTES (16U << 20)
#define STATE_MAX_PORTS 16384
#define STATE_MAX_NUMBER (UINT64_C(1) << 53) /* what every reader of JSON keeps exactly */
#define STATE_BOOT_ID_BYTES 33

/* After an unclean end nobody knows which numbers were issued after the last save, so this many are skipped. */
#define STATE_STRIDE UINT64_C(1000000)
/* A process whose state is not saved skips this many numbers, and as many more as the clock's microseconds modulo the
 * span. */
#define STATE_APART UINT64_C(1000000000000)
#define STATE_APART_SPAN UINT64_C(9123456789127) /* 105 days; not round, since clocks are set to round times */

struct state_port {
	char name[IFNAMSIZ];
	uint64_t flaps;
	uint64_t changed_msec; /* the last change, milliseconds since the epoch; 0: none */
};

struct state {
	uint64_t saved_msec;               /* since the epoch */
	bool clean;                        /* written at an orderly stop: no number was issued since */
	char boot_id[STATE_BOOT_ID_BYTES]; /* of the boot it was written in, 32 hexadecimal digits */
	uint64_t event_id, audit_seq;      /* the last ones issued */
	size_t n_ports, capacity;
	struct state_port *ports; /* the state's own memory */
	size_t n_changes, changes_capacity;
	struct change *changes; /* the last ones, oldest first; the state's own memory, too */
	/* Where state_collect() finds the changes, as positions of the ring; NULL: they are here. */
	const struct changes *ring;
	uint64_t ring_from, ring_to;
};

void state_done(struct state *s);
/* Reserves capacity for that many ports, at most STATE_MAX_PORTS. 0, -E2BIG or -ENOMEM. */
int state_reserve(struct state *s, size_t ports);
/* Adds a port whose name is not there yet; false if there is no capacity left or state_keeps() refuses it. */
bool state_add(struct state *s, const char *name, uint64_t flaps, uint64_t changed_msec);

/* Reserves capacity for that many changes, at most CHANGES_KEPT_MAX. 0, -E2BIG or -ENOMEM. */
int state_reserve_changes(struct state *s, size_t changes);
/* Copies the changes out of the ring, except those of names that state_keeps() refuses. Any thread. 0 or -ENOMEM. */
int state_collect(struct state *s);

/* Whether a port of this name can be kept: 1 to 15 printable characters of ASCII without space. */
bool state_keeps(const char *name);

/*
 * Parses a whole file into the empty *s. 0, or with a line in why and *s still empty: -ENOMEM, -EINVAL (damaged, or not
 * a state file), -EPROTO (newer version).
 */
int state_parse(struct state *s, const char *bytes, size_t len, char *why, size_t size);

/* Makes the file's bytes; the caller frees them. 0 or -ENOMEM. Numbers are capped at the largest that JSON holds. */
int state_format(const struct state *s, char **ret, size_t *len);

/* The same from the members before the checksum: all of a JSON object but its closing brace. They become the bytes, or
 * are freed. */
int state_seal(struct text *members, char **ret, size_t *len);

#endif
