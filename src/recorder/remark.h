/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the comments of a recording say, in a fixed grammar (version 1): "portsyncd:<kind> key=value ...", each key of
 * the kind once and in the order of the table in remark.c. A value has no blank: bytes outside of "!".."~", and "%"
 * itself, are written as %NN; an empty one is "-". Comments that begin otherwise are for people only.
 *
 * The order of a recording; any other is refused:
 *
 *  - in the section's first comment: recording
 *  - in a packet: checkpoint; then a packet with port for each port of the model, with the RTM_NEWLINK of its link
 *    (ifindex, name, flags, MTU, master) if it has one
 *  - packets of the ring from that checkpoint on: datagram, with what was received, in the order in which the loop got
 *    it; what was decided after it follows in the same packet, or in packets of its own. Further checkpoints
 *    may stand in between; one at the end says where all of it led to
 *  - in the last packet: end
 *
 * A packet without a datagram or a link has an empty NLMSG_NOOP message. A dump counts from its "state=dumping" on: its
 * datagrams without that, at the beginning, are skipped.
 */
#ifndef PORTSYNCD_REMARK_H
#define PORTSYNCD_REMARK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define REMARK_VERSION 1
#define REMARK_PREFIX "portsyncd:"
#define REMARK_TEXT_MAX 256 /* with the terminating NUL; the writer cuts, the reader refuses longer ones */

enum remark_kind {
	REMARK_RECORDING,  /* version, text (the reason), daemon, host, dropped */
	REMARK_CHECKPOINT, /* after, state: what is known at this time follows */
	REMARK_PORT,       /* port, link, old, configured, known, owes, row */
	REMARK_DATAGRAM,   /* socket */
	REMARK_LOST,       /* after, loss */
	REMARK_STATE,      /* after, state */
	REMARK_OWED,       /* after, port, owed */
	REMARK_SENT,       /* after, port, owed (what was sent), row; a deletion: only that bit, and no row */
	REMARK_ACKED,      /* after, port, owed */
	REMARK_REFUSED,    /* after, port, owed, text (Redis' answer) */
	REMARK_CONN,       /* after, up, text (the connection's label, and why it was lost) */
	REMARK_NOTE,       /* after, text */
	REMARK_END,        /* packets: how many precede this one */
	REMARK_KINDS
};

enum remark_socket { REMARK_EVENTS, REMARK_DUMP, REMARK_ASKED };
enum remark_loss { REMARK_OVERRUN, REMARK_TRUNCATED, REMARK_SOCKET_ERROR };
enum remark_state { REMARK_UNSYNCED, REMARK_DUMPING, REMARK_SETTLING, REMARK_SYNCED };

/* Bits of owed: the fields in the order of enum row_field, then OWED_DOUBT and the deletion. */
#define REMARK_OWED_BITS 6
#define REMARK_OWED_DELETION (1U << 5)

#define REMARK_ROW_FIELDS 4 /* state, oper, admin, mtu, as in enum row_field */

/* Only the members that the kind names count. */
struct remark {
	enum remark_kind kind;
	uint64_t version, dropped, packets; /* dropped: datagrams that came and are not in the ring any more */
	uint64_t after;                     /* microseconds after the time of the packet */
	uint64_t socket, loss, state, owed;
	uint64_t up;                    /* 0 or 1, as those of a port: */
	uint64_t link, old, configured; /* it has a link; that was there before a cold start; APPL_DB has a row of it */
	uint64_t known, owes;           /* row is what Redis holds; that is not yet what it should hold */
	int64_t row[REMARK_ROW_FIELDS]; /* as in struct row: >= 0, -1 (not there), -2 (not one of ours) */
	char port[IFNAMSIZ];
	char daemon[32], host[72];
	char text[REMARK_TEXT_MAX];
};

/* Appends the comment's text. */
void remark_format(struct text *out, const struct remark *remark);

enum remark_outcome { REMARK_GOOD, REMARK_FOREIGN, REMARK_BAD };
/*
 * REMARK_FOREIGN: the comment does not begin as ours do. REMARK_BAD: why says what is wrong. A recording of a
 * newer version is good here as far as its version, whatever follows that.
 */
enum remark_outcome remark_parse(const char *text, size_t len, struct remark *ret, char *why, size_t size);

#endif
