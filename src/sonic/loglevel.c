/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/loglevel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "log/audit.h"

#define VALUE_BYTES 32

enum field { FIELD_LEVEL, FIELD_OUTPUT, FIELDS };

struct loglevel {
	struct conn *conn;
	struct loglevel_options opt;
	char key[32];
	char seen[FIELDS][VALUE_BYTES]; /* the last values, to act on changes only */
	bool read_once, busy, again;
	bool owed; /* a command for which there was no capacity */
	bool said; /* that it cannot be read */
};

static const char *const fields[FIELDS] = {"LOGLEVEL", "LOGOUTPUT"};

/* swss-common's names, by syslog level. */
static const char *const levels[] = {"EMERG", "ALERT", "CRIT", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"};

struct loglevel *loglevel_new(struct conn *config, const char *separator, const struct loglevel_options *opt)
{
	struct loglevel *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->conn = config;
	l->opt = *opt;
	(void)snprintf(l->key, sizeof(l->key), "LOGGER%sportsyncd", separator);
	return l;
}

void loglevel_free(struct loglevel *l)
{
	free(l);
}

void loglevel_set_target(struct loglevel *l, enum log_target_type type)
{
	l->opt.type = type;
}

const char *loglevel_pattern(char *out, size_t size, const char *separator, unsigned database)
{
	(void)snprintf(out, size, "__keyspace@%u__:LOGGER%sportsyncd", database, separator);
	return out;
}

static void set_level(struct loglevel *l, const char *value, bool first)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcmp(levels[i], value) != 0)
			continue;
		if (first && l->opt.level_chosen)
			return;
		audit_change_level((int)i, AUDIT_REDIS, l->key);
		return;
	}
	log_warning(
		KIND_LOGGER_VALUE_BAD,
		"%s LOGLEVEL \"%s\" is not a level, %s stays; allowed: EMERG, ALERT, CRIT, ERROR, WARN, NOTICE, INFO, "
		"DEBUG",
		l->key, value, levels[log_level()]);
}

static void set_output(struct loglevel *l, const char *value, bool first)
{
	enum log_target_type type;

	if (strcmp(value, "SYSLOG") == 0) {
		type = l->opt.type;
	} else if (strcmp(value, "STDOUT") == 0) {
		type = LOG_TO_STDOUT;
	} else if (strcmp(value, "STDERR") == 0) {
		type = LOG_TO_STDERR;
	} else {
		log_warning(KIND_LOGGER_VALUE_BAD,
			    "%s LOGOUTPUT \"%s\" is not an output, nothing changes; allowed: SYSLOG, STDOUT, STDERR",
			    l->key, value);
		return;
	}
	if (first && l->opt.target_chosen)
		return;
	/* Before it takes effect: on stdout and stderr there is no audit trail. */
	if (type != log_target_type())
		audit_record(AUDIT_CONFIG_CHANGED, AUDIT_SUCCESS, AUDIT_REDIS, NULL, "log output is %s by %s", value,
			     l->key);
	log_set_target(type);
}

static void on_created(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct loglevel *l = user;

	(void)item;
	(void)cookie;
	if (reply && reply->type == RESP_ERROR)
		log_warning(KIND_LOGGER_REFUSED, "%s: cannot be created: %s", l->key, reply->str);
}

static void create(struct loglevel *l, enum field field)
{
	const char *value = field == FIELD_LEVEL ? levels[log_level()] : "SYSLOG";
	const struct resp_arg argv[] = {RESP_STR("HSET"), RESP_STR(l->key), RESP_STR(fields[field]), RESP_STR(value)};

	if (conn_command(l->conn, on_created, l, NULL, 0, ARRAY_SIZE(argv), argv) == 0)
		(void)snprintf(l->seen[field], VALUE_BYTES, "%s", value);
	else
		l->owed = true;
}

static void take_field(struct loglevel *l, enum field field, const struct resp_value *value)
{
	char text[VALUE_BYTES];

	if (value->type != RESP_STRING && !resp_too_large(value)) {
		create(l, field);
		return;
	}
	(void)printable(value->str, value->len, text, sizeof(text));
	if (strcmp(text, l->seen[field]) == 0)
		return;
	memcpy(l->seen[field], text, sizeof(text));
	if (field == FIELD_LEVEL)
		set_level(l, text, !l->read_once);
	else
		set_output(l, text, !l->read_once);
}

static void on_read(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct loglevel *l = user;

	(void)item;
	(void)cookie;
	l->busy = false;
	if (reply && reply->type == RESP_ARRAY && reply->n == FIELDS) {
		take_field(l, FIELD_LEVEL, reply->elem[FIELD_LEVEL]);
		take_field(l, FIELD_OUTPUT, reply->elem[FIELD_OUTPUT]);
		l->read_once = true;
		l->said = false;
	} else if (reply && reply->type == RESP_ERROR && !l->said) {
		log_warning(KIND_LOGGER_REFUSED, "%s: cannot be read, the log level stays %s: %s", l->key,
			    levels[log_level()], reply->str);
		l->said = true;
	}
	if (l->again)
		loglevel_read(l);
}

void loglevel_read(struct loglevel *l)
{
	const struct resp_arg argv[] = {RESP_STR("HMGET"), RESP_STR(l->key), RESP_STR(fields[FIELD_LEVEL]),
					RESP_STR(fields[FIELD_OUTPUT])};

	/* Written again while it was read: the answer on its way may be older. */
	l->again = l->busy;
	if (l->busy)
		return;
	l->busy = conn_command(l->conn, on_read, l, NULL, 0, ARRAY_SIZE(argv), argv) == 0;
	l->owed = !l->busy;
}

void loglevel_turn(struct loglevel *l)
{
	if (l->owed && conn_capacity(l->conn) > 0)
		loglevel_read(l);
}
