/* SPDX-License-Identifier: Apache-2.0 */
/* A recording, made packet by packet. */
#ifndef PORTSYNCD_TEST_TAPE_H
#define PORTSYNCD_TEST_TAPE_H

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "recorder/pcapng.h"
#include "recorder/remark.h"

#define TAPE_BEGIN UINT64_C(1792000000000000000)
#define TAPE_STEP NSEC_PER_MSEC /* between two packets */
#define TAPE_UP (1U | 0x40U)    /* IFF_UP, IFF_RUNNING */

struct tape {
	struct text out;
	uint64_t packets;
};

struct tape_link {
	int ifindex;
	const char *name;
	uint32_t flags, mtu, master;
};

static inline void free_tape(struct tape *t)
{
	free(t->out.data);
}

static inline void tape_remark(struct pcapng_block *b, const struct remark *remark)
{
	struct text comment = {0};

	remark_format(&comment, remark);
	pcapng_comment(b, comment.data, comment.len);
	free(comment.data);
}

static inline void tape_packet(struct tape *t, const struct remark *remark, const void *data, size_t len)
{
	static const struct nlmsghdr nothing = {.nlmsg_len = sizeof(nothing), .nlmsg_type = NLMSG_NOOP};
	struct pcapng_block b;

	pcapng_packet_begin(&b, &t->out, TAPE_BEGIN + t->packets++ * TAPE_STEP, data ? data : &nothing,
			    data ? len : sizeof(nothing));
	tape_remark(&b, remark);
	pcapng_packet_end(&b);
}

static inline void tape_begin(struct tape *t)
{
	const struct remark about = {
		.kind = REMARK_RECORDING, .version = 1, .text = "a test", .daemon = "0.2.0", .host = "here"};
	struct pcapng_block b;

	*t = (struct tape){0};
	pcapng_section_begin(&b, &t->out);
	tape_remark(&b, &about);
	pcapng_section_end(&b);
}

static inline void tape_end(struct tape *t)
{
	tape_packet(t, &(struct remark){.kind = REMARK_END, .packets = t->packets}, NULL, 0);
}

/* Its length; buffer has room for 512 bytes. */
static inline size_t tape_message(void *buffer, uint16_t type, uint16_t flags, const struct tape_link *link)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = 77; /* of the recorded daemon's dump */
	info->ifi_index = link->ifindex;
	info->ifi_flags = link->flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
	mnl_attr_put_u32(nlh, IFLA_MTU, link->mtu);
	if (link->master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, link->master);
	return nlh->nlmsg_len;
}

static inline void tape_link(struct tape *t, enum remark_socket socket, uint16_t type, uint16_t flags,
			     struct tape_link link)
{
	_Alignas(4) unsigned char buffer[512] = {0};
	size_t len = tape_message(buffer, type, flags, &link);

	tape_packet(t, &(struct remark){.kind = REMARK_DATAGRAM, .socket = socket}, buffer, len);
}

static inline void tape_event(struct tape *t, uint16_t type, struct tape_link link)
{
	tape_link(t, REMARK_EVENTS, type, 0, link);
}

static inline void tape_row(struct tape *t, struct tape_link link)
{
	tape_link(t, REMARK_DUMP, RTM_NEWLINK, NLM_F_MULTI, link);
}

static inline void tape_done(struct tape *t, uint16_t flags)
{
	struct {
		struct nlmsghdr nlh;
		int result;
	} done = {.nlh = {.nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE, .nlmsg_flags = flags | NLM_F_MULTI}};

	done.nlh.nlmsg_seq = 77;
	tape_packet(t, &(struct remark){.kind = REMARK_DATAGRAM, .socket = REMARK_DUMP}, &done, sizeof(done));
}

static inline void tape_state(struct tape *t, enum remark_state state)
{
	tape_packet(t, &(struct remark){.kind = REMARK_STATE, .state = state}, NULL, 0);
}

static inline void tape_lost(struct tape *t, enum remark_loss loss)
{
	tape_packet(t, &(struct remark){.kind = REMARK_LOST, .loss = loss}, NULL, 0);
}

static inline void tape_checkpoint(struct tape *t)
{
	tape_packet(t, &(struct remark){.kind = REMARK_CHECKPOINT, .state = REMARK_SYNCED}, NULL, 0);
}

/* Configured, with this link and a row that says so; ifindex 0: without either. */
static inline void tape_port(struct tape *t, struct tape_link link)
{
	_Alignas(4) unsigned char buffer[512] = {0};
	struct remark port = {.kind = REMARK_PORT, .configured = 1, .known = 1, .row = {-1, -1, -1, -1}};
	size_t len = tape_message(buffer, RTM_NEWLINK, 0, &link);

	memcpy(port.port, link.name, strlen(link.name) + 1);
	if (link.ifindex) {
		const int64_t row[] = {1, (link.flags & 0x40U) != 0, link.flags & 1, link.mtu};

		memcpy(port.row, row, sizeof(row));
		port.link = 1;
	}
	tape_packet(t, &port, port.link ? buffer : NULL, len);
}

#endif
