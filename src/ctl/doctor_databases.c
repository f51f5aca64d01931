/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: does it run, may the daemon's user connect, and are there rows to work on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "ctl/databases.h"
#include "ctl/doctor.h"
#include "ctl/links.h"
#include "redis/endpoint.h"
#include "settings/databases.h"

#define CHECK "redis"
#define HELPS "; what helps: "
#define PORTS_MAX_NAMED 3

struct place {
	const char *name; /* of the database */
	struct dbconfig_db at;
};

#define DATABASES 3

/* --- Unix sockets --- */

static int try_socket(const struct doctor *d, const void *arg, FILE *out)
{
	const struct place *place = arg;
	struct endpoint endpoint;
	char why[512];
	int r = endpoint_unix(&endpoint, place->at.unix_socket);

	(void)d;
	if (r == 0)
		r = endpoint_connect(&endpoint.addresses[0], NULL);
	if (r >= 0)
		return 0;
	(void)fputs(endpoint_explain(&endpoint.addresses[0], r, why, sizeof(why)), out);
	return r;
}

/* Who owns the socket, and its mode; "" if that is not known. */
static void describe_socket(const char *path, char *out, size_t size)
{
	struct stat st;
	char owner[64], group[64];

	out[0] = '\0';
	if (stat(path, &st) == 0)
		(void)snprintf(out, size, ", of %s, %s, mode %04o,", doctor_user_name(st.st_uid, owner, sizeof(owner)),
			       doctor_group_name(st.st_gid, group, sizeof(group)), (unsigned)st.st_mode & 07777);
}

static void report_closed(struct doctor *d, const struct place *place, char *said)
{
	char *helps = said ? strstr(said, HELPS) : NULL;

	if (helps)
		*helps = '\0';
	doctor_add(d, DOCTOR_FAIL, CHECK, helps ? helps + strlen(HELPS) : "another user for the daemon",
		   "%s: user %s does not get in: %s", place->name, d->user.name, said);
}

static void report_unreachable(struct doctor *d, const struct place *place, int error)
{
	const char *path = place->at.unix_socket;

	switch (-error) {
	case ENOENT:
		doctor_add(d, DOCTOR_FAIL, CHECK, "start Redis (SONiC: systemctl start database), or name its socket",
			   "%s: %s does not exist", place->name, path);
		return;
	case ECONNREFUSED:
		doctor_add(d, DOCTOR_FAIL, CHECK, "start Redis (SONiC: systemctl restart database)",
			   "%s: nothing listens at %s", place->name, path);
		return;
	case EAGAIN:
		doctor_add(d, DOCTOR_FAIL, CHECK, "look at Redis: it is stopped, or very slow",
			   "%s: Redis at %s takes no connection", place->name, path);
		return;
	default:
		doctor_add(d, DOCTOR_FAIL, CHECK, "fix that, or name another socket", "%s: %s: %s", place->name, path,
			   strerror(-error));
	}
}

/* True if the daemon's user gets in, or if that cannot be known. */
static bool check_socket(struct doctor *d, const struct place *place)
{
	char *said cleanup(free_ptr) = NULL, what[256];
	int r = doctor_try(d, true, try_socket, place, &said);

	if (r == -ENOTSUP)
		return true;
	if (r == -EACCES)
		report_closed(d, place, said);
	else if (r < 0)
		report_unreachable(d, place, r);
	else {
		describe_socket(place->at.unix_socket, what, sizeof(what));
		doctor_add(d, DOCTOR_OK, CHECK, NULL, "%s: %s%s is open to user %s", place->name, place->at.unix_socket,
			   what, d->user.name);
	}
	return r == 0;
}

/* --- as a client --- */

static void report_error(struct doctor *d, const char *check)
{
	const struct ctl_error *error = &d->ctl->error;

	doctor_add(d, DOCTOR_FAIL, check, error->remedy[0] != '\0' ? error->remedy : "fix that", "%s", error->message);
}

/* Whether Redis notifies: for keys (K), of all classes (A) or of hashes and deletions (h, g). */
static bool notifies(const char *setting)
{
	return strchr(setting, 'K') && (strchr(setting, 'A') || (strchr(setting, 'h') && strchr(setting, 'g')));
}

/* A user with few rights may not ask. */
static void check_notifications(struct doctor *d, struct database *db, const char *name)
{
	char setting[64];

	if (!database_setting(db, "notify-keyspace-events", setting, sizeof(setting)) || notifies(setting))
		return;
	doctor_add(d, DOCTOR_WARN, CHECK, "notify-keyspace-events AKE in redis.conf, as SONiC has it",
		   "%s: Redis sends no notifications (notify-keyspace-events is \"%s\"): ports that come and go are "
		   "noticed late",
		   name, setting);
}

/* Logs in as the daemon does, but as our user. */
static bool check_log_in(struct doctor *d, const struct place *place)
{
	struct database *db cleanup(database_close_ptr) = NULL;

	if (database_open(d->ctl, place->name, &db) < 0) {
		report_error(d, CHECK);
		return false;
	}
	check_notifications(d, db, place->name);
	return true;
}

/* --- rows and links --- */

static void check_links(struct doctor *d, const struct db_rows *rows)
{
	struct ctl_links links = {0};
	char missing[128] = "";
	size_t n = 0;

	if (ctl_links_read(d->ctl, &links) < 0) {
		report_error(d, "links");
		return;
	}
	for (size_t i = 0; i < rows->n; i++) {
		if (ctl_links_find(&links, rows->rows[i].key))
			continue;
		if (n++ < PORTS_MAX_NAMED)
			text_append(missing, sizeof(missing), ", ", "%s", rows->rows[i].key);
	}
	ctl_links_done(&links);
	if (n == 0)
		doctor_add(d, DOCTOR_OK, "links", NULL, "each of the %zu ports has an interface", rows->n);
	else
		doctor_add(d, DOCTOR_WARN, "links",
			   "syncd makes them once orchagent runs; if they are in another network namespace, run the "
			   "daemon there",
			   "%zu of the %zu ports have no interface in this network namespace: %s%s", n, rows->n,
			   missing, n > PORTS_MAX_NAMED ? ", ..." : "");
}

static void check_rows(struct doctor *d)
{
	struct database *db cleanup(database_close_ptr) = NULL;
	struct db_rows rows = {0};

	if (database_open(d->ctl, "CONFIG_DB", &db) < 0 || database_keys(d->ctl, db, "PORT", &rows) < 0) {
		report_error(d, "ports");
		return;
	}
	if (rows.n == 0)
		doctor_add(d, DOCTOR_WARN, "ports", "config load, or config reload, puts them there",
			   "CONFIG_DB has no row of PORT: there is nothing to do");
	else
		doctor_add(d, DOCTOR_OK, "ports", NULL, "CONFIG_DB has %zu ports", rows.n);
	if (rows.n > 0)
		check_links(d, &rows);
	db_rows_done(&rows);
}

/* --- all --- */

static bool same_server(const struct dbconfig_db *a, const struct dbconfig_db *b)
{
	if (a->unix_socket || b->unix_socket)
		return a->unix_socket && b->unix_socket && strcmp(a->unix_socket, b->unix_socket) == 0;
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Checks each server once. True: all of them may be reached. */
static bool check_servers(struct doctor *d, const struct place *places)
{
	bool good = true;

	for (size_t i = 0; i < DATABASES; i++) {
		bool known = false;

		for (size_t k = 0; k < i; k++)
			known |= same_server(&places[i].at, &places[k].at);
		if (known)
			continue;
		if ((places[i].at.unix_socket && !check_socket(d, &places[i])) || !check_log_in(d, &places[i]))
			good = false;
		else if (!places[i].at.unix_socket)
			doctor_add(d, DOCTOR_OK, CHECK, NULL, "%s: %s:%u answers", places[i].name, places[i].at.host,
				   places[i].at.port);
	}
	return good;
}

void doctor_databases(struct doctor *d)
{
	const struct config *config = &d->ctl->config;
	struct place places[DATABASES] = {{.name = "CONFIG_DB"}, {.name = "APPL_DB"}, {.name = "STATE_DB"}};
	struct dbconfig *databases = NULL;
	char error[PATH_MAX + 512];

	if (settings_read_databases(config, &databases, error, sizeof(error)) < 0) {
		doctor_add(d, DOCTOR_FAIL, "databases",
			   "in SONiC the database container writes it; elsewhere set redis_unix_socket, or redis_host, "
			   "in portsyncd.conf",
			   "the daemon waits for SONiC's databases: %s", error);
		return;
	}
	for (size_t i = 0; i < DATABASES; i++) {
		places[i].at = *dbconfig_get(databases, places[i].name);
		settings_override_database(config, &places[i].at);
	}
	if (check_servers(d, places))
		check_rows(d);
	dbconfig_free(databases);
}
