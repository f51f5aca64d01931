/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's figures in each of its states, and how clients get them. */
#include "daemon/status.h"

#include <errno.h>
#include <stdlib.h>

#include "base/timer.h"
#include "daemon/connections.h"
#include "daemon/judge.h"
#include "daemon/kernel.h"
#include "daemon_fixture.h"
#include "http/server.h"

#define PORTS 8

static struct {
	bool asks;      /* startup_check() could ask */
	bool init_done; /* as Redis had it last */
	unsigned checks;
} markers;

bool __wrap_startup_check(struct startup *s);
bool __wrap_startup_init_done(const struct startup *s);

bool __wrap_startup_check(struct startup *s)
{
	(void)s;
	markers.checks++;
	return markers.asks;
}

bool __wrap_startup_init_done(const struct startup *s)
{
	(void)s;
	return markers.init_done;
}

static int setup(void **state)
{
	markers.asks = markers.init_done = false;
	markers.checks = 0;
	*state = daemon_begin();
	return 0;
}

static int teardown(void **state)
{
	daemon_end(*state);
	return 0;
}

static void build(struct fixture *fx)
{
	struct daemon *d = &fx->daemon;

	assert_int_equal(judge_build(d), 0);
	assert_int_equal(status_build(d), 0);
}

/* In sync with a kernel that has no links. */
static void build_synced(struct fixture *fx)
{
	kernel_dump_ends(0);
	assert_int_equal(kernel_build(&fx->daemon), 0);
	build(fx);
	TURN_UNTIL(fx, fx->daemon.synced_once);
}

static void connect_redis(struct fixture *fx)
{
	struct daemon *d = &fx->daemon;

	assert_int_equal(connections_load(d), 0);
	assert_int_equal(connections_build(d), 0);
}

static struct health_report fill(struct fixture *fx, struct snapshot *s)
{
	struct health_report health;

	status_fill(s, &health, &fx->daemon);
	return health;
}

/* What a client gets while the loop turns. */
static void get(struct fixture *fx, const char *page, char *out, size_t size)
{
	int fd = daemon_ask(fx->config.http_unix_socket, page);
	size_t len = 0;

	TURN_UNTIL(fx, daemon_heard(fd, out, size, &len));
	(void)close(fd);
}

static void assert_answer(const char *answer, const char *status, const char *text)
{
	assert_int_equal(strncmp(answer, status, strlen(status)), 0);
	assert_non_null(strstr(answer, text));
}

/* Nothing else is built, and what is awaited is the reason. */
static void while_the_databases_are_awaited(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {.taken_nsec = 1};
	struct health_report health;

	fx->daemon.awaited = "/run/x.json: No such file or directory";
	fx->daemon.settings_refused = 3;
	build(fx);
	health = fill(fx, &s);
	assert_string_equal(s.redis_reason, "/run/x.json: No such file or directory");
	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++)
		assert_true(!s.conns[i].ready && s.conns[i].outage_usec > 0);
	assert_int_equal(s.n_ports, 0);
	assert_int_equal(s.settings_refused, 3);
	assert_false(health_is_ready(&s));
	assert_int_equal(health.checks[HEALTH_REDIS].level, HEALTH_DEGRADED);
}

static void a_client_hears_what_is_awaited(void **state)
{
	struct fixture *fx = *state;
	char answer[8192];

	(void)daemon_serves(fx);
	fx->daemon.awaited = "/run/x.json: No such file or directory";
	build(fx);
	status_start(&fx->daemon);
	get(fx, "/healthz", answer, sizeof(answer));
	assert_answer(answer, "HTTP/1.1 ", "/run/x.json: No such file or directory");
	get(fx, "/readyz", answer, sizeof(answer));
	assert_answer(answer, "HTTP/1.1 503", "\"ready\":");
	assert_int_equal(markers.checks, 0);
}

static struct port *configure(struct fixture *fx, const char *name)
{
	struct port *port = links_get(fx->daemon.links, name);

	assert_non_null(port);
	links_set_configured(fx->daemon.links, port, true);
	return port;
}

/* As sonic/publish has it when Redis acknowledged all. */
static void acknowledge(struct port *port)
{
	port->row.known = ROW_READ;
	port->row.acked = (struct row){.value = {1, 1, 1, 9100}};
	port->row.mine = true;
	port->owed = (struct port_owed){0};
}

static const struct snapshot_port *find(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (strcmp(s->ports[i].name, name) == 0)
			return &s->ports[i];
	return NULL;
}

/* Ethernet0 is in sync, Ethernet4 is owed, Ethernet8 has no link, Ethernet12 no row in APPL_DB; of Ethernet16 only the
 * memory is left, as of one that may come back. */
static void ports_of_all_kinds(struct fixture *fx)
{
	build_synced(fx);
	kernel_reports(RTM_NEWLINK, 1, "Ethernet0", UP);
	kernel_reports(RTM_NEWLINK, 2, "Ethernet4", UP);
	kernel_reports(RTM_NEWLINK, 4, "Ethernet12", UP);
	TURN_UNTIL(fx, links_stats(fx->daemon.links)->present == 3);
	acknowledge(configure(fx, "Ethernet0"));
	(void)configure(fx, "Ethernet4");
	configure(fx, "Ethernet8")->row.failing = true;
	assert_non_null(links_get(fx->daemon.links, "Ethernet16"));
}

static void what_is_said_of_ports(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};

	fx->config.dry_run = true;
	ports_of_all_kinds(fx);
	assert_int_equal(snapshot_reserve(&s, PORTS), 0);
	(void)fill(fx, &s);
	assert_int_equal(s.n_ports, 4);
	assert_true(find(&s, "Ethernet0")->in_sync);
	assert_false(find(&s, "Ethernet4")->in_sync);
	assert_true(find(&s, "Ethernet4")->owed);
	assert_false(find(&s, "Ethernet8")->in_sync);
	assert_true(find(&s, "Ethernet8")->refused);
	assert_false(find(&s, "Ethernet12")->in_sync);
	assert_null(find(&s, "Ethernet16"));
	assert_int_equal(s.sums.configured, 3);
	assert_int_equal(s.sums.present, 3);
	assert_int_equal(s.sums.in_sync, 1);
	assert_int_equal(s.sums.waiting, 1);
	snapshot_done(&s);
}

/* The memory is the client's: it is told how many there are, and asks again with more. */
static void more_ports_than_there_is_memory_for(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};

	fx->config.dry_run = true;
	ports_of_all_kinds(fx);
	assert_int_equal(snapshot_reserve(&s, 2), 0);
	for (unsigned i = 0; i < 2; i++) {
		(void)fill(fx, &s);
		assert_int_equal(s.n_ports, 4);
		assert_int_equal(s.capacity, 2);
		assert_int_equal(s.sums.configured, 3);
	}
	snapshot_done(&s);
}

/* A dry run has neither Redis nor markers, and misses neither. */
static void a_dry_run_is_ready_without_redis(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};
	struct health_report health;

	(void)daemon_serves(fx);
	fx->config.dry_run = true;
	build_synced(fx);
	assert_null(status_http(&fx->daemon));
	health = fill(fx, &s);
	assert_true(s.dry_run && health_is_ready(&s));
	assert_int_equal(health.checks[HEALTH_REDIS].level, HEALTH_HEALTHY);
}

static void the_first_sync_and_those_after_a_loss(void **state)
{
	struct fixture *fx = *state;
	struct daemon *d = &fx->daemon;
	struct snapshot s = {0};
	uint64_t first, lost;

	fx->config.dry_run = true;
	build_synced(fx);
	(void)fill(fx, &s);
	assert_true(s.sync.synced && s.sync.first_took_nsec > 0);
	assert_int_equal(s.sync.resyncs, 0);
	assert_int_equal(s.resync.count, 0);
	first = s.sync.last_nsec;
	status_note_sync(d, true); /* nothing new */
	(void)fill(fx, &s);
	assert_int_equal(s.sync.changed_nsec, first);
	status_note_sync(d, false);
	(void)fill(fx, &s);
	assert_false(s.sync.synced || health_is_ready(&s));
	assert_int_equal(s.sync.last_nsec, first);
	lost = s.sync.changed_nsec;
	assert_true(lost > first);
	status_note_sync(d, true);
	(void)fill(fx, &s);
	assert_true(s.sync.synced && s.sync.last_nsec > lost);
	assert_int_equal(s.sync.resyncs, 1);
	assert_int_equal(s.resync.count, 1);
	assert_int_equal(s.resync.sum, s.sync.last_nsec - lost);
}

/* To look for events and find none is no turn. */
static void turns_that_worked_are_timed(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};

	fx->config.dry_run = true;
	build_synced(fx);
	status_note_turn_end(&fx->daemon);
	(void)fill(fx, &s);
	assert_int_equal(s.turn.count, 0);
	timer_set_now(now_usec());
	status_note_turn(&fx->daemon);
	status_note_turn_end(&fx->daemon);
	timer_set_now(0);
	status_note_turn_end(&fx->daemon);
	(void)fill(fx, &s);
	assert_int_equal(s.turn.count, 1);
	assert_true(s.turn.max < patience_ends_usec() * NSEC_PER_USEC);
}

/* The first connection that is away is named, with the reason. */
static void a_redis_that_is_not_there_is_named(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};
	char reason[SNAPSHOT_REASON_BYTES];

	connect_redis(fx);
	build_synced(fx);
	TURN_UNTIL(fx, conn_outage(fx->daemon.logger_events)->reason[0] != '\0');
	(void)fill(fx, &s);
	(void)snprintf(reason, sizeof(reason), "CONFIG_DB: %s", conn_outage(fx->daemon.config_conn)->reason);
	assert_string_equal(s.redis_reason, reason);
	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++)
		assert_true(!s.conns[i].ready && s.conns[i].outage_usec > 0);
	assert_false(health_is_ready(&s));
}

static bool all_ready(const struct daemon *d)
{
	return conn_ready(d->config_conn) && conn_ready(d->appl_conn) && conn_ready(d->state_conn) &&
	       conn_ready(d->appl_events) && conn_ready(d->logger_events);
}

static void build_connected(struct fixture *fx)
{
	databases_listen(&fx->redis, fx->daemon.event, fx->redis_path);
	connect_redis(fx);
	build_synced(fx);
	TURN_UNTIL(fx, all_ready(&fx->daemon));
	markers.init_done = true;
}

static void one_connection_that_is_lost_is_named(void **state)
{
	struct fixture *fx = *state;
	struct daemon *d = &fx->daemon;
	struct snapshot s = {0};

	build_connected(fx);
	(void)fill(fx, &s);
	assert_string_equal(s.redis_reason, "");
	assert_true(health_is_ready(&s));
	databases_hang_up(databases_find(&fx->redis, d->state_db.number, ""));
	TURN_UNTIL(fx, !conn_ready(d->state_conn));
	(void)fill(fx, &s);
	assert_int_equal(strncmp(s.redis_reason, "STATE_DB: ", 10), 0);
	assert_true(!s.conns[SNAPSHOT_STATE_DB].ready && s.conns[SNAPSHOT_STATE_DB].outage_usec > 0);
	assert_true(s.conns[SNAPSHOT_APPL_DB].ready && s.conns[SNAPSHOT_APPL_DB].outage_usec == 0);
	assert_int_equal(s.conns[SNAPSHOT_STATE_DB].stats.losses, 1);
	assert_false(health_is_ready(&s));
}

/* A load balancer learns what Redis has, not what it had. */
static void readiness_waits_for_the_markers(void **state)
{
	struct fixture *fx = *state;
	const char *at = daemon_serves(fx);
	char answer[2048];
	size_t len = 0;
	int fd;

	build_connected(fx);
	status_start(&fx->daemon);
	markers.asks = true;
	fd = daemon_ask(at, "/readyz");
	TURN_UNTIL(fx, markers.checks > 0);
	assert_false(daemon_heard(fd, answer, sizeof(answer), &len));
	markers.init_done = false;
	status_checked(&fx->daemon);
	TURN_UNTIL(fx, daemon_heard(fd, answer, sizeof(answer), &len));
	assert_answer(answer, "HTTP/1.1 503", "\"port_init_done\": false");
	(void)close(fd);
	assert_int_equal(markers.checks, 1);
}

/* The client must not wait for a Redis that hangs, and may not take it for one that has them. */
static void a_redis_that_hangs_is_not_ready(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};
	char answer[2048];

	(void)daemon_serves(fx);
	build_connected(fx);
	status_start(&fx->daemon);
	markers.asks = true;
	get(fx, "/readyz", answer, sizeof(answer)); /* nobody calls status_checked() */
	assert_answer(answer, "HTTP/1.1 503", "\"port_init_done\": true");
	(void)fill(fx, &s); /* that was said of that answer only */
	assert_false(s.markers_unknown);
}

static void nobody_to_ask_for_the_markers(void **state)
{
	struct fixture *fx = *state;
	char answer[2048];

	(void)daemon_serves(fx);
	build_connected(fx);
	status_start(&fx->daemon);
	get(fx, "/readyz", answer, sizeof(answer));
	assert_answer(answer, "HTTP/1.1 503", "\"port_init_done\": true");
	assert_int_equal(markers.checks, 1);
}

/* A scrape needs no answer of Redis. */
static void metrics_do_not_ask_redis(void **state)
{
	struct fixture *fx = *state;
	static char answer[1 << 18];

	(void)daemon_serves(fx);
	build_connected(fx);
	status_start(&fx->daemon);
	get(fx, "/metrics", answer, sizeof(answer));
	assert_answer(answer, "HTTP/1.1 200", "portsyncd_");
	assert_int_equal(markers.checks, 0);
}

/* In force: [log] of the last SIGHUP, all else of the start. */
static void the_configuration_that_is_in_force_is_shown(void **state)
{
	struct fixture *fx = *state;
	static char answer[1 << 16];
	struct config *reread = malloc(sizeof(*reread));

	assert_non_null(reread);
	(void)daemon_serves(fx);
	fx->daemon.awaited = "it";
	build(fx);
	status_start(&fx->daemon);
	get(fx, "/config", answer, sizeof(answer));
	assert_answer(answer, "HTTP/1.1 200", "\"limit_secs\"");
	*reread = fx->config;
	reread->log_limit_secs = 4711;
	reread->keep_rows_secs = 1234;
	fx->daemon.reread = reread;
	status_reload(&fx->daemon, "pid 1 uid 0");
	get(fx, "/config", answer, sizeof(answer));
	assert_answer(answer, "HTTP/1.1 200", "4711");
	assert_null(strstr(answer, "1234"));
	free(reread);
}

/* Holds a port of 127.0.0.1, which the daemon is to serve at. */
static int hold_port(struct fixture *fx)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct config_addresses *listen_on = &fx->config.http_listen;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(listen_on->item[listen_on->n++], ADDRESS_TEXT_MAX, "127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

/* The daemon goes on; the address is served once its holder ends. */
static void an_address_in_use_is_tried_again(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};
	struct health_report health;
	int holder = hold_port(fx);

	fx->daemon.awaited = "it";
	build(fx);
	assert_int_equal(catcher_count(&fx->log, "metrics and health are not served: 127.0.0.1:"), 1);
	health = fill(fx, &s);
	assert_int_equal(s.http.missing, 1);
	assert_non_null(strstr(s.http.reason, fx->config.http_listen.item[0]));
	assert_int_equal(health.checks[HEALTH_HTTP].level, HEALTH_DEGRADED);
	status_start(&fx->daemon);
	(void)close(holder);
	TURN_UNTIL(fx, http_stats(status_http(&fx->daemon))->missing == 0);
	health = fill(fx, &s);
	assert_int_equal(s.http.missing, 0);
	assert_string_equal(s.http.reason, "");
	assert_int_equal(health.checks[HEALTH_HTTP].level, HEALTH_HEALTHY);
}

/* The second attempt finds it held still: there is a third. */
static void as_often_as_it_takes(void **state)
{
	struct fixture *fx = *state;
	int holder = hold_port(fx);
	uint64_t until;

	fx->daemon.awaited = "it";
	build(fx);
	status_start(&fx->daemon);
	until = now_usec() + 1500 * USEC_PER_MSEC; /* the first one comes within */
	TURN_UNTIL(fx, now_usec() > until);
	assert_int_equal(http_stats(status_http(&fx->daemon))->missing, 1);
	(void)close(holder);
	TURN_UNTIL(fx, http_stats(status_http(&fx->daemon))->missing == 0);
}

static void one_address_of_two_is_in_use(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};
	int holder = hold_port(fx);

	(void)daemon_serves(fx);
	fx->daemon.awaited = "it";
	build(fx);
	while (!strstr(fx->log.line, "; tried again until it is free"))
		assert_true(catcher_next(&fx->log));
	assert_null(strstr(fx->log.line, "are not served"));
	assert_non_null(strstr(fx->log.line, fx->config.http_listen.item[0]));
	(void)fill(fx, &s);
	assert_int_equal(s.http.missing, 1);
	assert_int_equal(http_stats(status_http(&fx->daemon))->listening, 1);
	(void)close(holder);
}

static void a_server_that_cannot_be_had(void **state)
{
	struct fixture *fx = *state;
	struct snapshot s = {0};

	(void)daemon_serves(fx);
	(void)snprintf(fx->config.http_listen.item[0], ADDRESS_TEXT_MAX, "127.0.0.1:1");
	fx->config.http_listen.n = 1;
	(void)snprintf(fx->config.http_cert, sizeof(fx->config.http_cert), "/does/not/exist");
	(void)snprintf(fx->config.http_key, sizeof(fx->config.http_key), "/does/not/exist");
	fx->daemon.awaited = "it";
	build(fx);
	assert_null(status_http(&fx->daemon));
	assert_int_equal(catcher_count(&fx->log, "metrics and health are not served: http.cert: /does/not/exist"), 1);
	(void)fill(fx, &s);
	assert_int_equal(s.http.missing, 2);
	assert_non_null(strstr(s.http.reason, "/does/not/exist"));
	status_start(&fx->daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(while_the_databases_are_awaited),
		TEST(a_client_hears_what_is_awaited),
		TEST(what_is_said_of_ports),
		TEST(more_ports_than_there_is_memory_for),
		TEST(a_dry_run_is_ready_without_redis),
		TEST(the_first_sync_and_those_after_a_loss),
		TEST(turns_that_worked_are_timed),
		TEST(a_redis_that_is_not_there_is_named),
		TEST(one_connection_that_is_lost_is_named),
		TEST(readiness_waits_for_the_markers),
		TEST(a_redis_that_hangs_is_not_ready),
		TEST(nobody_to_ask_for_the_markers),
		TEST(metrics_do_not_ask_redis),
		TEST(the_configuration_that_is_in_force_is_shown),
		TEST(an_address_in_use_is_tried_again),
		TEST(as_often_as_it_takes),
		TEST(one_address_of_two_is_in_use),
		TEST(a_server_that_cannot_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
