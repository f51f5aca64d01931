/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the model say and ask: a model for each test, messages, and what became of them. */
#ifndef PORTSYNCD_LINKS_FIXTURE_H
#define PORTSYNCD_LINKS_FIXTURE_H

#include "ports/links.h"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/util.h"
#include "test.h"

#define UP (IFF_UP | IFF_RUNNING)

int links_setup(void **state);
int links_teardown(void **state);

static inline int setup(void **state)
{
	return links_setup(state);
}

static inline int teardown(void **state)
{
	return links_teardown(state);
}

/* --- what the kernel says --- */

struct link_msg message(uint16_t type, int ifindex, const char *name, uint32_t flags, uint32_t mtu);
void event(struct links *l, int ifindex, const char *name, uint32_t flags, uint32_t mtu);
void seen(struct links *l, int ifindex, const char *name);
void gone(struct links *l, int ifindex, const char *name);
void row(struct links *l, int ifindex, const char *name);
void row_with(struct links *l, int ifindex, const char *name, uint32_t flags, uint32_t mtu);

/* --- what the model says --- */

/* The dirty ports in their order: "Ethernet0 Ethernet4". None is dirty afterwards. */
void dirty_are(struct links *l, const char *want);

/* ifindex 0: the port is known and has no link. */
struct port *has_link(struct links *l, const char *name, int ifindex);
void has_state(struct links *l, const char *name, uint32_t flags, uint32_t mtu);
bool owes_delete(const struct links *l, const char *name);

/* What the publisher does once all is written. */
void settle(struct links *l);
size_t mark_old(struct links *l);
void dump_range(struct links *l, int from, int to, uint32_t mtu);
void range_is(struct links *l, int from, int to, uint32_t mtu);

#endif
