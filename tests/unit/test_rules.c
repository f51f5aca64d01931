/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/rules.h"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/util.h"

#define VERDICTS (RULE_NOTHING + 1)

/* What an RTM_NEWLINK of the device itself means, by the name it gives. */
static const struct {
	const char *name;
	bool port;
	enum rule_verdict plain, team; /* team: with the link kind "team" */
} names[] = {
	{"Ethernet0", true, RULE_PRESENT, RULE_NO_PORT},
	{"Ethernet0.10", true, RULE_PRESENT, RULE_NO_PORT},
	{"Ethernet-BP0", true, RULE_PRESENT, RULE_NO_PORT},
	{"PortChannel1", false, RULE_NO_PORT, RULE_NO_PORT},
	{"eth0", false, RULE_NO_PORT, RULE_NO_PORT},
	{"Bridge", false, RULE_NO_PORT, RULE_NO_PORT},
	{"", false, RULE_NOTHING, RULE_NOTHING},
	{"ethernet0", false, RULE_NO_PORT, RULE_NO_PORT},
	{"xEthernet0", false, RULE_NO_PORT, RULE_NO_PORT},
};

static const uint16_t types[] = {RTM_NEWLINK, RTM_DELLINK};
static const uint8_t families[] = {AF_UNSPEC, AF_BRIDGE, AF_INET6};
static const char *const kinds[] = {"", "veth", "team", "bridge", "macvlan"};
static const uint32_t masters[] = {0, 7};

struct tally {
	unsigned int verdicts[VERDICTS], all;
};

static enum rule_verdict expected(const struct link_msg *msg, size_t name)
{
	/* S12: whatever the kernel says of a bridge port, the device stays what it is. */
	if (msg->family == AF_BRIDGE)
		return RULE_NOTHING;
	/* S11, S12: everything else is about the device, in a LAG, in a bridge or alone: the master decides nothing. */
	if (msg->type == RTM_DELLINK)
		return RULE_GONE;
	return strcmp(msg->kind, "team") == 0 ? names[name].team : names[name].plain;
}

static void check(struct tally *tally, const struct link_msg *msg, size_t name)
{
	enum rule_verdict verdict = rules_classify(msg), want = expected(msg, name);

	if (verdict != want)
		fail_msg("type %u family %u name \"%s\" kind \"%s\" master %u: verdict %u, not %u", msg->type,
			 msg->family, msg->name, msg->kind, msg->master, (unsigned int)verdict, (unsigned int)want);
	tally->verdicts[verdict]++;
	tally->all++;
}

static void check_masters(struct tally *tally, struct link_msg *msg, size_t name)
{
	for (size_t i = 0; i < ARRAY_SIZE(masters); i++) {
		msg->master = masters[i];
		check(tally, msg, name);
	}
}

static void check_kinds(struct tally *tally, struct link_msg *msg, size_t name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)snprintf(msg->kind, sizeof(msg->kind), "%s", kinds[i]);
		check_masters(tally, msg, name);
	}
}

static void check_names(struct tally *tally, struct link_msg *msg)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(msg->name, sizeof(msg->name), "%s", names[i].name);
		check_kinds(tally, msg, i);
	}
}

/* docs/sonic.md#messages with S10, S11 and S12. The counts are by hand, so that no rule can swallow another. */
static void whole_table(void **state)
{
	static const unsigned int counts[VERDICTS] = {
		[RULE_PRESENT] = 2 * 3 * 4 * 2,           /* two families, three names, all kinds but team */
		[RULE_NO_PORT] = 2 * (5 * 5 + 3 * 1) * 2, /* five names of any kind, three with the kind team */
		[RULE_GONE] = 2 * 9 * 5 * 2,              /* two families, all names and kinds */
		[RULE_NOTHING] = (2 * 9 + 2 * 1) * 5 * 2, /* bridge ports, both types; no name, two families */
	};
	struct tally tally = {0};

	(void)state;
	for (size_t type = 0; type < ARRAY_SIZE(types); type++) {
		for (size_t family = 0; family < ARRAY_SIZE(families); family++) {
			struct link_msg msg = {.type = types[type], .family = families[family], .ifindex = 3};

			check_names(&tally, &msg);
		}
	}
	assert_int_equal(tally.all, 2 * 3 * 9 * 5 * 2);
	for (size_t i = 0; i < VERDICTS; i++)
		assert_int_equal(tally.verdicts[i], counts[i]);
}

/* A rule looks at nothing else: not at what the link's state is, nor at its number. */
static void state_decides_nothing(void **state)
{
	struct link_msg msg = {RTM_NEWLINK, AF_UNSPEC, INT32_MAX, UINT32_MAX, 0, 0, 9, 9, "Ethernet0", "teamX"};

	(void)state;
	assert_int_equal(rules_classify(&msg), RULE_PRESENT);
	msg.flags = 0;
	msg.mtu = UINT32_MAX;
	assert_int_equal(rules_classify(&msg), RULE_PRESENT);
}

static void names_of_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(rules_port_name(names[i].name), names[i].port);
	/* Other rows of PORT_TABLE, and names that only begin like a port's. */
	assert_false(rules_port_name("PortConfigDone"));
	assert_false(rules_port_name("PortInitDone"));
	assert_false(rules_port_name("Etherne"));
	assert_false(rules_port_name(" Ethernet0"));
	assert_false(rules_port_name("ETHERNET0"));
}

/* S13: the carrier alone (IFF_LOWER_UP) comes earlier than the state that counts. */
static void row_follows_up_and_running(void **state)
{
	static const struct {
		unsigned int flags;
		struct row row;
	} cases[] = {
		{0, {{1, 0, 0, 9100}}},
		{IFF_UP, {{1, 0, 1, 9100}}},
		{IFF_RUNNING, {{1, 1, 0, 9100}}},
		{IFF_UP | IFF_RUNNING, {{1, 1, 1, 9100}}},
		{IFF_LOWER_UP, {{1, 0, 0, 9100}}},
		{IFF_UP | IFF_LOWER_UP, {{1, 0, 1, 9100}}},
		{IFF_UP | IFF_LOWER_UP | IFF_DORMANT, {{1, 0, 1, 9100}}},
		{IFF_UP | IFF_RUNNING | IFF_LOWER_UP, {{1, 1, 1, 9100}}},
		{IFF_LOWER_UP | IFF_DORMANT, {{1, 0, 0, 9100}}},
		{~(unsigned int)(IFF_UP | IFF_RUNNING), {{1, 0, 0, 9100}}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row row = rules_row(cases[i].flags, 9100);

		assert_int_equal(row_diff(&row, &cases[i].row), 0);
	}
}

static void row_carries_any_mtu(void **state)
{
	static const unsigned int mtus[] = {0, 68, 9100, 65536, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mtus); i++)
		assert_int_equal(rules_row(IFF_UP, mtus[i]).value[ROW_MTU], mtus[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_table),         cmocka_unit_test(state_decides_nothing),
		cmocka_unit_test(names_of_ports),      cmocka_unit_test(row_follows_up_and_running),
		cmocka_unit_test(row_carries_any_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
