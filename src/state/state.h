/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives a restart, and the text it is kept as: JSON whose last member is the SHA-256 of every byte before it,
 * so that nothing is parsed that was not written as it is. Pure: no file is touched here. Redis and the kernel stay the
 * truth of all state; these are counters only.
 */
#ifndef PORTSYNCD_STATE_H
#define PORTSYNCD_STATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_VERSION 1
#define STATE_MAX_BYTES (4U << 20)
#define STATE_MAX_PORTS 16384
#define STATE_MAX_NUMBER (UINT64_C(1) << 53) /* what every reader of JSON keeps exactly */
#define STATE_BOOT_ID_BYTES 33

/* Numbers go on so far above the last ones saved when nobody knows how many were given after them. */
#define STATE_STRIDE UINT64_C(1000000)

struct state_port {
	char name[IFNAMSIZ];
	uint64_t flaps;
	uint64_t changed_msec; /* since the epoch, when the last change came; 0: none came */
};

struct state {
	uint64_t saved_msec;               /* since the epoch */
	bool clean;                        /* written at an orderly stop: no number was given since */
	char boot_id[STATE_BOOT_ID_BYTES]; /* of the boot it was written in, 32 hexadecimal digits */
	uint64_t event_id, audit_seq;      /* the last ones given */
	size_t n_ports, room;
	struct state_port *ports; /* the state's own memory */
};

void state_done(struct state *s);
/* Room for so many ports, at most STATE_MAX_PORTS. 0, -E2BIG or -ENOMEM. */
int state_reserve(struct state *s, size_t ports);
/* One more port; false: there is no room, or the name is none that state_keeps(). */
bool state_add(struct state *s, const char *name, uint64_t flaps, uint64_t changed_msec);

/* Whether a port of this name can be kept: 1 to 15 printable characters of ASCII without space. */
bool state_keeps(const char *name);

/*
 * Reads a whole file's bytes into *s, which is empty. 0, or -ENOMEM, -EINVAL (it is damaged or no state), -EPROTO (of a
 * newer version), with a line in why; *s is empty then.
 */
int state_parse(struct state *s, const char *bytes, size_t len, char *why, size_t size);

/* The file's bytes, the caller's to free. 0 or -ENOMEM. A number that is too large is written as the largest. */
int state_format(const struct state *s, char **ret, size_t *len);

/* The same from the members before the checksum: all of a JSON object but its closing brace. */
int state_seal(const char *members, size_t members_len, char **ret, size_t *len);

#endif
