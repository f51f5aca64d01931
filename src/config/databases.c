/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "sonic/dbconfig.h"
#include "sonic/dbglobal.h"

/* Where the configuration names Redis itself, or nobody is spoken to, SONiC's numbers and separators are all it takes.
 */
static bool defaults_suffice(const struct config *config)
{
	return config->redis_unix_socket[0] != '\0' || config->redis_host[0] != '\0' || config->redis_port != 0 ||
	       config->dry_run || config->check_config;
}

int config_load_databases(const struct config *config, struct dbconfig **ret, char *error, size_t size)
{
	bool named = config->database_config[0] != '\0', global = config->database_global[0] != '\0';
	char path[PATH_MAX];
	int r;

	*ret = NULL;
	if (config->namespace_name[0] == '\0')
		return dbconfig_load(ret, named ? config->database_config : DBCONFIG_DEFAULT_PATH,
				     !named && defaults_suffice(config), error, size);
	r = dbglobal_resolve(global ? config->database_global : DBGLOBAL_DEFAULT_PATH, config->namespace_name, path,
			     sizeof(path), error, size);
	return r < 0 ? r : dbconfig_load(ret, path, false, error, size);
}
