/* SPDX-License-Identifier: Apache-2.0 */
/* --check-config: what the configuration names, beside its own text, is read or looked for as a run would. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpulist.h"
#include "base/util.h"
#include "config/config.h"
#include "config/keys.h"
#include "http/server.h"
#include "sonic/dbconfig.h"

#define CPUS_PRESENT "/sys/devices/system/cpu/present"
#define ERROR_BYTES (PATH_MAX + CONFIG_WHY_MAX)
#define GROUPS_MAX 1024

/* As a fault of the file is told: FILE:LINE: section.key; for what no file says, less. */
static int refuse(const struct config *config, const char *section, const char *name, const char *error, FILE *err)
{
	unsigned line = config->lines[config_find(section, name) - config_keys];

	if (line > 0)
		(void)fprintf(err, "%s:%u: %s.%s: %s\n", config->file, line, section, name, error);
	else
		(void)fprintf(err, "portsyncd: %s\n", error);
	return -EINVAL;
}

static int check_databases(const struct config *config, FILE *err)
{
	struct dbconfig *databases = NULL;
	char error[ERROR_BYTES];

	if (config_load_databases(config, &databases, error, sizeof(error)) < 0 && config->namespace_name[0] != '\0') {
		(void)fprintf(err, "portsyncd: %s\n", error);
		return -EINVAL;
	}
	if (!databases)
		return refuse(config, "database", "database_config", error, err);
	dbconfig_free(databases);
	return 0;
}

static bool in_group(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(ARRAY_SIZE(groups), groups);

	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return gid == getegid();
}

/* By owner and mode alone. Root reads anything, but not once it has given up its capabilities, and the password is read
 * again for each log-in. */
static bool readable_without_capability(const struct stat *st)
{
	if (st->st_uid == geteuid())
		return (st->st_mode & S_IRUSR) != 0;
	return in_group(st->st_gid) ? (st->st_mode & S_IRGRP) != 0 : (st->st_mode & S_IROTH) != 0;
}

static int check_password(const struct config *config, FILE *err)
{
	struct secret password cleanup(secret_wipe) = {0};
	char error[ERROR_BYTES], path[PATH_MAX];
	struct stat st;

	if (config_read_password(config, &password, error, sizeof(error)) < 0)
		return refuse(config, "database", "redis_password_file", error, err);
	if (!password.text || !config_password_path(config, path, sizeof(path)) || stat(path, &st) < 0 ||
	    readable_without_capability(&st))
		return 0;
	(void)snprintf(error, sizeof(error),
		       "%s: user %u may read it by a capability only, which the daemon gives up; allowed: a file whose "
		       "owner, or group, and mode let the daemon's user read it",
		       path, (unsigned)geteuid());
	return refuse(config, "database", "redis_password_file", error, err);
}

/* False: it is not known. */
static bool cpus_present(cpu_set_t *cpus, char *text, size_t size)
{
	FILE *file = fopen(CPUS_PRESENT, "re");
	bool read = file && fgets(text, (int)size, file);

	if (file)
		(void)fclose(file);
	if (read)
		text[strcspn(text, "\n")] = '\0';
	return read && cpulist_parse(text, cpus) == 0;
}

static int check_cpus(const struct config *config, FILE *err)
{
	char error[CONFIG_WHY_MAX], present[CONFIG_WHY_MAX / 2];
	cpu_set_t there, both;

	if (!cpus_present(&there, present, sizeof(present)))
		return 0;
	CPU_AND(&both, &config->cpu_affinity, &there);
	if (CPU_EQUAL(&both, &config->cpu_affinity))
		return 0;
	CPU_XOR(&both, &both, &config->cpu_affinity);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &both)) {
			(void)snprintf(error, sizeof(error), "this machine has no CPU %zu; allowed: of %s", cpu,
				       present);
			break;
		}
	return refuse(config, "performance", "cpu_affinity", error, err);
}

static int check_http(const struct config *config, FILE *err)
{
	char error[ERROR_BYTES];
	struct http_options http;

	if (!config_http_options(config, &http) || http_check(&http, error, sizeof(error)) == 0)
		return 0;
	(void)fprintf(err, "portsyncd: %s\n", error);
	return -EINVAL;
}

int config_check_named(const struct config *config, FILE *err)
{
	static int (*const checks[])(const struct config *config, FILE *err) = {check_databases, check_password,
										check_cpus, check_http};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i](config, err) < 0)
			ret = -EINVAL;
	return ret;
}
