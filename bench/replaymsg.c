/* SPDX-License-Identifier: Apache-2.0 */
#include "replaymsg.h"

#include <err.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "Ethernet"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define DIGITS_MAX 6
#define FIRST_IFINDEX 1000

/* A whole message for names with so many digits; what differs between ports is overwritten. */
struct template
{
	_Alignas(struct nlmsghdr) unsigned char bytes[REPLAYMSG_MAX];
	size_t len;               /* aligned */
	size_t digits_at, mtu_at; /* offsets */
};

struct replaymsg {
	struct template of[REPLAYMSG_KINDS][DIGITS_MAX];
};

/* A template in the making. */
struct building {
	struct template *t;
	struct nlmsghdr *nlh;
	size_t digits;
};

static size_t payload_at(const struct template *t, const struct nlattr *attr)
{
	return (size_t)((const unsigned char *)mnl_attr_get_payload(attr) - t->bytes);
}

/* A name of another length moves everything after it. */
static int add_attribute(const struct nlattr *recorded, void *user)
{
	const struct building *b = user;
	const struct nlattr *attr = mnl_nlmsg_get_payload_tail(b->nlh);
	char name[PREFIX_LEN + DIGITS_MAX + 1];

	if (mnl_attr_get_type(recorded) == IFLA_IFNAME) {
		(void)snprintf(name, sizeof(name), PREFIX "%0*d", (int)b->digits, 0);
		mnl_attr_put_strz(b->nlh, IFLA_IFNAME, name);
		b->t->digits_at = payload_at(b->t, attr) + PREFIX_LEN;
		return MNL_CB_OK;
	}
	if (mnl_attr_get_type(recorded) == IFLA_MTU)
		b->t->mtu_at = payload_at(b->t, attr);
	mnl_attr_put(b->nlh, recorded->nla_type, mnl_attr_get_payload_len(recorded), mnl_attr_get_payload(recorded));
	return MNL_CB_OK;
}

static void make_template(struct template *t, const struct nlmsghdr *recorded, size_t digits)
{
	struct building b = {.t = t, .nlh = mnl_nlmsg_put_header(t->bytes), .digits = digits};

	if (recorded->nlmsg_len + DIGITS_MAX + NLMSG_ALIGNTO > sizeof(t->bytes))
		errx(1, "a recorded message of %u bytes is too long", recorded->nlmsg_len);
	b.nlh->nlmsg_type = recorded->nlmsg_type;
	b.nlh->nlmsg_flags = recorded->nlmsg_flags;
	memcpy(mnl_nlmsg_put_extra_header(b.nlh, sizeof(struct ifinfomsg)), mnl_nlmsg_get_payload(recorded),
	       sizeof(struct ifinfomsg));
	(void)mnl_attr_parse(recorded, sizeof(struct ifinfomsg), add_attribute, &b);
	if (!t->digits_at || !t->mtu_at)
		errx(1, "a recorded message lacks a name or an MTU");
	t->len = NLMSG_ALIGN(b.nlh->nlmsg_len);
}

static const struct nlmsghdr *next_message(const unsigned char *bytes, size_t len, size_t *at)
{
	const struct nlmsghdr *nlh = (const void *)(bytes + *at);

	if (*at >= len || !mnl_nlmsg_ok(nlh, (int)(len - *at)) || nlh->nlmsg_type != RTM_NEWLINK)
		errx(1, "the recording is none: a row and an event of a link are expected");
	*at += NLMSG_ALIGN(nlh->nlmsg_len);
	return nlh;
}

struct replaymsg *replaymsg_load(const char *path)
{
	static _Alignas(struct nlmsghdr) unsigned char bytes[REPLAYMSG_KINDS * REPLAYMSG_MAX];
	struct replaymsg *r = calloc(1, sizeof(*r));
	FILE *file = fopen(path, "re");
	size_t len, at = 0;

	if (!file || !r)
		err(1, "%s", path);
	len = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	for (unsigned kind = 0; kind < REPLAYMSG_KINDS; kind++) {
		const struct nlmsghdr *recorded = next_message(bytes, len, &at);

		for (size_t digits = 1; digits <= DIGITS_MAX; digits++)
			make_template(&r->of[kind][digits - 1], recorded, digits);
	}
	return r;
}

static size_t count_digits(unsigned number)
{
	size_t n = 1;

	for (; number >= 10; number /= 10)
		n++;
	return n;
}

size_t replaymsg_put(const struct replaymsg *r, enum replaymsg_kind kind, void *to, size_t room, unsigned port,
		     uint32_t mtu)
{
	unsigned number = 4 * port;
	size_t digits = count_digits(number);
	const struct template *t = &r->of[kind][digits - 1];
	struct nlmsghdr *nlh = to;
	struct ifinfomsg *info;

	if (t->len > room)
		return 0;
	memcpy(to, t->bytes, t->len);
	info = mnl_nlmsg_get_payload(nlh);
	info->ifi_index = (int)(FIRST_IFINDEX + port);
	memcpy((char *)to + t->mtu_at, &mtu, sizeof(mtu));
	for (size_t i = digits; i-- > 0; number /= 10)
		((char *)to)[t->digits_at + i] = (char)('0' + number % 10);
	return t->len;
}
