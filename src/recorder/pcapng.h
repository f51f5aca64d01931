/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng (draft-ietf-opsawg-pcapng) with netlink datagrams (LINKTYPE_NETLINK) and comments: what Wireshark and tshark
 * open. No I/O: the writer appends to a text, which the caller may write out and empty after each block; the
 * reader walks through bytes in memory. See remark.h for what the comments say.
 */
#ifndef PORTSYNCD_PCAPNG_H
#define PORTSYNCD_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define PCAPNG_COMMENT_MAX 65535 /* bytes; a longer comment is cut */

/* --- writing --- */

/* The block that is being written. */
struct pcapng_block {
	struct text *out; /* out->failed says at the end that memory was short */
	size_t begin;
};

/* Writes the section header, which takes comments, and after it the only interface. */
void pcapng_section_begin(struct pcapng_block *b, struct text *out);
void pcapng_section_end(struct pcapng_block *b);
/* One packet: a datagram of NETLINK_ROUTE at this time (since the epoch). */
void pcapng_packet_begin(struct pcapng_block *b, struct text *out, uint64_t nsec, const void *data, size_t len);
void pcapng_packet_end(struct pcapng_block *b);
/* Between begin and end of either. */
void pcapng_comment(struct pcapng_block *b, const char *text, size_t len);

/* --- reading --- */

#define PCAPNG_WHY_MAX 160

struct pcapng_comments {
	const unsigned char *options, *end; /* private */
};

struct pcapng_packet {
	uint64_t nsec;
	const void *data; /* in the bytes that are read; aligned to 4 bytes if those are */
	size_t len;
	size_t offset; /* of its block in the file */
	struct pcapng_comments comments;
};

struct pcapng_reader {
	const unsigned char *bytes;
	size_t len, at;
	struct pcapng_comments comments; /* the section's */
	size_t offset;                   /* after an error: of what is wrong */
	char why[PCAPNG_WHY_MAX];        /* and what that is */
};

/* Reads the section header and the interface. 0, or -EBADMSG. The bytes must outlive the reader. */
int pcapng_open(struct pcapng_reader *r, const void *bytes, size_t len);
/* 1 and a packet; 0 at the end of the file; -EBADMSG. Blocks and options that it does not know are skipped. */
int pcapng_next(struct pcapng_reader *r, struct pcapng_packet *packet);
/* The next comment, without a terminator, and what is left of them. False: there is none. */
bool pcapng_next_comment(struct pcapng_comments *left, const char **text, size_t *len);

#endif
