/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the publisher say and ask: one port, Ethernet0, its link, and a Redis that holds its row or not. */
#ifndef PORTSYNCD_PUBLISH_FIXTURE_H
#define PORTSYNCD_PUBLISH_FIXTURE_H

#include "sonic/publish.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include "conn_fixture.h"

#define BATCH_ROWS 2
#define UP (IFF_UP | IFF_RUNNING)
#define ROW_KEY "PORT_TABLE|Ethernet0"
#define SCAN "SCAN 0 MATCH PORT_TABLE|* COUNT 512"
#define HMGET "HMGET " ROW_KEY " state netdev_oper_status admin_status mtu"
#define FULL(mtu) "HSET " ROW_KEY " state ok netdev_oper_status up admin_status up mtu " mtu
#define NO_KEYS "*2\r\n$1\r\n0\r\n*0\r\n"
#define ONE_KEY "*2\r\n$1\r\n0\r\n*1\r\n$20\r\n" ROW_KEY "\r\n"
#define HOLDS(mtu) "*4\r\n$2\r\nok\r\n$2\r\nup\r\n$2\r\nup\r\n$4\r\n" mtu "\r\n"
#define HOLDS_NOTHING "*4\r\n" NIL NIL NIL NIL
#define TAKEN ":0\r\n"
#define NO_ROW "-/-/-"

struct own {
	struct links *links;
	struct publish *publish;
	struct changes *changes;
	uint64_t change;      /* the next one of them */
	unsigned int unknown; /* notifications of a port without a row in APPL_DB */
};

int publish_setup(void **state);
int publish_setup_events(void **state);

/* Answers that nobody waits for are left unread for an hour. */
int publish_setup_patient(void **state);

int publish_teardown(void **state);

/* --- the kernel and APPL_DB --- */

void link_was(struct fixture *x, uint16_t type, uint32_t mtu, uint64_t received_nsec);
void link_is(struct fixture *x, uint16_t type, uint32_t mtu);
void flags_are(struct fixture *x, uint32_t flags);
void master_is(struct fixture *x, uint32_t master);
void configured_link(struct fixture *x, uint32_t mtu);

/* --- Redis --- */

/* Commands that come together: words separated by spaces, commands by ';'. */
void expect(struct fixture *x, const char *commands);
void turn(struct fixture *x);

/* Redis answers, and what follows from that is sent. */
void answer(struct fixture *x, const char *reply);

/* Reads back a database that holds this row, or none (NULL). */
void read_back(struct fixture *x, const char *row);
void start(struct fixture *x, const char *row);

/* A port that was up, with this MTU, before us: its row is right, and one event is owed. */
void start_with_port(struct fixture *x, uint32_t mtu);

/* The next change that Redis acknowledged, of these fields. */
struct change expect_change(struct fixture *x, const char *before, const char *after, unsigned fields);
void expect_no_change(struct fixture *x);
void reconcile(struct fixture *x);

static inline int setup(void **state)
{
	return publish_setup(state);
}

static inline int teardown(void **state)
{
	return publish_teardown(state);
}

#endif
