/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink link messages: bytes -> struct link_msg. Pure: no I/O, no log, no globals.
 * Layout: rtnetlink(7), linux/if_link.h, net/core/rtnetlink.c rtnl_fill_ifinfo().
 */
#ifndef PORTSYNCD_LINKMSG_H
#define PORTSYNCD_LINKMSG_H

#include <linux/netlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_KIND_MAX 16 /* with the terminating NUL; a longer kind is cut */

struct link_msg {
	uint16_t type;  /* RTM_NEWLINK or RTM_DELLINK */
	uint8_t family; /* ifi_family: AF_UNSPEC for the device itself, AF_BRIDGE for its bridge port */
	int ifindex;    /* > 0 */
	uint32_t flags; /* IFF_UP, IFF_RUNNING, ... */
	uint32_t mtu;   /* 0 when the message has none */
	uint32_t master;
	uint32_t carrier_up, carrier_down; /* IFLA_CARRIER_UP_COUNT, IFLA_CARRIER_DOWN_COUNT */
	char name[IFNAMSIZ];               /* "" when the message has none */
	char kind[LINK_KIND_MAX];          /* IFLA_INFO_KIND, "" when the message has none */
};

/*
 * Reads one message whose nlmsg_len was already checked against the bytes that are there (mnl_nlmsg_ok).
 * 0; -ENOMSG for a message that is neither RTM_NEWLINK nor RTM_DELLINK; -EBADMSG for one that lies about a length,
 * has no ifindex, or a name without end. Unknown attributes are skipped. *out is only written on 0.
 */
int linkmsg_parse(const struct nlmsghdr *nlh, struct link_msg *out);

typedef int (*linkmsg_each_fn)(const struct nlmsghdr *nlh, void *user);
/*
 * Calls each() for every message of a datagram until one returns other than 0, which is then returned. -EBADMSG for
 * a malformed tail. libmnl before 1.0.5 compares nlmsg_len as an int and takes a huge length for a
 * negative, fitting one: such a message is refused here.
 */
int linkmsg_walk(const void *datagram, size_t len, linkmsg_each_fn each, void *user);

#endif
