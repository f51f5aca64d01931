/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets to the kernel. Everything that touches a netlink socket is behind these calls, so a test puts
 * another implementation of this header in their place.
 */
#ifndef PORTSYNCD_NLSOCK_H
#define PORTSYNCD_NLSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NLSOCK_DATAGRAM_MAX (1U << 20) /* growth of the buffers ends here */

enum nlsock_outcome {
	NLSOCK_DATA,      /* n > 0 datagrams; there may be more */
	NLSOCK_AGAIN,     /* nothing (more) to read now; n datagrams came before that */
	NLSOCK_OVERRUN,   /* ENOBUFS: the kernel dropped messages for this socket */
	NLSOCK_TRUNCATED, /* a datagram was longer than its buffer: it is lost; the n others are good; the next
			     receive has buffers for one of its length */
	NLSOCK_ERROR,     /* error holds a negative errno */
};

struct nlsock_datagram {
	const void *data;
	size_t len;
};

struct nlsock_batch {
	enum nlsock_outcome outcome;
	int error;
	size_t n;
	size_t spoofed; /* datagrams dropped because their sender was not the kernel (nl_pid != 0) */
	const struct nlsock_datagram *datagram; /* n of them, the socket's */
};

struct nlsock_options {
	size_t rcvbuf; /* bytes asked for with SO_RCVBUFFORCE, then SO_RCVBUF */
	size_t sndbuf;
	unsigned receive_pool; /* of the event socket: datagrams that one receive call takes at most, from 1 on */
	size_t datagram_bytes; /* first size of a buffer, which grows when the kernel sends a longer datagram */
};

struct nlsock;

/*
 * A socket subscribed to RTNLGRP_LINK, behind a filter that lets only RTM_NEWLINK and RTM_DELLINK of family AF_UNSPEC
 * pass: bridge port messages (AF_BRIDGE) say nothing of the device and a released bridge port is not a deleted link
 * (S12). 0 or negative errno.
 */
int nlsock_open_events(struct nlsock **ret, const struct nlsock_options *opt);

/* A socket for one dump; closing it ends the dump. 0 or negative errno. */
int nlsock_open_dump(struct nlsock **ret, const struct nlsock_options *opt);

/* Asks for all links (RTM_GETLINK, without statistics), to be answered with this sequence number. 0 or negative errno.
 */
int nlsock_request_dump(struct nlsock *s, uint32_t seq);

/*
 * A socket for questions that must not make the loop wait: a thread asks the kernel, see kernel/asker.h. It is opened
 * with the rights of the start; nlsock_start_asking() starts the thread, with those that are left then. 0 or negative
 * errno.
 */
int nlsock_open_asking(struct nlsock **ret, const struct nlsock_options *opt);
int nlsock_start_asking(struct nlsock *s);

/*
 * Asks such a socket for one link, to be answered with this sequence number: RTM_NEWLINK, or NLMSG_ERROR with -ENODEV.
 * nlsock_request_dump() asks it for all. 0 or negative errno.
 */
int nlsock_request_link(struct nlsock *s, int ifindex, uint32_t seq);

/*
 * Reads without waiting. The datagrams stay valid until the next call on the same socket. A socket error is never
 * peeked at, since that would eat the ENOBUFS.
 */
void nlsock_receive(struct nlsock *s, struct nlsock_batch *batch);

int nlsock_fd(const struct nlsock *s);
/* What the kernel really granted, as SO_RCVBUF reports it (twice the request: it counts its own overhead). */
size_t nlsock_rcvbuf(const struct nlsock *s);
bool nlsock_rcvbuf_forced(const struct nlsock *s);

/*
 * Sets links administratively down, one RTM_NEWLINK request each, and waits for the kernel's answers (it answers at
 * once). results[i] becomes 0 or a negative errno. Returns a negative errno when no request could be made at all.
 */
int nlsock_set_links_down(const int *ifindex, size_t n, int *results);

void nlsock_free(struct nlsock *s);

/* Sends the request for one link, or for all (ifindex 0), by this socket. 0 or negative errno. */
int nlsock_send_request(int fd, int ifindex, uint32_t seq);

#endif
