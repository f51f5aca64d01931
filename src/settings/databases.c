/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/databases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define PASSWORD_MAX_BYTES 4096

/* --- databases --- */

/* Where the configuration names Redis itself, or no Redis is used, SONiC's numbers and separators are enough. */
static bool defaults_suffice(const struct config *config)
{
	return config->redis_unix_socket[0] != '\0' || config->redis_host[0] != '\0' || config->redis_port != 0 ||
	       config->dry_run || config->check_config;
}

int settings_read_databases(const struct config *config, struct dbconfig **ret, char *error, size_t size)
{
	bool named = config->database_config[0] != '\0', global = config->database_global[0] != '\0';
	char path[PATH_MAX];
	int r;

	*ret = NULL;
	if (config->namespace_name[0] == '\0')
		return dbconfig_load(ret, named ? config->database_config : CONFIG_DATABASES_PATH,
				     !named && defaults_suffice(config), error, size);
	r = dbconfig_resolve(global ? config->database_global : CONFIG_DATABASE_GLOBAL_PATH, config->namespace_name,
			     path, sizeof(path), error, size);
	return r < 0 ? r : dbconfig_load(ret, path, false, error, size);
}

void settings_override_database(const struct config *config, struct dbconfig_db *db)
{
	if (config->redis_unix_socket[0]) {
		db->unix_socket = config->redis_unix_socket;
	} else if (config->redis_host[0] || config->redis_port) {
		db->unix_socket = NULL;
		db->host = config->redis_host[0] ? config->redis_host : "127.0.0.1";
		db->port = config->redis_port ? (uint16_t)config->redis_port : 6379;
	}
}

/* --- password --- */

static int refuse_password(const char *path, int r, char *error, size_t size)
{
	if (r == -EPERM)
		(void)snprintf(error, size, "%s: %s; allowed: chmod 0600 %s", path, file_error(r), path);
	else if (r == -EINVAL)
		(void)snprintf(error, size, "%s: has a NUL byte; allowed: a password as text", path);
	else
		(void)snprintf(error, size, "%s: %s; allowed: a readable file of at most %d bytes", path, file_error(r),
			       PASSWORD_MAX_BYTES);
	return r;
}

static int read_password(const char *path, struct secret *ret, char *error, size_t size)
{
	int r = file_read_secret(path, PASSWORD_MAX_BYTES, ret);

	if (r < 0)
		return refuse_password(path, r, error, size);
	if (ret->len > 0 && ret->text[ret->len - 1] == '\n')
		ret->text[--ret->len] = '\0';
	if (ret->len > 0)
		return 0;
	secret_wipe(ret);
	(void)snprintf(error, size, "%s: empty; allowed: a password of 1 to %d bytes", path, PASSWORD_MAX_BYTES);
	return -EINVAL;
}

int settings_read_password(const struct config *config, struct secret *ret, char *error, size_t size)
{
	char path[PATH_MAX];
	int r;

	*ret = (struct secret){0};
	if (!config_password_path(config, path, sizeof(path))) {
		(void)snprintf(error, size, "CREDENTIALS_DIRECTORY: too long");
		return -ENAMETOOLONG;
	}
	if (path[0] == '\0')
		return 0;
	r = read_password(path, ret, error, size);
	return r == -ENOENT && config->redis_password_file[0] == '\0' ? 0 : r;
}
