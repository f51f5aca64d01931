/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/linkmsg.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"

#define WANTED_TYPES 64
#define BIT(type) (UINT64_C(1) << (type))

struct rule {
	int (*read)(const struct nlattr *attribute, struct link_msg *out, size_t field);
	size_t field; /* offset in struct link_msg */
};

struct rules {
	uint64_t wanted;         /* a bit for each type of attribute that has a rule; all others are skipped */
	const struct rule *rule; /* by type */
};

static int read_attributes(const void *bytes, size_t len, const struct rules *rules, struct link_msg *out);

static int read_u32(const struct nlattr *attribute, struct link_msg *out, size_t field)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(uint32_t))
		return -EBADMSG;
	memcpy((char *)out + field, mnl_attr_get_payload(attribute), sizeof(uint32_t));
	return 0;
}

static int read_name(const struct nlattr *attribute, struct link_msg *out, size_t field)
{
	const char *name = mnl_attr_get_payload(attribute);
	size_t len = strnlen(name, mnl_attr_get_payload_len(attribute));

	if (len == mnl_attr_get_payload_len(attribute) || len >= IFNAMSIZ)
		return -EBADMSG;
	memcpy((char *)out + field, name, len + 1);
	return 0;
}

/* The kernel's policy for it is NLA_STRING, which promises no NUL. */
static int read_kind(const struct nlattr *attribute, struct link_msg *out, size_t field)
{
	const char *kind = mnl_attr_get_payload(attribute);
	size_t len = strnlen(kind, MIN(mnl_attr_get_payload_len(attribute), LINK_KIND_MAX - 1));

	memcpy((char *)out + field, kind, len);
	((char *)out)[field + len] = '\0';
	return 0;
}

static int read_info(const struct nlattr *attribute, struct link_msg *out, size_t field)
{
	static const struct rule rule[] = {
		[IFLA_INFO_KIND] = {read_kind, offsetof(struct link_msg, kind)},
	};
	static const struct rules rules = {BIT(IFLA_INFO_KIND), rule};

	(void)field;
	return read_attributes(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute), &rules, out);
}

static inline int read_attribute(const struct nlattr *attribute, const struct rules *rules, struct link_msg *out)
{
	size_t type = attribute->nla_type & (unsigned)NLA_TYPE_MASK;

	if (type >= WANTED_TYPES || !(rules->wanted & BIT(type)) || !rules->rule[type].read)
		return 0;
	return rules->rule[type].read(attribute, out, rules->rule[type].field);
}

/* Its own length is at least that of its head, and at most what is left. */
static inline bool fits(const struct nlattr *attribute, size_t left)
{
	const size_t head = sizeof(*attribute);

	return left >= head && attribute->nla_len - head <= left - head;
}

/*
 * Not mnl_attr_for_each(): its end is rounded up to 4 bytes, past a message of odd length, it cannot tell a
 * malformed tail from a clean end, and library calls for each of some 60 attributes take half the time of a message.
 * Attribute headers are read in place, so bytes must be aligned to 4, as every message and attribute of a datagram is
 * when its buffer is.
 */
static int read_attributes(const void *bytes, size_t len, const struct rules *rules, struct link_msg *out)
{
	const char *at = bytes;
	size_t left = len, step;

	for (; left > 0; at += step, left -= step) {
		const struct nlattr *attribute = (const void *)at;
		int r;

		if (!fits(attribute, left))
			return -EBADMSG;
		r = read_attribute(attribute, rules, out);
		if (r < 0)
			return r;
		step = MIN((size_t)RTA_ALIGN(attribute->nla_len), left);
	}
	return 0;
}

int linkmsg_parse(const struct nlmsghdr *nlh, struct link_msg *out)
{
	static const struct rule rule[] = {
		[IFLA_IFNAME] = {read_name, offsetof(struct link_msg, name)},
		[IFLA_MTU] = {read_u32, offsetof(struct link_msg, mtu)},
		[IFLA_MASTER] = {read_u32, offsetof(struct link_msg, master)},
		[IFLA_CARRIER_UP_COUNT] = {read_u32, offsetof(struct link_msg, carrier_up)},
		[IFLA_CARRIER_DOWN_COUNT] = {read_u32, offsetof(struct link_msg, carrier_down)},
		[IFLA_LINKINFO] = {read_info, 0},
	};
	static const struct rules rules = {BIT(IFLA_IFNAME) | BIT(IFLA_MTU) | BIT(IFLA_MASTER) |
						   BIT(IFLA_CARRIER_UP_COUNT) | BIT(IFLA_CARRIER_DOWN_COUNT) |
						   BIT(IFLA_LINKINFO),
					   rule};
	const size_t header = sizeof(*nlh) + sizeof(struct ifinfomsg);
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct link_msg msg;
	int r;

	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
		return -ENOMSG;
	if (nlh->nlmsg_len < header || info->ifi_index <= 0)
		return -EBADMSG;
	msg = (struct link_msg){.type = nlh->nlmsg_type,
				.family = info->ifi_family,
				.ifindex = info->ifi_index,
				.flags = info->ifi_flags};
	r = read_attributes((const char *)nlh + header, nlh->nlmsg_len - header, &rules, &msg);
	if (r < 0)
		return r;
	*out = msg;
	return 0;
}

int linkmsg_walk(const void *datagram, size_t len, linkmsg_each_fn each, void *user)
{
	const struct nlmsghdr *nlh = datagram;
	int left = (int)len;

	while (mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (unsigned)left) {
		int r = each(nlh, user);

		if (r != 0)
			return r;
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return left > 0 ? -EBADMSG : 0;
}
