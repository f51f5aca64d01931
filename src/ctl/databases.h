/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SONiC's databases, read as they are where the daemon would find them: database_config.json, what portsyncd.conf says
 * instead, and its user and password. Blocking, and for no longer than CTL_ANSWER_SECS of silence.
 */
#ifndef PORTSYNCD_CTL_DATABASES_H
#define PORTSYNCD_CTL_DATABASES_H

#include "base/arena.h"
#include "ctl/ctl.h"

struct database;

/* name: "CONFIG_DB", "APPL_DB" or "STATE_DB". 0; or -1, ctl_fail() is due. */
int database_open(struct ctl *ctl, const char *name, struct database **ret);
void database_close(struct database *db);
/* For locals. */
static inline void database_close_ptr(struct database **db)
{
	database_close(*db);
}

/* Texts are NUL-terminated, but may hold NULs themselves. */
struct db_field {
	const char *name, *value;
	size_t len; /* of value */
};

struct db_row {
	const char *key; /* without its table */
	size_t key_len;
	bool is_hash; /* false: a key of another type, or too large to be read: without fields */
	struct db_field *fields;
	size_t n;
};

/* In natural order of their keys. A zeroed one is empty. */
struct db_rows {
	struct db_row *rows;
	size_t n;
	struct arena memory;
};

/*
 * All rows of a table: "PORT", "PORT_TABLE", with these fields of them (a list that ends with NULL; NULL: all fields).
 * With a list, only commands are used that the daemon's rights allow (deploy/redis/portsyncd.acl): CONFIG_DB
 * always gives all fields. 0; or -1, ctl_fail() is due and *ret is empty.
 */
int database_table(struct ctl *ctl, struct database *db, const char *table, const char *const *fields,
		   struct db_rows *ret);
/* Some rows of a table, by their keys; what is not there, or has none of the fields, is left out. The same contract. */
int database_rows(struct ctl *ctl, struct database *db, const char *table, const char *const *fields,
		  const char *const *keys, size_t n, struct db_rows *ret);
/* Only the keys, without fields: all are assumed to be hashes. The same contract. */
int database_keys(struct ctl *ctl, struct database *db, const char *table, struct db_rows *ret);
/* A setting of the server, by CONFIG GET. False: it is not known, or we may not ask. */
bool database_setting(struct database *db, const char *name, char *out, size_t size);
void db_rows_done(struct db_rows *rows);

/* NULL: there is none. */
const struct db_row *db_find(const struct db_rows *rows, const char *key);
const struct db_field *db_field(const struct db_row *row, const char *name);
/* The field's value; NULL: there is none. */
const char *db_value(const struct db_row *row, const char *name);

#endif
