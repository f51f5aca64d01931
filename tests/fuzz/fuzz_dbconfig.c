/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/sonic/dbconfig.c */
#include "sonic/dbconfig.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An accepted file must be good enough to connect with. */
static void check(const struct dbconfig *c, const char *name)
{
	const struct dbconfig_db *db = dbconfig_get(c, name);

	if (!db || db->number > 1023 || !ispunct((unsigned char)db->separator[0]) || db->separator[1] != '\0')
		abort();
	if (db->unix_socket ? db->unix_socket[0] != '/' || strlen(db->unix_socket) > 107 : !db->host || db->port == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbconfig *c;
	char error[256] = "";

	if (dbconfig_parse(&c, "fuzz", (const char *)data, size, error, sizeof(error)) < 0) {
		/* The error must be one line, and not empty. */
		if (c || error[0] == '\0' || strchr(error, '\n'))
			abort();
		return 0;
	}
	check(c, "CONFIG_DB");
	check(c, "APPL_DB");
	check(c, "STATE_DB");
	dbconfig_free(c);
	return 0;
}
