/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SONiC's database_config.json: on which Redis instance, under which number and with which separator a database lives
 * (docs/sonic.md#databases). https://github.com/sonic-net/sonic-swss-common common/database_config.json
 */
#ifndef PORTSYNCD_DBCONFIG_H
#define PORTSYNCD_DBCONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DBCONFIG_MAX_BYTES (1U << 20)

struct dbconfig_db {
	const char *unix_socket; /* NULL when the instance has none: host and port then */
	const char *host;
	uint16_t port;
	unsigned number;
	bool port_events;  /* event_tables names PORT_TABLE */
	char separator[2]; /* one punctuation character */
};

struct dbconfig;

/*
 * Reads a file. missing_ok: where there is none, SONiC's defaults (all on /var/run/redis/redis.sock, CONFIG_DB 4 "|",
 * APPL_DB 0 ":", STATE_DB 6 "|"). CONFIG_DB, APPL_DB and STATE_DB must be there. On failure a negative errno, and error
 * (size bytes) says file, key, what is wrong and what is allowed, in one line.
 */
int dbconfig_load(struct dbconfig **ret, const char *path, bool missing_ok, char *error, size_t size);
/* The same from bytes; name stands for the file in error texts. */
int dbconfig_parse(struct dbconfig **ret, const char *name, const char *bytes, size_t len, char *error, size_t size);
void dbconfig_free(struct dbconfig *c);

/* CONFIG_DB, APPL_DB or STATE_DB; NULL for any other: the rest of the file is not judged. */
const struct dbconfig_db *dbconfig_get(const struct dbconfig *c, const char *database);

/*
 * SONiC's database_global.json: writes to path which database_config.json the namespace ("asic0") or container ("dpu0")
 * of that name (not an empty one) uses. A relative include starts from the folder of the global file. Whether there is
 * such a file is left to the caller. On failure a negative errno, path is empty, and error as above.
 */
int dbconfig_resolve(const char *global_path, const char *name, char *path, size_t size, char *error,
		     size_t error_size);

#endif
