/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: which databases, the connections, and who is notified of them. */
#include "daemon/connections.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/await.h"
#include "daemon/counters.h"
#include "daemon/end.h"
#include "daemon/judge.h"
#include "daemon/kernel.h"
#include "daemon/status.h"
#include "host/capabilities.h"
#include "log/log.h"
#include "settings/databases.h"
#include "settings/settings.h"

#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS 2000
#define BATCH_ROWS 128 /* after so many the buffer is handed to Redis while more rows are made */

static void on_config_ready(void *user)
{
	struct daemon *d = user;

	loglevel_read(d->loglevel);
	startup_ready(d->startup);
	judge_soon(user);
}

static void on_config_lost(void *user)
{
	startup_lost(((struct daemon *)user)->startup);
	judge_soon(user);
}

static void on_appl_ready(void *user)
{
	struct daemon *d = user;

	appl_ports_ready(d->appl_ports);
	startup_ready(d->startup);
	judge_soon(user);
}

static void on_appl_lost(void *user)
{
	struct daemon *d = user;

	appl_ports_lost(d->appl_ports);
	startup_lost(d->startup);
	judge_soon(user);
}

static void on_events_ready(void *user)
{
	appl_ports_subscribed(((struct daemon *)user)->appl_ports, true);
	judge_soon(user);
}

static void on_events_lost(void *user)
{
	appl_ports_subscribed(((struct daemon *)user)->appl_ports, false);
	judge_soon(user);
}

static void on_events_message(const struct resp_value *channel, const struct resp_value *payload, void *user)
{
	appl_ports_message(((struct daemon *)user)->appl_ports, channel, payload);
}

static void on_logger_ready(void *user)
{
	loglevel_read(((struct daemon *)user)->loglevel);
	judge_soon(user);
}

static void on_logger_lost(void *user)
{
	judge_soon(user);
}

static void on_logger_message(const struct resp_value *channel, const struct resp_value *payload, void *user)
{
	(void)channel;
	(void)payload;
	loglevel_read(((struct daemon *)user)->loglevel);
}

static void on_state_ready(void *user)
{
	publish_ready(((struct daemon *)user)->publish);
	judge_soon(user);
}

static void on_state_lost(void *user)
{
	struct daemon *d = user;

	publish_lost(d->publish);
	startup_lost(d->startup);
	judge_soon(user);
}

static void on_unknown_port(struct port *port, void *user)
{
	appl_ports_wait(((struct daemon *)user)->appl_ports, port);
}

static void on_decided(void *user)
{
	struct daemon *d = user;

	publish_enable(d->publish, true);
	kernel_end_keeping_later(d);
}

static void on_init_done(void *user)
{
	judge_soon(user);
}

static void on_checked(void *user)
{
	struct daemon *d = user;

	status_checked(d);
	if (!startup_init_done(d->startup))
		judge_soon(d);
}

static void on_refuse(const char *why, void *user)
{
	daemon_fail(user, "%s", why);
}

int connections_read(struct daemon *d, char *error, size_t size)
{
	const struct config *config = d->config;
	int r = settings_read_databases(config, &d->dbconfig, error, size);

	if (r < 0)
		return r;
	d->config_db = *dbconfig_get(d->dbconfig, "CONFIG_DB");
	d->appl_db = *dbconfig_get(d->dbconfig, "APPL_DB");
	d->state_db = *dbconfig_get(d->dbconfig, "STATE_DB");
	settings_override_database(config, &d->config_db);
	settings_override_database(config, &d->appl_db);
	settings_override_database(config, &d->state_db);
	return 0;
}

int connections_load(struct daemon *d)
{
	char error[512];
	int r = connections_read(d, error, sizeof(error));

	if (r == -ENOENT && !d->config->dry_run)
		return connections_await(d, error);
	if (r < 0)
		daemon_fail(d, "%s", error);
	return r;
}

static int open_conn(struct daemon *d, struct conn **ret, const char *label, const struct dbconfig_db *db,
		     const char *pattern, const struct conn_ops *ops)
{
	const struct config *config = d->config;
	struct conn_options options = {
		.label = label,
		.unix_socket = db->unix_socket,
		.host = db->host,
		.port = db->port,
		.database = db->number,
		.access = &d->access,
		.timeout_usec = (uint64_t)config->connection_timeout_secs * USEC_PER_SEC,
		.retry_initial_ms = RETRY_INITIAL_MS,
		.retry_max_ms = RETRY_MAX_MS,
		.reply_usec = (uint64_t)config->reply_delay_usecs,
		.max_in_flight = (size_t)config->redis_pipeline_depth,
		.pattern = pattern,
		.connect = capabilities_connect,
		.lookup = d->lookup,
	};
	int r = conn_new(ret, d->event, &options, ops, d);

	if (r < 0)
		daemon_fail(d, "%s at %s: %s", label, db->unix_socket ? db->unix_socket : db->host, strerror(-r));
	return r;
}

static int read_password(struct secret *ret, char *error, size_t size, void *user)
{
	return settings_read_password(((struct daemon *)user)->config, ret, error, size);
}

/* A password that cannot be read at the start ends it; later on it keeps the connections away. */
static int build_access(struct daemon *d)
{
	const struct config *config = d->config;
	struct secret password cleanup(secret_wipe) = {0};
	char error[PATH_MAX + 128];
	int r = settings_read_password(config, &password, error, sizeof(error));

	if (r < 0 && under_supervisord()) {
		/* Ending would not help: supervisord would only start the daemon again. */
		log_warning(KIND_CONFIG_REFUSED, "%s", error);
	} else if (r < 0) {
		daemon_fail(d, "%s", error);
		return r;
	}
	if (password.text || r < 0)
		(void)config_password_path(config, d->password_path, sizeof(d->password_path));
	access_init(&d->access, config->redis_username[0] ? config->redis_username : NULL, d->password_path,
		    read_password, d);
	return 0;
}

static bool is_named(const struct dbconfig_db *db)
{
	return !db->unix_socket && db->host && endpoint_is_name(db->host);
}

static int build_lookup(struct daemon *d)
{
	if (!is_named(&d->config_db) && !is_named(&d->appl_db) && !is_named(&d->state_db))
		return 0;
	return lookup_new(&d->lookup, d->event);
}

static int open_conns(struct daemon *d)
{
	static const struct conn_ops config_ops = {.ready = on_config_ready, .lost = on_config_lost};
	static const struct conn_ops appl_ops = {.ready = on_appl_ready, .lost = on_appl_lost};
	static const struct conn_ops events_ops = {
		.ready = on_events_ready, .lost = on_events_lost, .message = on_events_message};
	static const struct conn_ops logger_ops = {
		.ready = on_logger_ready, .lost = on_logger_lost, .message = on_logger_message};
	static const struct conn_ops state_ops = {.ready = on_state_ready, .lost = on_state_lost};
	char pattern[64];
	int r = build_access(d);

	if (r >= 0)
		r = build_lookup(d);
	if (r < 0)
		return r;
	(void)appl_ports_pattern(pattern, sizeof(pattern), d->appl_db.separator, d->appl_db.number);
	r = open_conn(d, &d->config_conn, "CONFIG_DB", &d->config_db, NULL, &config_ops);
	if (r == 0)
		r = open_conn(d, &d->appl_conn, "APPL_DB", &d->appl_db, NULL, &appl_ops);
	if (r == 0)
		r = open_conn(d, &d->appl_events, "APPL_DB events", &d->appl_db, pattern, &events_ops);
	(void)loglevel_pattern(pattern, sizeof(pattern), d->config_db.separator, d->config_db.number);
	if (r == 0)
		r = open_conn(d, &d->logger_events, "CONFIG_DB events", &d->config_db, pattern, &logger_ops);
	if (r == 0)
		r = open_conn(d, &d->state_conn, "STATE_DB", &d->state_db, NULL, &state_ops);
	return r;
}

static int build_publish(struct daemon *d, uint64_t last_event, publish_unknown_fn unknown)
{
	const struct publish_options options = {
		.separator = d->state_db.separator,
		.batch_size = BATCH_ROWS,
		.events = d->state_db.port_events,
		.database = d->state_db.number,
		.last_event = last_event,
		.changes = d->changes,
	};

	return publish_new(&d->publish, d->event, d->links, d->state_conn, &options, unknown, d);
}

int connections_build(struct daemon *d)
{
	static const struct startup_ops startup_ops = {
		.decided = on_decided, .init_done = on_init_done, .checked = on_checked, .refuse = on_refuse};
	const struct loglevel_options log_options = {
		.type = log_target_type(),
		.level_chosen = d->config->level_chosen,
		.target_chosen = d->config->target_chosen,
	};
	struct startup_deps deps;
	int r = open_conns(d);

	if (r < 0)
		return r;
	d->loglevel = loglevel_new(d->config_conn, d->config_db.separator, &log_options);
	if (!d->loglevel)
		return -ENOMEM;
	r = appl_ports_new(&d->appl_ports, d->event, d->links, d->appl_conn, d->appl_db.separator);
	if (r < 0)
		return r;
	d->producer = producer_new(d->appl_conn, "PORT_TABLE", d->appl_db.separator, d->appl_db.number);
	if (!d->producer)
		return -ENOMEM;
	deps = (struct startup_deps){
		.event = d->event,
		.links = d->links,
		.config = d->config_conn,
		.appl = d->appl_conn,
		.state = d->state_conn,
		.appl_ports = d->appl_ports,
		.producer = d->producer,
		.config_separator = d->config_db.separator,
		.appl_separator = d->appl_db.separator,
		.state_separator = d->state_db.separator,
		.old_links = settings_old_links(d->config),
		.follow_count = d->config->track_port_config_done,
	};
	r = startup_new(&d->startup, &deps, &startup_ops, d);
	if (r < 0)
		return r;
	return build_publish(d, counters_last_event(d), on_unknown_port);
}

static void on_replayed_ready(void *user)
{
	publish_ready(((struct daemon *)user)->publish);
}

static void on_replayed_lost(void *user)
{
	publish_lost(((struct daemon *)user)->publish);
}

static void on_not_recorded(struct port *port, void *user)
{
	(void)port;
	(void)user;
}

int connections_build_state(struct daemon *d)
{
	static const struct conn_ops ops = {.ready = on_replayed_ready, .lost = on_replayed_lost};
	int r = build_access(d);

	if (r >= 0)
		r = build_lookup(d);
	if (r >= 0)
		r = open_conn(d, &d->state_conn, "STATE_DB", &d->state_db, NULL, &ops);
	return r < 0 ? r : build_publish(d, 0, on_not_recorded);
}

int connections_start(struct daemon *d)
{
	int r = d->lookup ? lookup_start(d->lookup) : 0;

	if (r < 0)
		daemon_fail(d, "the thread that looks host names up: %s", strerror(-r));
	return r;
}

void connections_free(struct daemon *d)
{
	conn_free(d->state_conn);
	conn_free(d->logger_events);
	conn_free(d->appl_events);
	conn_free(d->appl_conn);
	conn_free(d->config_conn);
	lookup_free(d->lookup);
	publish_free(d->publish);
	startup_free(d->startup);
	loglevel_free(d->loglevel);
	producer_free(d->producer);
	appl_ports_free(d->appl_ports);
}
