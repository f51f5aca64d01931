/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is built at the start, when memory is refused: at each allocation in turn. It is made whole or not at all, the
 * caller hears -ENOMEM (or NULL), and nothing is left behind, which the sanitizers' builds see.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "daemon/kernel.h"
#include "faults.h"
#include "host/notify.h"
#include "metrics/exchange.h"
#include "metrics/pages.h"
#include "ports/changes.h"
#include "ports/mirror.h"
#include "recorder/keeper.h"
#include "redis/conn.h"
#include "redis/lookup.h"
#include "redis/resp.h"
#include "scratch.h"
#include "sonic/appl_ports.h"
#include "sonic/dbconfig.h"
#include "sonic/producer.h"
#include "sonic/publish.h"
#include "sonic/startup.h"
#include "state/saver.h"
#include "test.h"

#define MOST 400 /* allocations of one thing */

/* --- what they are made of --- */

static struct rig {
	char folder[SCRATCH_BYTES], path[96];
	struct config config;
	sd_event *event;
	struct links *links;
	struct conn *conn; /* nobody is at its other end */
	struct producer *producer;
	struct access access;
	struct exchange *exchange;
	char *state_text;
	size_t state_len;
} rig;

static int open_conn(struct conn **ret)
{
	const struct conn_options opt = {.label = "TEST_DB",
					 .access = &rig.access,
					 .unix_socket = rig.path,
					 .timeout_usec = USEC_PER_SEC,
					 .retry_initial_ms = 1000,
					 .retry_max_ms = 1000,
					 .max_in_flight = 8};
	static const struct conn_ops ops;

	return conn_new(ret, rig.event, &opt, &ops, NULL);
}

static void fill_state(struct state *s)
{
	assert_int_equal(state_reserve(s, 2), 0);
	assert_true(state_add(s, "Ethernet0", 1, 2) && state_add(s, "Ethernet4", 3, 4));
	memset(s->boot_id, 'a', STATE_BOOT_ID_BYTES - 1);
	s->event_id = 7;
}

static int begin(void **state)
{
	struct state s = {0};

	(void)state;
	memset(&rig, 0, sizeof(rig));
	scratch_make(rig.folder);
	(void)snprintf(rig.path, sizeof(rig.path), "%s/file", rig.folder);
	config_defaults(&rig.config);
	access_init(&rig.access, NULL, "", NULL, NULL);
	assert_true(sd_event_new(&rig.event) >= 0);
	rig.links = links_new(8);
	assert_non_null(rig.links);
	assert_int_equal(open_conn(&rig.conn), 0);
	rig.producer = producer_new(rig.conn, "PORT_TABLE", ":", 0);
	assert_non_null(rig.producer);
	assert_int_equal(exchange_new(&rig.exchange), 0);
	fill_state(&s);
	assert_int_equal(state_format(&s, &rig.state_text, &rig.state_len), 0);
	state_done(&s);
	return 0;
}

static int end(void **state)
{
	(void)state;
	exchange_leave(rig.exchange);
	exchange_free(rig.exchange);
	producer_free(rig.producer);
	conn_free(rig.conn);
	links_free(rig.links);
	sd_event_unref(rig.event);
	free(rig.state_text);
	scratch_remove(rig.folder);
	return 0;
}

/* --- the things: made and taken down; 0, or what the maker gave --- */

static int of_pointer(const void *made)
{
	return made ? 0 : -ENOMEM;
}

static int make_links(void)
{
	struct links *made = links_new(100);

	links_free(made);
	return of_pointer(made);
}

static int make_changes(void)
{
	struct changes *made = changes_new(16);

	changes_free(made);
	return of_pointer(made);
}

static int make_mirror(void)
{
	const struct watch_options options = kernel_options(&rig.config);
	struct mirror *made = NULL;
	int r = mirror_new(&made, rig.event, &options, rig.links, NULL, NULL);

	mirror_free(made);
	return r;
}

static int make_conn(void)
{
	struct conn *made = NULL;
	int r = open_conn(&made);

	conn_free(made);
	return r;
}

static int make_reader(void)
{
	struct resp_reader *made = resp_reader_new();

	resp_reader_free(made);
	return of_pointer(made);
}

static int make_lookup(void)
{
	struct lookup *made = NULL;
	int r = lookup_new(&made, rig.event);

	lookup_free(made);
	return r;
}

static int make_producer(void)
{
	struct producer *made = producer_new(rig.conn, "PORT_TABLE", ":", 0);

	producer_free(made);
	return of_pointer(made);
}

static int make_publish(void)
{
	const struct publish_options opt = {.separator = "|", .batch_size = 2, .events = true};
	struct publish *made = NULL;
	int r = publish_new(&made, rig.event, rig.links, rig.conn, &opt, NULL, NULL);

	publish_free(made);
	return r;
}

static int make_appl_ports(void)
{
	struct appl_ports *made = NULL;
	int r = appl_ports_new(&made, rig.event, rig.links, rig.conn, ":");

	appl_ports_free(made);
	return r;
}

static int make_startup(void)
{
	static const struct startup_ops ops;
	const struct startup_deps deps = {.event = rig.event,
					  .links = rig.links,
					  .config = rig.conn,
					  .appl = rig.conn,
					  .state = rig.conn,
					  .producer = rig.producer,
					  .config_separator = "|",
					  .appl_separator = ":",
					  .state_separator = "|"};
	struct startup *made = NULL;
	int r = startup_new(&made, &deps, &ops, NULL);

	startup_free(made);
	return r;
}

static int make_notify(void)
{
	struct notify *made = NULL;
	int r;

	(void)setenv("NOTIFY_SOCKET", rig.path, 1);
	r = notify_new(&made);
	notify_free(made);
	(void)unsetenv("NOTIFY_SOCKET");
	return r;
}

static int make_exchange(void)
{
	struct exchange *made = NULL;
	int r = exchange_new(&made);

	exchange_leave(made);
	exchange_free(made);
	return r;
}

static int make_pages(void)
{
	static const struct health_limits limits;
	struct pages *made = pages_new(rig.exchange, &limits, "/proc");

	pages_free(made);
	return of_pointer(made);
}

static int make_databases(void)
{
	struct dbconfig *made = NULL;
	char error[512] = "";
	int r = dbconfig_load(&made, "/there/is/none", true, error, sizeof(error));

	dbconfig_free(made);
	return r;
}

static int make_keeper(void)
{
	struct keeper *made = NULL;
	int r = keeper_new(&made, rig.folder);

	assert_true(keeper_free(made, 30 * USEC_PER_SEC));
	return r;
}

static int make_statefile(void)
{
	struct statefile *file = NULL;
	struct saver *saver = NULL;
	int r = statefile_new(&file, rig.path);

	if (r == 0)
		r = saver_new(&saver, file);
	assert_true(saver_free(saver, 30 * USEC_PER_SEC));
	statefile_free(file);
	return r;
}

/* Nothing of a file that could not be read whole is used. */
static int read_state(void)
{
	struct state s = {0};
	char why[128] = "";
	int r = state_parse(&s, rig.state_text, rig.state_len, why, sizeof(why));

	if (r == 0)
		assert_true(s.n_ports == 2 && s.event_id == 7);
	else
		assert_true(!s.ports && s.n_ports == 0 && s.event_id == 0 && why[0]);
	state_done(&s);
	return r;
}

static int write_state(void)
{
	struct state s = {0};
	char *text = NULL;
	size_t len;
	int r;

	faults_pause();
	fill_state(&s);
	faults_go_on();
	r = state_format(&s, &text, &len);
	if (r == 0)
		assert_true(len == rig.state_len && memcmp(text, rig.state_text, len) == 0);
	free(text);
	state_done(&s);
	return r;
}

static const struct {
	const char *name;
	int (*make)(void);
} things[] = {
	{"links", make_links},         {"changes", make_changes},     {"mirror", make_mirror},
	{"conn", make_conn},           {"resp_reader", make_reader},  {"lookup", make_lookup},
	{"producer", make_producer},   {"publish", make_publish},     {"appl_ports", make_appl_ports},
	{"startup", make_startup},     {"notify", make_notify},       {"exchange", make_exchange},
	{"pages", make_pages},         {"databases", make_databases}, {"keeper", make_keeper},
	{"statefile", make_statefile}, {"state, read", read_state},   {"state, written", write_state},
};

static void all_is_made_whole_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(things); i++) {
		const char *refused;
		size_t n = 0;
		int r;

		do {
			assert_true(n < MOST);
			faults_begin(FAULT_MEMORY, n++, true);
			r = things[i].make();
			refused = faults_end();
			if (r != 0 && r != -ENOMEM)
				fail_msg("%s: allocation %zu: %s", things[i].name, n, strerror(-r));
			if (r == 0 && refused && strcmp(things[i].name, "state, read") != 0)
				fail_msg("%s: made without allocation %zu", things[i].name, n);
		} while (refused);
		assert_int_equal(r, 0);
		if (n < 2)
			fail_msg("%s takes no memory", things[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_made_whole_or_not_at_all, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
