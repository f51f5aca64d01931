/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flight recorder: what the kernel sent and what was decided, in a ring of memory that always holds the last few
 * megabytes. The loop's thread writes it without an allocation, a system call or a lock; any thread copies it at any
 * time (recorder_copy()). docs/design/recorder.md has the reasons.
 *
 * The loop calls all but recorder_copy(), recorder_figures() and recorder_settle(). While the recorder is off they do
 * nothing. Entries bear the time that recorder_time() set last: an entry reads no clock.
 */
#ifndef PORTSYNCD_RECORDER_RECORDER_H
#define PORTSYNCD_RECORDER_RECORDER_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define RECORDER_MIN_BYTES (1U << 20)
#define RECORDER_TEXT_MAX 240 /* bytes of a text, NUL included */

/* Where a datagram came from. */
enum recorder_source { RECORDER_EVENTS, RECORDER_DUMP, RECORDER_ANSWER };

/* What was lost on the event socket, and why. */
enum recorder_loss { RECORDER_OVERRUN, RECORDER_TRUNCATED, RECORDER_SOCKET_ERROR };

enum recorder_act {
	RECORDER_OWED,  /* the kernel changed these fields */
	RECORDER_SENT,  /* these fields of this row were sent to Redis, or a deletion */
	RECORDER_ACKED, /* Redis acknowledged that */
};

/* Beside ROW_BIT()s and OWED_DOUBT. */
#define RECORDER_DELETION (1U << 5)

/* Four fields as in struct row: -1 is missing, -2 is what we never write. */
struct recorder_row {
	int32_t mtu;
	int32_t state : 8, oper : 8, admin : 8, unused : 8;
};
#define RECORDER_NO_ROW ((struct recorder_row){-1, -1, -1, -1, 0})

/* What was known of a port at a checkpoint. */
struct recorder_port {
	char name[IFNAMSIZ];
	int32_t ifindex; /* 0: it has no link, and flags, mtu, master mean nothing */
	uint32_t flags, mtu, master;
	uint32_t carrier_up, carrier_down;
	bool old, configured, expected;
	bool row_known;          /* row is what Redis acknowledged; else it was not read yet */
	bool owed;               /* what Redis has is not what it should have */
	struct recorder_row row; /* all fields missing: there is no row */
};

/* Why a recording is written. */
enum recorder_why {
	RECORDER_WHY_LOST,
	RECORDER_WHY_DRIFT,
	RECORDER_WHY_REFUSED,
	RECORDER_WHY_INIT_LATE,
	RECORDER_WHY_SILENT,
	RECORDER_WHY_FATAL,
	RECORDER_WHY_REQUEST,
	RECORDER_WHYS
};

/* Takes the memory, and touches its first 2 MiB; 0 bytes: the recorder stays off. 0 or -ENOMEM. Call it before other
 * threads start. */
int recorder_start(size_t bytes);
/* Touches the rest, so that no event waits for a page: a millisecond for 6 MiB. Any thread, while the loop writes. */
void recorder_settle(void);
/* Call it when no other thread uses the recorder. */
void recorder_stop(void);
bool recorder_is_on(void);

/* Sets the time of the entries that follow, CLOCK_MONOTONIC. */
void recorder_time(uint64_t nsec);
/* Moves what was written into the ring. Call it at the end of each turn of the loop. */
void recorder_turn_ends(void);
/* Lets readers see it. Call it at the beginning of the next turn, when it has reached memory and nothing waits for
 * that. A checkpoint does both. */
void recorder_publish(void);

/* A datagram of the kernel. One that is longer than a quarter of the ring is left out, and that is noted. */
void recorder_datagram(enum recorder_source source, const void *data, size_t len);
void recorder_lost(enum recorder_loss loss);
/* The watch came into this state. */
void recorder_state(unsigned state, const char *name);
/* Decisions. port: a name with all its IFNAMSIZ bytes. */
void recorder_owed(const char *port, unsigned fields);
void recorder_sent(const char *port, unsigned fields, struct recorder_row row);
void recorder_acked(const char *port, unsigned fields);
/* Redis refused a row, or its deletion, and said this. */
void recorder_refused(const char *port, unsigned fields, const char *answer);
/* A connection is there, or was lost for this reason. */
void recorder_connection(const char *label, bool up, const char *reason);
void recorder_note(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * A checkpoint: all that is known of the ports. A copy begins with one, so that it is complete. One is due when an
 * eighth of the ring was written since the last one; it is made between recorder_checkpoint_begins() and _ends(), where
 * only recorder_port() is called. While a dump is being read (dumping) it is due later, since it would lack what the
 * dump's rows said so far: a copy begins with one only where there is no other.
 */
bool recorder_checkpoint_due(bool dumping);
void recorder_checkpoint_begins(unsigned watch_state, const char *state_name, bool dumping);
void recorder_port(const struct recorder_port *port);
void recorder_checkpoint_ends(void);

/* Something happened that is worth a recording. The first reason waits until recorder_take_trigger(), a fatal one in
 * any case. */
void recorder_trigger(enum recorder_why why, const char *format, ...) PRINTF_LIKE(2, 3);
bool recorder_is_triggered(void);
void recorder_take_trigger(enum recorder_why *why, char text[RECORDER_TEXT_MAX]);
const char *recorder_why_name(enum recorder_why why);

/* --- any thread --- */

/* What another thread wants of the loop, which must be woken for it: a checkpoint now, or a recording in the folder. */
enum recorder_request { RECORDER_WANTS_NOTHING, RECORDER_WANTS_CHECKPOINT, RECORDER_WANTS_FILE };
void recorder_request(enum recorder_request request);
/* For the loop: the last request, once. */
enum recorder_request recorder_take_request(void);

enum recorder_kind {
	RECORDER_ENTRY_DATAGRAM,   /* detail: enum recorder_source; the bytes */
	RECORDER_ENTRY_LOST,       /* detail: enum recorder_loss */
	RECORDER_ENTRY_STATE,      /* detail: the state; its name */
	RECORDER_ENTRY_DECISION,   /* detail: enum recorder_act; struct recorder_decision */
	RECORDER_ENTRY_REFUSED,    /* struct recorder_decision, then a text */
	RECORDER_ENTRY_CONNECTION, /* detail: 1 up, 0 lost; "label" or "label: reason" */
	RECORDER_ENTRY_NOTE,       /* a text */
	RECORDER_ENTRY_CHECKPOINT, /* detail: the watch's state; its name; RECORDER_ENTRY_PORTs and _END follow */
	RECORDER_ENTRY_PORT,       /* struct recorder_port */
	RECORDER_ENTRY_END,
	RECORDER_ENTRY_PAD,
};

struct recorder_decision {
	char port[IFNAMSIZ];
	struct recorder_row row; /* of RECORDER_SENT */
	uint64_t fields;
};

/* As recorder_next() shows it. Texts end with a NUL within their length. */
struct recorder_entry {
	uint64_t nsec; /* CLOCK_MONOTONIC */
	size_t len;    /* of the data */
	unsigned kind, detail;
	const unsigned char *data;
};

/* Part of the ring as it was, entry after entry. */
struct recorder_copy {
	unsigned char *bytes;
	size_t len;
	bool whole;         /* it begins with a checkpoint */
	uint64_t datagrams; /* since the start */

	/* recorder_next()'s: where it is, and what it showed last. */
	size_t at;
	unsigned part;
	struct recorder_entry entry;
	struct recorder_decision decision;
};

/*
 * Copies what the ring holds, from its oldest checkpoint on. The writer goes on meanwhile; what it overwrote is left
 * out. 0, -ENODATA if it is off or empty, -ENOMEM, or -EAGAIN if the writer was faster each time.
 */
int recorder_copy(struct recorder_copy *ret);
void recorder_copy_free(struct recorder_copy *copy);
/* The next entry, valid until the next call; NULL after the last one. Only the data of decisions are overwritten by it.
 */
const struct recorder_entry *recorder_next(struct recorder_copy *copy);
/* The next entry is the first one again. */
void recorder_rewind(struct recorder_copy *copy);

struct recorder_figures {
	uint64_t bytes;     /* the ring's size; 0: off */
	uint64_t written;   /* bytes so far */
	uint64_t datagrams; /* so far */
};
struct recorder_figures recorder_figures(void);

#endif
