/* SPDX-License-Identifier: Apache-2.0 */
/* Where SONiC's databases are, according to the configuration, and the password for them. */
#ifndef PORTSYNCD_SETTINGS_DATABASES_H
#define PORTSYNCD_SETTINGS_DATABASES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "config/config.h"
#include "sonic/dbconfig.h"

/*
 * The database_config.json that was chosen: that of the namespace, the one at the path, or the default one. Contract
 * and errors are those of dbconfig_load() and dbconfig_resolve(). SONiC's defaults stand in for a missing default file
 * only if they cannot lead to a wrong Redis: the configuration names one, or nothing is written to any.
 */
int settings_read_databases(const struct config *config, struct dbconfig **ret, char *error, size_t size);
/* Applies what the configuration says in place of that file. */
void settings_override_database(const struct config *config, struct dbconfig_db *db);

/*
 * Reads the password without its final newline. ret->text is NULL when none is configured; the caller wipes it. 0, or
 * a negative errno with a one-line text in error.
 */
int settings_read_password(const struct config *config, struct secret *ret, char *error, size_t size);

#endif
