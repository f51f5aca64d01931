/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from bytes to the model: datagrams through watch, linkmsg, mirror, rules and links. Here are the kinds of
 * links that not every kernel can make: team devices and their members, as rtnl_fill_ifinfo() writes them.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "fake_nlsock.h"
#include "ports/mirror.h"
#include "test.h"

#define UP (IFF_UP | IFF_RUNNING)
#define TURNS 1000

struct fixture {
	sd_event *event;
	struct links *links;
	struct mirror *mirror;
	struct watch *watch; /* the mirror's */
};

static void on_state(enum watch_state state, void *user)
{
	(void)state;
	(void)user;
}

/* One link message; kind and master as a link has them, NULL and 0 for none. */
static size_t message(char *buf, uint16_t type, unsigned char family, int ifindex, const char *name, const char *kind,
		      uint32_t master)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	info->ifi_family = family;
	info->ifi_index = ifindex;
	info->ifi_flags = UP;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, 9100);
	if (master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	if (kind) {
		struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);

		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
		mnl_attr_nest_end(nlh, nest);
	}
	return nlh->nlmsg_len;
}

static void event(uint16_t type, unsigned char family, int ifindex, const char *name, const char *kind, uint32_t master)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));

	fake_event_data(buf, message(buf, type, family, ifindex, name, kind, master));
}

static void end_of_dump(unsigned n)
{
	char buf[NLMSG_HDRLEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_flags = NLM_F_MULTI;
	fake_dump_data(n, buf, nlh->nlmsg_len);
}

static void run(struct fixture *x)
{
	for (unsigned i = 0; i < TURNS && (watch_state(x->watch) != WATCH_SYNCED || fake_events_left() > 0); i++)
		assert_true(sd_event_run(x->event, USEC_PER_SEC) >= 0);
	assert_int_equal(watch_state(x->watch), WATCH_SYNCED);
	assert_int_equal(fake_events_left(), 0);
}

static int setup(void **state)
{
	static const struct watch_options opt = {.settle_usec = USEC_PER_SEC,
						 .dump_timeout_usec = 10 * USEC_PER_SEC,
						 .retry_initial_ms = 1,
						 .retry_max_ms = 1,
						 .retry_bound = 8};
	struct fixture *x = calloc(1, sizeof(*x));

	fake_reset();
	assert_non_null(x);
	assert_true(sd_event_new(&x->event) >= 0);
	x->links = links_new(8);
	assert_non_null(x->links);
	end_of_dump(0);
	assert_int_equal(mirror_new(&x->mirror, x->event, &opt, x->links, on_state, x), 0);
	x->watch = mirror_watch(x->mirror);
	run(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	mirror_free(x->mirror);
	links_free(x->links);
	sd_event_unref(x->event);
	free(x);
	return 0;
}

static bool is_port(const struct fixture *x, const char *name)
{
	const struct port *port = links_find(x->links, name);

	return port && links_present(port);
}

/* S10: teamsyncd's job, whatever the team device is called. */
static void a_team_device_is_no_port(void **state)
{
	struct fixture *x = *state;

	event(RTM_NEWLINK, AF_UNSPEC, 7, "PortChannel0001", "team", 0);
	event(RTM_NEWLINK, AF_UNSPEC, 8, "Ethernet400", "team", 0);
	event(RTM_NEWLINK, AF_UNSPEC, 9, "PortChannel0002", "bond", 0);
	event(RTM_NEWLINK, AF_UNSPEC, 10, "Ethernet0", NULL, 0);
	run(x);
	assert_false(is_port(x, "PortChannel0001"));
	assert_false(is_port(x, "Ethernet400"));
	assert_false(is_port(x, "PortChannel0002"));
	assert_true(is_port(x, "Ethernet0"));
	assert_int_equal(links_stats(x->links)->ports, 1);
}

/* S11: a member of a LAG is a port like any other. */
static void a_member_of_a_team_stays_a_port(void **state)
{
	struct fixture *x = *state;

	event(RTM_NEWLINK, AF_UNSPEC, 7, "PortChannel0001", "team", 0);
	event(RTM_NEWLINK, AF_UNSPEC, 10, "Ethernet0", NULL, 0);
	event(RTM_NEWLINK, AF_UNSPEC, 10, "Ethernet0", NULL, 7);
	run(x);
	assert_true(is_port(x, "Ethernet0"));
	assert_int_equal(links_find(x->links, "Ethernet0")->link.master, 7);
	event(RTM_DELLINK, AF_UNSPEC, 7, "PortChannel0001", "team", 0);
	event(RTM_NEWLINK, AF_UNSPEC, 10, "Ethernet0", NULL, 0);
	run(x);
	assert_true(is_port(x, "Ethernet0"));
	assert_int_equal(links_find(x->links, "Ethernet0")->link.master, 0);
}

/* S12: released from a bridge or a LAG is not deleted; deleted while enslaved is. */
static void only_the_end_of_the_device_ends_the_port(void **state)
{
	struct fixture *x = *state;

	event(RTM_NEWLINK, AF_UNSPEC, 10, "Ethernet0", NULL, 7);
	event(RTM_DELLINK, AF_BRIDGE, 10, "Ethernet0", NULL, 7);
	run(x);
	assert_true(is_port(x, "Ethernet0"));
	event(RTM_DELLINK, AF_UNSPEC, 10, "Ethernet0", NULL, 7);
	run(x);
	assert_false(is_port(x, "Ethernet0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_team_device_is_no_port),
		TEST(a_member_of_a_team_stays_a_port),
		TEST(only_the_end_of_the_device_ends_the_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
