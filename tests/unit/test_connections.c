/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which connection goes to which Redis, with which credentials, and what its user does when it comes, is lost, or is
 * closed. Each database has a Redis, a number and a separator of its own.
 */
#include "daemon/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "daemon/judge.h"
#include "daemon/kernel.h"
#include "daemon/reload.h"
#include "daemon/status.h"
#include "daemon_fixture.h"
#include "fake_redis.h"
#include "ports/changes.h"

#define CONFIG_NUMBER 14
#define APPL_NUMBER 10
#define STATE_NUMBER 16
#define APPL_PATTERN "__keyspace@10__:PORT_TABLE:*"
#define LOGGER_PATTERN "__keyspace@14__:LOGGER|portsyncd"

enum server { CONFIG, APPL, STATE, SERVERS };

struct world {
	struct fixture *fx;
	struct fake_databases servers[SERVERS];
	char paths[SERVERS][128], password[128];
};

/* The content of the databases, and the commands that they got. */
static struct {
	const char *level;
	bool is_fabric;
	bool row, other_row; /* APPL_DB has those of Ethernet0 and Ethernet4 */
	bool init_gone;      /* APPL_DB has no PortInitDone */
	bool start_counted;  /* STATE_DB has the count of warm starts */
	bool warm;           /* STATE_DB wants a warm start, and CONFIG_DB has Ethernet8 */
	bool hangs;
	unsigned silent;               /* the number of the database that does not answer; 0: all do */
	char ignored[FAKE_WORD_BYTES]; /* the commands that it did not answer */
	unsigned scans, markers, levels, lookups, writes;
	char written[4 * FAKE_WORD_BYTES], event[FAKE_WORD_BYTES]; /* to STATE_DB */
	char channel[FAKE_WORD_BYTES];                             /* of what is pushed to APPL_DB */
	char count[FAKE_WORD_BYTES];                               /* of PortConfigDone, as corrected */
} redis;

static unsigned judgements, checks;

void __wrap_judge_soon(struct daemon *d);
void __wrap_status_checked(struct daemon *d);

void __wrap_judge_soon(struct daemon *d)
{
	(void)d;
	judgements++;
}

void __wrap_status_checked(struct daemon *d)
{
	(void)d;
	checks++;
}

/* --- the databases --- */

/* Whether the client's command is this one, on this key; NULL: on any. */
static bool is(const struct fake_client *c, const char *command, const char *key)
{
	return strcmp(c->word[0], command) == 0 && (!key || strcmp(c->word[1], key) == 0);
}

static const char *one_if(bool condition)
{
	return condition ? ":1\r\n" : ":0\r\n";
}

static const char *config_says(const struct fake_client *c)
{
	static char text[64];

	if (is(c, "HMGET", "LOGGER|portsyncd")) {
		redis.levels++;
		(void)snprintf(text, sizeof(text), "*2\r\n$%zu\r\n%s\r\n$6\r\nSYSLOG\r\n", strlen(redis.level),
			       redis.level);
		return text;
	}
	if (redis.is_fabric && is(c, "HGET", "DEVICE_METADATA|localhost"))
		return "$6\r\nfabric\r\n";
	if (redis.warm && is(c, "SCAN", NULL) && strcmp(c->word[3], "PORT|*") == 0)
		return "*2\r\n$1\r\n0\r\n*1\r\n$14\r\nPORT|Ethernet8\r\n";
	return is(c, "HGETALL", "PORT|Ethernet8") ? "*2\r\n$5\r\nlanes\r\n$1\r\n1\r\n" : NULL;
}

static const char *appl_says(const struct fake_client *c)
{
	redis.scans += is(c, "SCAN", NULL);
	redis.markers += is(c, "EXISTS", "PORT_TABLE:PortInitDone");
	redis.lookups += is(c, "HLEN", NULL);
	if (is(c, "EXISTS", "PORT_TABLE:PortInitDone"))
		return one_if(!redis.init_gone);
	if (is(c, "EXISTS", NULL))
		return one_if(true);
	if (is(c, "HLEN", NULL))
		return one_if(strcmp(c->word[1], "PORT_TABLE:Ethernet0") == 0 ? redis.row : redis.other_row);
	if (is(c, "EVAL", NULL) && strcmp(c->word[2], "3") == 0)
		(void)snprintf(redis.channel, sizeof(redis.channel), "%s", c->word[3]);
	else if (is(c, "EVAL", NULL) && strcmp(c->word[3], "PORT_TABLE:PortConfigDone") == 0)
		(void)snprintf(redis.count, sizeof(redis.count), "%s", c->word[4]);
	return is(c, "HGET", "PORT_TABLE:PortConfigDone") ? "$1\r\n0\r\n" : NULL;
}

static void note_write(const struct fake_client *c)
{
	redis.writes++;
	redis.written[0] = '\0';
	for (size_t i = 1; i < c->words; i++)
		text_append(redis.written, sizeof(redis.written), " ", "%s", c->word[i]);
}

static const char *state_says(const struct fake_client *c)
{
	if (redis.warm && is(c, "HGET", "WARM_RESTART_ENABLE_TABLE+swss"))
		return "$4\r\ntrue\r\n";
	if (redis.warm && is(c, "HGET", "WARM_RESTART_TABLE+portsyncd"))
		return "$1\r\n3\r\n";
	if (is(c, "PUBLISH", NULL))
		(void)snprintf(redis.event, sizeof(redis.event), "%s", c->word[1]);
	if (is(c, "HSET", "WARM_RESTART_TABLE+portsyncd"))
		redis.start_counted = true;
	else if (is(c, "HSET", NULL))
		note_write(c);
	return NULL;
}

/* A Redis that hangs accepts connections and stays silent. */
static const char *says(const struct fake_client *c)
{
	if (redis.hangs)
		return "";
	if (redis.silent && c->database == redis.silent) {
		text_append(redis.ignored, sizeof(redis.ignored), " ", "%s", c->word[0]);
		return "";
	}
	if (c->database == CONFIG_NUMBER)
		return config_says(c);
	return c->database == APPL_NUMBER ? appl_says(c) : state_says(c);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void put_databases(const struct world *w, const char *more)
{
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "{\"INSTANCES\": {\"a\": {\"hostname\": \"redis\", \"unix_socket_path\": \"%s\"}, \"b\": "
		       "{\"unix_socket_path\": \"%s\"}, "
		       "\"c\": {\"unix_socket_path\": \"%s\"}}, \"DATABASES\": {"
		       "\"CONFIG_DB\": {\"id\": %d, \"separator\": \"|\", \"instance\": \"a\"}, "
		       "\"APPL_DB\": {\"id\": %d, \"separator\": \":\", \"instance\": \"b\"}, "
		       "\"STATE_DB\": {\"id\": %d, \"separator\": \"+\", \"instance\": \"c\"%s}}, "
		       "\"VERSION\": \"1.0\"}",
		       w->paths[CONFIG], w->paths[APPL], w->paths[STATE], CONFIG_NUMBER, APPL_NUMBER, STATE_NUMBER,
		       more);
	put(w->fx->config.database_config, text);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct config *config;

	assert_non_null(w);
	memset(&redis, 0, sizeof(redis));
	redis.level = "NOTICE";
	judgements = checks = 0;
	w->fx = daemon_begin();
	config = &w->fx->config;
	config->redis_unix_socket[0] = '\0';
	(void)snprintf(config->database_config, sizeof(config->database_config), "%s/databases.json",
		       w->fx->log.folder);
	for (unsigned i = 0; i < SERVERS; i++)
		(void)snprintf(w->paths[i], sizeof(w->paths[i]), "%s/redis%u", w->fx->log.folder, i);
	(void)snprintf(w->password, sizeof(w->password), "%s/password", w->fx->log.folder);
	put_databases(w, "");
	*state = w;
	return 0;
}

static void serve(struct world *w, enum server which)
{
	w->servers[which].says = says;
	databases_listen(&w->servers[which], w->fx->daemon.event, w->paths[which]);
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < SERVERS; i++)
		databases_end(&w->servers[i]);
	daemon_end(w->fx);
	free(w);
	return 0;
}

/* --- the daemon --- */

static void serve_all(struct world *w)
{
	for (unsigned i = 0; i < SERVERS; i++)
		serve(w, i);
}

static void build(struct world *w)
{
	assert_int_equal(connections_load(&w->fx->daemon), 0);
	assert_int_equal(connections_build(&w->fx->daemon), 0);
}

static bool all_ready(const struct daemon *d)
{
	return conn_ready(d->config_conn) && conn_ready(d->appl_conn) && conn_ready(d->state_conn) &&
	       conn_ready(d->appl_events) && conn_ready(d->logger_events);
}

static void build_connected(struct world *w)
{
	serve_all(w);
	build(w);
	TURN_UNTIL(w->fx, all_ready(&w->fx->daemon));
}

/* The kernel has Ethernet0. */
static void build_kernel(struct world *w)
{
	struct daemon *d = &w->fx->daemon;

	kernel_dump_has(0, 4, "Ethernet0");
	kernel_dump_ends(0);
	assert_int_equal(kernel_build(d), 0);
	assert_int_equal(judge_build(d), 0);
	assert_int_equal(status_build(d), 0);
}

/* Started, without ports in CONFIG_DB; STATE_DB has the row of Ethernet0. */
static void build_started(struct world *w)
{
	redis.row = true;
	build_connected(w);
	build_kernel(w);
	TURN_UNTIL(w->fx, startup_init_done(w->fx->daemon.startup) && redis.writes == 1);
}

static struct fake_client *client(const struct world *w, enum server which, const char *pattern)
{
	static const unsigned numbers[SERVERS] = {CONFIG_NUMBER, APPL_NUMBER, STATE_NUMBER};

	return databases_find(&w->servers[which], numbers[which], pattern);
}

static void hang_up(const struct world *w, enum server which, const char *pattern)
{
	struct fake_client *c = client(w, which, pattern);

	assert_non_null(c);
	databases_hang_up(c);
}

static size_t clients(const struct world *w)
{
	size_t n = 0;

	for (unsigned i = 0; i < SERVERS; i++)
		for (size_t j = 0; j < w->servers[i].n; j++)
			n += w->servers[i].clients[j]->fd >= 0;
	return n;
}

/* --- where they go --- */

static void each_database_is_found_in_its_own_redis(void **state)
{
	struct world *w = *state;

	build_connected(w);
	assert_int_equal(w->servers[CONFIG].n, 2);
	assert_non_null(client(w, CONFIG, ""));
	assert_non_null(client(w, CONFIG, LOGGER_PATTERN));
	assert_int_equal(w->servers[APPL].n, 2);
	assert_non_null(client(w, APPL, ""));
	assert_non_null(client(w, APPL, APPL_PATTERN));
	assert_int_equal(w->servers[STATE].n, 1);
	assert_non_null(client(w, STATE, ""));
	assert_null(w->fx->daemon.lookup); /* its host has a name, but its socket is what counts */
}

/* It names one Redis for all databases; numbers and separators still come from the file. */
static void the_configuration_overrides_the_file(void **state)
{
	struct world *w = *state;

	(void)snprintf(w->fx->config.redis_unix_socket, sizeof(w->fx->config.redis_unix_socket), "%s", w->paths[STATE]);
	build_connected(w);
	assert_int_equal(w->servers[CONFIG].n + w->servers[APPL].n, 0);
	assert_int_equal(w->servers[STATE].n, 5);
	assert_non_null(databases_find(&w->servers[STATE], CONFIG_NUMBER, LOGGER_PATTERN));
	assert_non_null(databases_find(&w->servers[STATE], APPL_NUMBER, APPL_PATTERN));
	assert_non_null(databases_find(&w->servers[STATE], STATE_NUMBER, ""));
}

static void a_bad_file_ends_the_daemon(void **state)
{
	struct world *w = *state;

	put(w->fx->config.database_config, "{}");
	assert_int_equal(connections_load(&w->fx->daemon), -EINVAL);
	assert_int_equal(w->fx->daemon.status, EXIT_FAILURE);
	assert_int_equal(catcher_count(&w->fx->log, "databases.json: "), 1);
}

/* Without the database container it says so and ends. */
static void a_dry_run_does_not_wait_for_the_file(void **state)
{
	struct world *w = *state;

	w->fx->config.dry_run = true;
	assert_int_equal(unlink(w->fx->config.database_config), 0);
	assert_int_equal(connections_load(&w->fx->daemon), -ENOENT);
	assert_int_equal(w->fx->daemon.status, EXIT_FAILURE);
	assert_int_equal(catcher_count(&w->fx->log, "databases.json: No such file or directory"), 1);
}

static void a_path_that_is_too_long_is_named(void **state)
{
	struct world *w = *state;
	char *path = w->fx->config.redis_unix_socket;

	memset(path, 'x', 200);
	path[0] = '/';
	path[200] = '\0';
	assert_int_equal(connections_load(&w->fx->daemon), 0);
	assert_int_equal(connections_build(&w->fx->daemon), -ENAMETOOLONG);
	assert_int_equal(w->fx->daemon.status, EXIT_FAILURE);
	while (!strstr(w->fx->log.line, "CONFIG_DB at /xxx"))
		assert_true(catcher_next(&w->fx->log));
	assert_non_null(strstr(w->fx->log.line, "File name too long"));
}

/* By a thread, which exists only if a database has a host name. */
static void a_host_name_is_looked_up(void **state)
{
	struct world *w = *state;
	struct daemon *d = &w->fx->daemon;
	struct fake_redis server;

	fake_init(&server, d->event);
	fake_listen_tcp(&server);
	(void)snprintf(w->fx->config.redis_host, sizeof(w->fx->config.redis_host), "localhost");
	w->fx->config.redis_port = server.port;
	build(w);
	assert_non_null(d->lookup);
	assert_int_equal(connections_start(d), 0);
	server.setup = "*2\r\n$6\r\nSELECT\r\n$2\r\n1"; /* of whichever comes first */
	TURN_UNTIL(w->fx, server.set_up);
	fake_done(&server);
}

static void an_address_needs_no_look_up(void **state)
{
	struct world *w = *state;
	struct daemon *d = &w->fx->daemon;

	(void)snprintf(w->fx->config.redis_host, sizeof(w->fx->config.redis_host), "127.0.0.1");
	build(w);
	assert_null(d->lookup);
	assert_int_equal(connections_start(d), 0);
	assert_string_equal(conn_outage(d->state_conn)->endpoint, "127.0.0.1:6379");
}

/* --- with which credentials --- */

static void all_log_in(void **state)
{
	struct world *w = *state;

	put(w->password, "secret\n");
	(void)snprintf(w->fx->config.redis_password_file, sizeof(w->fx->config.redis_password_file), "%s", w->password);
	(void)snprintf(w->fx->config.redis_username, sizeof(w->fx->config.redis_username), "swss");
	build_connected(w);
	for (unsigned i = 0; i < SERVERS; i++)
		for (size_t j = 0; j < w->servers[i].n; j++)
			assert_string_equal(w->servers[i].clients[j]->auth, "swss secret");
}

/* Standing connections are kept. */
static void a_new_password_is_used_by_the_next_connection(void **state)
{
	struct world *w = *state;

	put(w->password, "old");
	(void)snprintf(w->fx->config.redis_password_file, sizeof(w->fx->config.redis_password_file), "%s", w->password);
	build_connected(w);
	assert_string_equal(client(w, STATE, "")->auth, "old");
	put(w->password, "new");
	hang_up(w, STATE, "");
	TURN_UNTIL(w->fx, client(w, STATE, "") && conn_ready(w->fx->daemon.state_conn));
	assert_string_equal(client(w, STATE, "")->auth, "new");
	assert_string_equal(client(w, CONFIG, "")->auth, "old");
	assert_int_equal(clients(w), 5);
}

static void a_password_that_cannot_be_read_ends_the_start(void **state)
{
	struct world *w = *state;

	(void)snprintf(w->fx->config.redis_password_file, sizeof(w->fx->config.redis_password_file), "%s", w->password);
	assert_int_equal(connections_load(&w->fx->daemon), 0);
	assert_int_equal(connections_build(&w->fx->daemon), -ENOENT);
	assert_int_equal(w->fx->daemon.status, EXIT_FAILURE);
	assert_int_equal(catcher_count(&w->fx->log, w->password), 1);
}

/* supervisord would only start the daemon again: so it goes on, and logs in once the file is there. */
static void under_supervisord_it_is_awaited(void **state)
{
	struct world *w = *state;
	const struct conn_outage *outage;

	assert_int_equal(setenv("SUPERVISOR_ENABLED", "1", 1), 0);
	assert_int_equal(setenv("SUPERVISOR_PROCESS_NAME", "portsyncd", 1), 0);
	(void)snprintf(w->fx->config.redis_password_file, sizeof(w->fx->config.redis_password_file), "%s", w->password);
	serve_all(w);
	build(w);
	(void)unsetenv("SUPERVISOR_ENABLED");
	(void)unsetenv("SUPERVISOR_PROCESS_NAME");
	assert_int_equal(w->fx->daemon.status, EXIT_SUCCESS);
	assert_int_equal(catcher_count(&w->fx->log, w->password), 1);
	outage = conn_outage(w->fx->daemon.state_conn);
	TURN_UNTIL(w->fx, strstr(outage->reason, w->password));
	assert_string_equal(w->fx->daemon.access.source, w->password);
	put(w->password, "late");
	TURN_UNTIL(w->fx, all_ready(&w->fx->daemon));
	assert_string_equal(client(w, STATE, "")->auth, "late");
}

/* Where Redis is, and how to log in, changes with a restart only: a reload neither closes nor moves a connection. */
static void a_reload_leaves_them_alone(void **state)
{
	static char name[] = "portsyncd", option[] = "--config";
	struct world *w = *state;
	struct daemon *d = &w->fx->daemon;
	char file[160], text[512], *argv[] = {name, option, file, NULL};

	build_started(w);
	(void)snprintf(file, sizeof(file), "%s/portsyncd.conf", w->fx->log.folder);
	(void)snprintf(text, sizeof(text),
		       "[log]\ntarget = rfc5424\nrfc5424_to = unix:%s\n"
		       "[database]\nredis_unix_socket = /else/where\nredis_username = other\n",
		       w->fx->log.path);
	put(file, text);
	w->fx->config.argc = 3;
	w->fx->config.argv = argv;
	reload(d, "pid 7 uid 0");
	do
		assert_true(catcher_next(&w->fx->log));
	while (!strstr(w->fx->log.line, "in force after a restart only"));
	assert_non_null(strstr(w->fx->log.line, "database.redis_unix_socket"));
	for (unsigned i = 0; i < 10; i++)
		daemon_turn(w->fx, 0);
	assert_true(clients(w) == 5 && all_ready(d));
	hang_up(w, STATE, "");
	TURN_UNTIL(w->fx, client(w, STATE, "") && all_ready(d));
	assert_string_equal(client(w, STATE, "")->auth, "");
	free(d->reread);
}

/* --- how they are used --- */

static void settings_reach_the_connections(void **state)
{
	struct world *w = *state;

	w->fx->config.redis_pipeline_depth = 7;
	build_connected(w);
	TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.state_conn) == 0);
	assert_int_equal(conn_capacity(w->fx->daemon.state_conn), 7);
}

/* After the configured time. */
static void a_redis_that_hangs_is_left(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	w->fx->config.connection_timeout_secs = 1;
	redis.hangs = true;
	serve_all(w);
	build(w);
	TURN_UNTIL(w->fx, conn_stats(d->state_conn)->timeouts > 0);
	assert_false(conn_ready(d->state_conn));
	redis.hangs = false;
	TURN_UNTIL(w->fx, all_ready(d));
}

/* A fabric card has no front panel ports. */
static void a_switch_without_ports_ends_the_daemon(void **state)
{
	struct world *w = *state;

	redis.is_fabric = true;
	build_connected(w);
	build_kernel(w);
	TURN_UNTIL(w->fx, w->fx->daemon.status == EXIT_FAILURE);
	assert_int_equal(catcher_count(&w->fx->log, "switch_type is \"fabric\""), 1);
	assert_int_equal(redis.writes, 0);
}

/* Which links are old is not known without CONFIG_DB, so no row may be written yet. */
static void nothing_is_published_without_config_db(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	redis.row = true;
	serve(w, APPL);
	serve(w, STATE);
	build(w);
	build_kernel(w);
	TURN_UNTIL(w->fx, conn_ready(d->appl_conn) && conn_ready(d->state_conn) && redis.scans > 0 && d->synced_once &&
				  conn_in_flight(d->appl_conn) == 0);
	for (unsigned i = 0; i < 10; i++)
		daemon_turn(w->fx, 0);
	assert_int_equal(redis.writes, 0);
	serve(w, CONFIG);
	TURN_UNTIL(w->fx, redis.writes == 1);
	assert_non_null(strstr(redis.written, "PORT_TABLE+Ethernet0 "));
}

/* Without notifications the row is looked up until it exists. */
static void a_link_without_a_row_is_looked_up(void **state)
{
	struct world *w = *state;

	build_connected(w);
	build_kernel(w);
	TURN_UNTIL(w->fx, startup_init_done(w->fx->daemon.startup));
	assert_int_equal(redis.writes, 0);
	redis.row = true;
	TURN_UNTIL(w->fx, redis.writes == 1);
}

static void notify_of_row(const struct world *w, const char *name)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "*4\r\n$8\r\npmessage\r\n$28\r\n" APPL_PATTERN "\r\n$36\r\n__keyspace@10__:PORT_TABLE:%s\r\n"
		       "$4\r\nhset\r\n",
		       name);
	databases_tell(client(w, APPL, APPL_PATTERN), text);
}

static bool is_configured(const struct world *w, const char *name)
{
	const struct port *port = links_find(w->fx->daemon.links, name);

	return port && port->appl.configured;
}

/* Even for a port without a link, whose row is never looked up. */
static void a_notification_of_a_row_is_followed(void **state)
{
	struct world *w = *state;

	build_connected(w);
	redis.other_row = true;
	notify_of_row(w, "Ethernet4");
	TURN_UNTIL(w->fx, is_configured(w, "Ethernet4"));
}

/* While Redis sends notifications rows are not looked up again and again; without them they are. */
static void without_the_subscription_rows_are_looked_up(void **state)
{
	struct world *w = *state;

	build_connected(w);
	redis.other_row = true;
	notify_of_row(w, "Ethernet4");
	TURN_UNTIL(w->fx, is_configured(w, "Ethernet4"));
	build_kernel(w);
	TURN_UNTIL(w->fx, redis.lookups == 2 && conn_in_flight(w->fx->daemon.appl_conn) == 0);
	hang_up(w, APPL, APPL_PATTERN);
	redis.row = true;
	TURN_UNTIL(w->fx, redis.writes == 1);
}

static void notify_of_logger(const struct world *w)
{
	databases_tell(client(w, CONFIG, LOGGER_PATTERN), "*4\r\n$8\r\npmessage\r\n$32\r\n" LOGGER_PATTERN
							  "\r\n$32\r\n" LOGGER_PATTERN "\r\n$4\r\nhset\r\n");
}

static void swssloglevel_is_followed(void **state)
{
	struct world *w = *state;

	redis.level = "INFO";
	build_connected(w);
	TURN_UNTIL(w->fx, log_level() == LOG_INFO);
	TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.config_conn) == 0);
	redis.level = "WARN";
	notify_of_logger(w);
	TURN_UNTIL(w->fx, log_level() == LOG_WARNING);
}

/* The first reading does not override the command line; a later change does. */
static void a_chosen_level_stays_until_it_is_changed(void **state)
{
	struct world *w = *state;

	w->fx->config.level_chosen = true;
	redis.level = "DEBUG";
	build_connected(w);
	TURN_UNTIL(w->fx, redis.levels > 0 && conn_in_flight(w->fx->daemon.config_conn) == 0);
	assert_int_equal(log_level(), LOG_NOTICE);
	redis.level = "INFO";
	notify_of_logger(w);
	TURN_UNTIL(w->fx, log_level() == LOG_INFO);
}

/* The consumer of the rows, and the next start, find things by these names. */
static void names_are_those_of_each_database(void **state)
{
	struct world *w = *state;

	build_started(w);
	TURN_UNTIL(w->fx, redis.start_counted);
	assert_string_equal(redis.channel, "PORT_TABLE_CHANNEL@10");
	assert_non_null(strstr(redis.written, "PORT_TABLE+Ethernet0 "));
}

static void what_redis_acknowledged_is_remembered(void **state)
{
	struct world *w = *state;

	build_started(w);
	TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.state_conn) == 0);
	assert_int_equal(changes_end(w->fx->daemon.changes), 1);
}

/* If a port's link does not come after a warm start, its row is deleted. */
static void a_kept_row_ends_some_time_after_a_warm_start(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	redis.warm = true;
	w->fx->config.keep_rows_secs = 1;
	build_connected(w);
	build_kernel(w);
	TURN_UNTIL(w->fx, d->keeping);
	assert_true(startup_is_warm(d->startup));
	assert_int_equal(links_kept(d->links), 1);
	TURN_UNTIL(w->fx, links_kept(d->links) == 0);
}

/* If event_tables of the file names the table, each write is published as well. */
static void writes_are_published_if_the_file_says_so(void **state)
{
	struct world *w = *state;

	put_databases(w, ", \"event_tables\": [\"PORT_TABLE\"]");
	build_started(w);
	TURN_UNTIL(w->fx, redis.event[0] != '\0');
	assert_string_equal(redis.event, "PORT_TABLE_CHANNEL@16");
}

static void else_they_are_not(void **state)
{
	struct world *w = *state;

	build_started(w);
	TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.state_conn) == 0);
	assert_string_equal(redis.event, "");
}

/* systemd shows it without a request. */
static void the_end_of_the_start_is_judged(void **state)
{
	struct world *w = *state;
	unsigned before;

	build_connected(w);
	build_kernel(w);
	do {
		before = judgements;
		TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.appl_conn) > 0);
		daemon_turn(w->fx, USEC_PER_SEC);
	} while (!startup_init_done(w->fx->daemon.startup));
	assert_int_equal(judgements, before + 1);
}

/* A client that asked whether the daemon is ready gets its answer, and health is judged. */
static void a_marker_that_is_gone_is_noticed(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	build_started(w);
	checks = 0;
	assert_true(startup_check(d->startup));
	TURN_UNTIL(w->fx, checks == 1);
	judgements = 0;
	redis.init_gone = true;
	assert_true(startup_check(d->startup));
	TURN_UNTIL(w->fx, checks == 2);
	assert_int_equal(judgements, 1);
	TURN_UNTIL(w->fx, startup_init_done(d->startup));
}

static void the_count_follows_the_rows_if_wanted(void **state)
{
	struct world *w = *state;

	w->fx->config.track_port_config_done = true;
	build_started(w);
	TURN_UNTIL(w->fx, redis.count[0] != '\0');
	assert_string_equal(redis.count, "1");
}

static void old_links_are_set_down_if_wanted(void **state)
{
	struct world *w = *state;

	w->fx->config.retire_old_links = CONFIG_OLD_LINKS_ALWAYS;
	build_connected(w);
	build_kernel(w);
	TURN_UNTIL(w->fx, startup_init_done(w->fx->daemon.startup));
	assert_int_equal(startup_links_set_down(w->fx->daemon.startup), 1);
}

/* --- outages --- */

/* Each of the five reconnects while the others stand; health is judged at the loss and at the end. */
static void what_is_lost_comes_again_alone(void **state)
{
	static const struct {
		enum server server;
		const char *pattern;
	} one[] = {{CONFIG, ""}, {CONFIG, LOGGER_PATTERN}, {APPL, ""}, {APPL, APPL_PATTERN}, {STATE, ""}};
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	build_connected(w);
	for (size_t i = 0; i < ARRAY_SIZE(one); i++) {
		size_t before = w->servers[CONFIG].n + w->servers[APPL].n + w->servers[STATE].n;

		judgements = 0;
		hang_up(w, one[i].server, one[i].pattern);
		TURN_UNTIL(w->fx, !all_ready(d));
		assert_int_equal(judgements, 1);
		TURN_UNTIL(w->fx, all_ready(d));
		assert_int_equal(judgements, 2);
		assert_non_null(client(w, one[i].server, one[i].pattern));
		assert_int_equal(w->servers[CONFIG].n + w->servers[APPL].n + w->servers[STATE].n, before + 1);
		assert_int_equal(clients(w), 5);
	}
}

/* The kernel's changes meanwhile are owed. */
static void a_change_during_an_outage_is_written_afterwards(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	build_started(w);
	databases_end(&w->servers[STATE]);
	TURN_UNTIL(w->fx, !conn_ready(d->state_conn));
	kernel_reports(RTM_NEWLINK, 4, "Ethernet0", IFF_UP);
	TURN_UNTIL(w->fx, fake_events_left() == 0);
	assert_true(startup_init_done(d->startup)); /* of APPL_DB, which stands */
	assert_true(publish_is_in_doubt(d->publish));
	redis.writes = 0;
	serve(w, STATE);
	TURN_UNTIL(w->fx, redis.writes > 0);
	assert_non_null(strstr(redis.written, " netdev_oper_status down"));
}

/* APPL_DB may have been emptied: its rows are read again, and it is asked for the markers. */
static void appl_db_is_read_again_after_an_outage(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	build_started(w);
	TURN_UNTIL(w->fx, conn_in_flight(d->appl_conn) == 0);
	hang_up(w, APPL, "");
	TURN_UNTIL(w->fx, !conn_ready(d->appl_conn));
	assert_false(appl_ports_known(d->appl_ports));
	redis.scans = redis.markers = 0;
	TURN_UNTIL(w->fx, appl_ports_known(d->appl_ports));
	assert_true(redis.scans > 0);
	TURN_UNTIL(w->fx, redis.markers > 0);
}

/* After a restart of Redis APPL_DB is asked once all connections are back, whichever is the last. */
static void an_emptied_redis_is_noticed_without_a_reconciliation(void **state)
{
	struct world *w = *state;
	const struct daemon *d = &w->fx->daemon;

	build_started(w);
	TURN_UNTIL(w->fx, conn_in_flight(d->appl_conn) == 0);
	for (unsigned i = 0; i < SERVERS; i++)
		databases_end(&w->servers[i]);
	TURN_UNTIL(w->fx, !conn_ready(d->config_conn) && !conn_ready(d->appl_conn) && !conn_ready(d->state_conn));
	redis.markers = 0;
	serve(w, CONFIG);
	TURN_UNTIL(w->fx, conn_ready(d->config_conn));
	serve(w, APPL);
	TURN_UNTIL(w->fx, appl_ports_known(d->appl_ports));
	assert_int_equal(redis.markers, 0);
	serve(w, STATE);
	TURN_UNTIL(w->fx, redis.markers > 0);
}

/* Redis sent no notifications while the subscription was lost. */
static void rows_are_read_again_with_a_new_subscription(void **state)
{
	struct world *w = *state;

	build_started(w);
	TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.appl_conn) == 0);
	redis.scans = 0;
	hang_up(w, APPL, APPL_PATTERN);
	TURN_UNTIL(w->fx, !conn_ready(w->fx->daemon.appl_events));
	TURN_UNTIL(w->fx, redis.scans > 0);
	assert_true(conn_ready(w->fx->daemon.appl_events));
}

/* An outage of either connection: the level may have been changed meanwhile. */
static void the_level_is_read_again_after_an_outage(void **state)
{
	static const char *const patterns[] = {"", LOGGER_PATTERN};
	static const struct {
		const char *name;
		int level;
	} levels[] = {{"INFO", LOG_INFO}, {"WARN", LOG_WARNING}};
	struct world *w = *state;

	build_connected(w);
	TURN_UNTIL(w->fx, conn_in_flight(w->fx->daemon.config_conn) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		redis.level = levels[i].name;
		hang_up(w, CONFIG, patterns[i]);
		TURN_UNTIL(w->fx, log_level() == levels[i].level);
	}
}

/* If the answer to a step of the start is lost, the step is repeated, whichever database it was for. */
static void start_without_answer(struct world *w, unsigned database, const char *command, struct conn **conn,
				 enum server server)
{
	const struct daemon *d = &w->fx->daemon;

	build_connected(w);
	TURN_UNTIL(w->fx, appl_ports_known(d->appl_ports) && conn_in_flight(*conn) == 0);
	redis.silent = database;
	build_kernel(w);
	TURN_UNTIL(w->fx, strstr(redis.ignored, command));
	hang_up(w, server, "");
	TURN_UNTIL(w->fx, !conn_ready(*conn));
	redis.silent = 0;
	TURN_UNTIL(w->fx, startup_init_done(d->startup));
}

static void a_start_goes_on_with_config_db(void **state)
{
	struct world *w = *state;

	start_without_answer(w, CONFIG_NUMBER, "HGET", &w->fx->daemon.config_conn, CONFIG);
}

static void a_start_goes_on_with_appl_db(void **state)
{
	struct world *w = *state;

	start_without_answer(w, APPL_NUMBER, "EVAL", &w->fx->daemon.appl_conn, APPL);
}

static void a_start_goes_on_with_state_db(void **state)
{
	struct world *w = *state;

	start_without_answer(w, STATE_NUMBER, "HGET", &w->fx->daemon.state_conn, STATE);
}

/* --- a replay --- */

static void turn_replay(const struct world *w)
{
	struct daemon *d = &w->fx->daemon;

	assert_true(sd_event_run(d->event, 10 * USEC_PER_MSEC) >= 0);
	publish_flush(d->publish);
	conn_flush(d->state_conn);
}

#define REPLAY_UNTIL(w, condition)                                                                                     \
	do {                                                                                                           \
		uint64_t deadline_ = patience_ends_usec();                                                             \
		while (!(condition)) {                                                                                 \
			assert_true(now_usec() < deadline_);                                                           \
			turn_replay(w);                                                                                \
		}                                                                                                      \
	} while (0)

/* The Redis may be that of a switch: no other database is touched. */
static void a_replay_connects_to_state_db_alone(void **state)
{
	struct world *w = *state;
	struct daemon *d = &w->fx->daemon;
	struct port *port;

	serve_all(w);
	assert_int_equal(connections_load(d), 0);
	assert_int_equal(connections_build_state(d), 0);
	publish_enable(d->publish, true);
	build_kernel(w);
	port = links_get(d->links, "Ethernet0");
	assert_non_null(port);
	links_set_configured(d->links, port, true);
	REPLAY_UNTIL(w, redis.writes == 1);
	databases_hang_up(client(w, STATE, ""));
	REPLAY_UNTIL(w, !conn_ready(d->state_conn));
	assert_true(publish_is_in_doubt(d->publish));
	REPLAY_UNTIL(w, conn_ready(d->state_conn) && !publish_is_in_doubt(d->publish));
	assert_int_equal(w->servers[CONFIG].n + w->servers[APPL].n, 0);
}

/* --- their end --- */

static void drop(struct daemon *d)
{
	connections_free(d);
	d->state_conn = d->logger_events = d->appl_events = d->appl_conn = d->config_conn = NULL;
	d->lookup = NULL;
	d->publish = NULL;
	d->startup = NULL;
	d->loglevel = NULL;
	d->producer = NULL;
	d->appl_ports = NULL;
}

/* Also with commands under way, whose answers must not be delivered any more. */
static void all_are_closed_at_the_end(void **state)
{
	struct world *w = *state;
	struct daemon *d = &w->fx->daemon;

	build_started(w);
	assert_int_equal(clients(w), 5);
	loglevel_read(d->loglevel);
	publish_reconcile(d->publish);
	conn_flush(d->config_conn);
	conn_flush(d->state_conn);
	assert_true(conn_in_flight(d->config_conn) > 0 && conn_in_flight(d->state_conn) > 0);
	drop(d);
	TURN_UNTIL(w->fx, clients(w) == 0);
}

/* If a later one cannot be made, the daemon frees those that exist. */
static void half_of_them_are_freed_as_well(void **state)
{
	struct world *w = *state;
	struct daemon *d = &w->fx->daemon;

	serve_all(w);
	assert_int_equal(connections_load(d), 0);
	memset(w->paths[STATE], 'x', 120);
	d->state_db.unix_socket = w->paths[STATE];
	assert_int_equal(connections_build(d), -ENAMETOOLONG);
	assert_int_equal(catcher_count(&w->fx->log, "STATE_DB at xxx"), 1);
	assert_non_null(d->appl_conn);
	assert_null(d->state_conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_database_is_found_in_its_own_redis),
		TEST(the_configuration_overrides_the_file),
		TEST(a_bad_file_ends_the_daemon),
		TEST(a_dry_run_does_not_wait_for_the_file),
		TEST(a_path_that_is_too_long_is_named),
		TEST(a_host_name_is_looked_up),
		TEST(an_address_needs_no_look_up),
		TEST(all_log_in),
		TEST(a_new_password_is_used_by_the_next_connection),
		TEST(a_password_that_cannot_be_read_ends_the_start),
		TEST(under_supervisord_it_is_awaited),
		TEST(a_reload_leaves_them_alone),
		TEST(settings_reach_the_connections),
		TEST(a_redis_that_hangs_is_left),
		TEST(a_switch_without_ports_ends_the_daemon),
		TEST(nothing_is_published_without_config_db),
		TEST(a_link_without_a_row_is_looked_up),
		TEST(a_notification_of_a_row_is_followed),
		TEST(without_the_subscription_rows_are_looked_up),
		TEST(swssloglevel_is_followed),
		TEST(a_chosen_level_stays_until_it_is_changed),
		TEST(names_are_those_of_each_database),
		TEST(what_redis_acknowledged_is_remembered),
		TEST(a_kept_row_ends_some_time_after_a_warm_start),
		TEST(writes_are_published_if_the_file_says_so),
		TEST(else_they_are_not),
		TEST(the_end_of_the_start_is_judged),
		TEST(a_marker_that_is_gone_is_noticed),
		TEST(the_count_follows_the_rows_if_wanted),
		TEST(old_links_are_set_down_if_wanted),
		TEST(what_is_lost_comes_again_alone),
		TEST(a_change_during_an_outage_is_written_afterwards),
		TEST(appl_db_is_read_again_after_an_outage),
		TEST(an_emptied_redis_is_noticed_without_a_reconciliation),
		TEST(rows_are_read_again_with_a_new_subscription),
		TEST(the_level_is_read_again_after_an_outage),
		TEST(a_start_goes_on_with_config_db),
		TEST(a_start_goes_on_with_appl_db),
		TEST(a_start_goes_on_with_state_db),
		TEST(a_replay_connects_to_state_db_alone),
		TEST(all_are_closed_at_the_end),
		TEST(half_of_them_are_freed_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
