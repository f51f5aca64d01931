/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/util.h"
#include "kernel/linkmsg.h"

struct file {
	_Alignas(struct nlmsghdr) unsigned char data[8192];
	size_t len;
};

static void load(const char *name, struct file *file)
{
	char path[512];
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/%s.bin", TEST_DATA, name);
	in = fopen(path, "rb");
	assert_non_null(in);
	file->len = fread(file->data, 1, sizeof(file->data), in);
	(void)fclose(in);
	assert_true(file->len >= sizeof(struct nlmsghdr));
}

/* Parses a copy of exactly len bytes, so that AddressSanitizer sees every byte too far. */
static int parse_exactly(const void *message, size_t len, struct link_msg *out)
{
	void *copy cleanup(free_ptr) = malloc(len);

	assert_non_null(copy);
	memcpy(copy, message, len);
	((struct nlmsghdr *)copy)->nlmsg_len = (uint32_t)len;
	return linkmsg_parse(copy, out);
}

static void parse_capture(const char *name, struct link_msg *out)
{
	struct file file;

	load(name, &file);
	assert_int_equal(((struct nlmsghdr *)(void *)file.data)->nlmsg_len, file.len);
	assert_int_equal(parse_exactly(file.data, file.len, out), 0);
}

/* ---- what the kernel really sends ---- */

static void captures(void **state)
{
	static const struct {
		const char *name;
		struct link_msg msg;
		uint32_t flags; /* IFF_UP | IFF_RUNNING */
	} cases[] = {
		{"veth_new", {RTM_NEWLINK, AF_UNSPEC, 3, 0, 1500, 0, 0, 1, "Ethernet0", "veth"}, 0},
		{"veth_up", {RTM_NEWLINK, AF_UNSPEC, 3, 0, 1500, 0, 1, 1, "Ethernet0", "veth"}, IFF_UP | IFF_RUNNING},
		{"veth_mtu", {RTM_NEWLINK, AF_UNSPEC, 3, 0, 9100, 0, 1, 1, "Ethernet0", "veth"}, IFF_UP | IFF_RUNNING},
		{"veth_down", {RTM_NEWLINK, AF_UNSPEC, 3, 0, 9100, 0, 1, 2, "Ethernet0", "veth"}, 0},
		{"veth_rename",
		 {RTM_NEWLINK, AF_UNSPEC, 3, 0, 9100, 0, 2, 2, "Ethernet4", "veth"},
		 IFF_UP | IFF_RUNNING},
		{"bridge_new", {RTM_NEWLINK, AF_UNSPEC, 4, 0, 1500, 0, 0, 0, "br0", "bridge"}, 0},
		{"bridge_join",
		 {RTM_NEWLINK, AF_UNSPEC, 3, 0, 9100, 4, 2, 2, "Ethernet4", "veth"},
		 IFF_UP | IFF_RUNNING},
		{"bridge_join_af_bridge",
		 {RTM_NEWLINK, AF_BRIDGE, 3, 0, 9100, 4, 0, 0, "Ethernet4", ""},
		 IFF_UP | IFF_RUNNING},
		{"bridge_leave_af_bridge_del",
		 {RTM_DELLINK, AF_BRIDGE, 3, 0, 9100, 4, 0, 0, "Ethernet4", ""},
		 IFF_UP | IFF_RUNNING},
		{"bridge_leave",
		 {RTM_NEWLINK, AF_UNSPEC, 3, 0, 9100, 0, 2, 2, "Ethernet4", "veth"},
		 IFF_UP | IFF_RUNNING},
		{"veth_del", {RTM_DELLINK, AF_UNSPEC, 3, 0, 9100, 0, 2, 3, "Ethernet4", "veth"}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct link_msg *want = &cases[i].msg;
		struct link_msg msg;

		parse_capture(cases[i].name, &msg);
		assert_int_equal(msg.type, want->type);
		assert_int_equal(msg.family, want->family);
		assert_int_equal(msg.ifindex, want->ifindex);
		assert_int_equal(msg.flags & (IFF_UP | IFF_RUNNING), cases[i].flags);
		assert_int_equal(msg.mtu, want->mtu);
		assert_int_equal(msg.master, want->master);
		assert_int_equal(msg.carrier_up, want->carrier_up);
		assert_int_equal(msg.carrier_down, want->carrier_down);
		assert_string_equal(msg.name, want->name);
		assert_string_equal(msg.kind, want->kind);
	}
}

static void dump_datagrams(void **state)
{
	static const char *const names[] = {"lo", "br0", "peer0"};
	struct file file;
	const struct nlmsghdr *nlh = (const void *)file.data;
	struct link_msg msg = {0};
	int left;
	size_t n = 0;

	(void)state;
	load("dump_rows", &file);
	for (left = (int)file.len; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		assert_int_equal(parse_exactly(nlh, nlh->nlmsg_len, &msg), 0);
		assert_true(n < ARRAY_SIZE(names));
		assert_string_equal(msg.name, names[n++]);
	}
	assert_int_equal(left, 0);
	assert_int_equal(n, ARRAY_SIZE(names));
	load("dump_done", &file);
	assert_int_equal(parse_exactly(file.data, file.len, &msg), -ENOMSG);
}

static const char *const all_captures[] = {
	"bridge_join",  "bridge_join_af_bridge",
	"bridge_leave", "bridge_leave_af_bridge_del",
	"bridge_new",   "dump_rows",
	"veth_del",     "veth_down",
	"veth_mtu",     "veth_new",
	"veth_rename",  "veth_up",
};

static bool sane(const struct link_msg *msg)
{
	return msg->ifindex > 0 && memchr(msg->name, 0, sizeof(msg->name)) && memchr(msg->kind, 0, sizeof(msg->kind));
}

/* Good only where the cut falls between two attributes, or into the padding behind one. */
static void every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_captures); i++) {
		struct file file;
		size_t good = 0, whole;

		load(all_captures[i], &file);
		whole = ((struct nlmsghdr *)(void *)file.data)->nlmsg_len;
		for (size_t len = sizeof(struct nlmsghdr); len < whole; len++) {
			struct link_msg msg;
			int r = parse_exactly(file.data, len, &msg);

			assert_true(r == -EBADMSG || (r == 0 && sane(&msg)));
			good += r == 0;
		}
		assert_true(good > 0 && good < whole / 4);
	}
}

/* Every 16-bit word in turn becomes each of some lies: attribute lengths and types are among them. */
static void every_word_lies(void **state)
{
	static const uint16_t lies[] = {0, 1, 3, 4, 5, 0x7fff, 0x8004, 0xffff};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_captures); i++) {
		struct file file;
		size_t whole;

		load(all_captures[i], &file);
		whole = ((struct nlmsghdr *)(void *)file.data)->nlmsg_len;
		for (size_t at = sizeof(struct nlmsghdr); at + 2 <= whole; at += 2) {
			for (size_t j = 0; j < ARRAY_SIZE(lies); j++) {
				struct file lie = file;
				struct link_msg msg;
				int r;

				memcpy(lie.data + at, &lies[j], sizeof(lies[j]));
				r = parse_exactly(lie.data, whole, &msg);
				assert_true(r == -EBADMSG || (r == 0 && sane(&msg)));
			}
		}
	}
}

/* ---- crafted messages ---- */

static struct nlmsghdr *craft(struct file *file, uint16_t type, int ifindex)
{
	struct nlmsghdr *nlh;
	struct ifinfomsg *info;

	memset(file, 0, sizeof(*file));
	nlh = mnl_nlmsg_put_header(file->data);
	nlh->nlmsg_type = type;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = ifindex;
	return nlh;
}

static int parse(const struct nlmsghdr *nlh, struct link_msg *out)
{
	return parse_exactly(nlh, nlh->nlmsg_len, out);
}

static void kinds(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *kind;
	} cases[] = {
		{"team", 5, "team"},
		{"team", 4, "team"},
		{"", 0, ""},
		{"", 1, ""},
		{"a\0b", 4, "a"},
		{"exactly15bytes!", 16, "exactly15bytes!"},
		{"exactly16bytes!!", 16, "exactly16bytes!"},
		{"a kind that is far too long", 27, "a kind that is "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct file file;
		struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
		struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		struct link_msg msg;

		mnl_attr_put_u32(nlh, IFLA_INFO_DATA, 1);
		mnl_attr_put(nlh, IFLA_INFO_KIND, cases[i].len, cases[i].bytes);
		mnl_attr_nest_end(nlh, nest);
		assert_int_equal(parse(nlh, &msg), 0);
		assert_string_equal(msg.kind, cases[i].kind);
	}
}

static void names(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int result;
	} cases[] = {
		{"Ethernet0", 10, 0},
		{"Ethernet0", 9, -EBADMSG},         /* no NUL */
		{"exactly15bytes!", 16, 0},         /* the longest */
		{"exactly16bytes!!", 17, -EBADMSG}, /* one more */
		{"exactly16bytes!!", 16, -EBADMSG},
		{"", 1, 0},
		{"", 0, -EBADMSG},
		{"a\0b", 4, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct file file;
		struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
		struct link_msg msg;

		mnl_attr_put(nlh, IFLA_IFNAME, cases[i].len, cases[i].bytes);
		assert_int_equal(parse(nlh, &msg), cases[i].result);
		if (cases[i].result == 0)
			assert_string_equal(msg.name, cases[i].bytes);
	}
}

/* A 4-byte field after the name must not serve as the name's NUL. */
static void name_ends_in_its_own_payload(void **state)
{
	struct file file;
	struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
	struct link_msg msg;

	(void)state;
	mnl_attr_put(nlh, IFLA_IFNAME, 8, "Ethernet");
	mnl_attr_put_u32(nlh, IFLA_MTU, 0);
	assert_int_equal(parse(nlh, &msg), -EBADMSG);
}

static void numbers(void **state)
{
	static const struct {
		uint16_t attribute;
		size_t field;
	} cases[] = {
		{IFLA_MTU, offsetof(struct link_msg, mtu)},
		{IFLA_MASTER, offsetof(struct link_msg, master)},
		{IFLA_CARRIER_UP_COUNT, offsetof(struct link_msg, carrier_up)},
		{IFLA_CARRIER_DOWN_COUNT, offsetof(struct link_msg, carrier_down)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t len = 0; len <= 8; len++) {
			const uint32_t value[2] = {0xdeadbeef, 0};
			struct link_msg msg, want = {.type = RTM_NEWLINK, .ifindex = 7};
			struct file file;
			struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);

			mnl_attr_put(nlh, cases[i].attribute, len, value);
			assert_int_equal(parse(nlh, &msg), len == 4 ? 0 : -EBADMSG);
			if (len != 4)
				continue;
			memcpy((char *)&want + cases[i].field, value, 4);
			assert_int_equal(msg.mtu, want.mtu);
			assert_int_equal(msg.master, want.master);
			assert_int_equal(msg.carrier_up, want.carrier_up);
			assert_int_equal(msg.carrier_down, want.carrier_down);
		}
	}
}

static void headers(void **state)
{
	static const struct {
		uint16_t type;
		int ifindex;
		int result;
	} cases[] = {
		{RTM_NEWLINK, 1, 0},         {RTM_DELLINK, INT32_MAX, 0},        {RTM_NEWLINK, 0, -EBADMSG},
		{RTM_NEWLINK, -1, -EBADMSG}, {RTM_DELLINK, INT32_MIN, -EBADMSG}, {RTM_GETLINK, 1, -ENOMSG},
		{RTM_NEWADDR, 1, -ENOMSG},   {NLMSG_DONE, 0, -ENOMSG},           {NLMSG_ERROR, 0, -ENOMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct file file;
		const struct nlmsghdr *nlh = craft(&file, cases[i].type, cases[i].ifindex);
		struct link_msg msg;

		assert_int_equal(parse(nlh, &msg), cases[i].result);
	}
}

static void unknown_attributes(void **state)
{
	static const char alias[300];
	struct file file;
	struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
	struct link_msg msg;

	(void)state;
	mnl_attr_put(nlh, 0, 3, "abc");
	mnl_attr_put(nlh, 0x3fff, 0, "");
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "Ethernet0");
	mnl_attr_put(nlh, IFLA_IFALIAS, sizeof(alias), alias);
	mnl_attr_put_u32(nlh, IFLA_MTU, 9100);
	assert_int_equal(parse(nlh, &msg), 0);
	assert_string_equal(msg.name, "Ethernet0");
	assert_int_equal(msg.mtu, 9100);
	assert_string_equal(msg.kind, "");
}

/* The first attribute's length field becomes lie. */
static int parse_with_length(uint16_t lie)
{
	struct file file;
	struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
	struct nlattr *attribute = mnl_nlmsg_get_payload_tail(nlh);
	struct link_msg msg;

	mnl_attr_put_u32(nlh, IFLA_GROUP, 0);
	attribute->nla_len = lie;
	return parse(nlh, &msg);
}

static void attribute_length_lies(void **state)
{
	(void)state;
	assert_int_equal(parse_with_length(8), 0);
	assert_int_equal(parse_with_length(7), 0); /* padded to 8 */
	for (uint16_t lie = 0; lie < 4; lie++)
		assert_int_equal(parse_with_length(lie), -EBADMSG);
	assert_int_equal(parse_with_length(9), -EBADMSG);
	assert_int_equal(parse_with_length(0x7fff), -EBADMSG);
	assert_int_equal(parse_with_length(0xffff), -EBADMSG);
}

static void nested_lies(void **state)
{
	static const uint16_t lies[] = {0, 3, 10, 0xffff};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct file file;
		struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
		struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *kind = mnl_nlmsg_get_payload_tail(nlh);
		struct link_msg msg;

		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "abc");
		mnl_attr_nest_end(nlh, nest);
		mnl_attr_put_strz(nlh, IFLA_IFNAME, "Ethernet0"); /* the bytes are there, but not in the nest */
		kind->nla_len = lies[i];
		assert_int_equal(parse(nlh, &msg), -EBADMSG);
	}
}

static void untouched_on_failure(void **state)
{
	struct file file;
	struct nlmsghdr *nlh = craft(&file, RTM_NEWLINK, 7);
	struct link_msg msg, before;

	(void)state;
	memset(&msg, 0x5a, sizeof(msg));
	before = msg;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "Ethernet0");
	mnl_attr_put_u16(nlh, IFLA_MTU, 9100);
	assert_int_equal(parse(nlh, &msg), -EBADMSG);
	assert_memory_equal(&msg, &before, sizeof(msg));
}

static int no_message(const struct nlmsghdr *nlh, void *user)
{
	(void)nlh;
	(void)user;
	fail();
	return 0;
}

static void a_tail_that_is_no_message_is_malformed(void **state)
{
	static const struct nlmsghdr tail = {.nlmsg_len = 8};

	(void)state;
	assert_int_equal(linkmsg_walk(&tail, sizeof(tail), no_message, NULL), -EBADMSG);
	assert_int_equal(linkmsg_walk(&tail, 0, no_message, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captures),
		cmocka_unit_test(a_tail_that_is_no_message_is_malformed),
		cmocka_unit_test(dump_datagrams),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(every_word_lies),
		cmocka_unit_test(kinds),
		cmocka_unit_test(names),
		cmocka_unit_test(name_ends_in_its_own_payload),
		cmocka_unit_test(numbers),
		cmocka_unit_test(headers),
		cmocka_unit_test(unknown_attributes),
		cmocka_unit_test(attribute_length_lies),
		cmocka_unit_test(nested_lies),
		cmocka_unit_test(untouched_on_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
