/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpulist.h"
#include "base/util.h"
#include "config/keys.h"
#include "config/show.h"
#include "http/options.h"
#include "http/server.h"
#include "log/audit.h"
#include "settings/databases.h"

#define CPUS_PRESENT "/sys/devices/system/cpu/present"
#define ERROR_BYTES (PATH_MAX + KEY_WHY_MAX)
#define GROUPS_MAX 1024

/* meson.build says so. */
#ifdef PORTSYNCD_WITHOUT_HTTP
#define WITH_HTTP false
#else
#define WITH_HTTP true
#endif

/* --- values --- */

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

bool settings_http(const struct config *config, struct http_options *ret)
{
	*ret = (struct http_options){
		.n_listen = config->http_listen.n,
		.unix_socket = or_null(config->http_unix_socket),
		.cert = or_null(config->http_cert),
		.key = or_null(config->http_key),
		.ca = or_null(config->http_ca),
		.max_clients = (unsigned)config->http_max_clients,
		.timeout_secs = (unsigned)config->http_timeout_secs,
	};
	for (size_t i = 0; i < ret->n_listen; i++)
		ret->listen[i] = config->http_listen.item[i];
	return WITH_HTTP && (ret->n_listen > 0 || ret->unix_socket);
}

struct tuning_options settings_tuning(const struct config *config)
{
	return (struct tuning_options){.lock_memory = config->lock_memory, .cpu_affinity = config->cpu_affinity};
}

enum oldlinks_policy settings_old_links(const struct config *config)
{
	switch ((enum config_old_links)config->retire_old_links) {
	case CONFIG_OLD_LINKS_ALWAYS:
		return OLDLINKS_ALWAYS;
	case CONFIG_OLD_LINKS_NEVER:
		return OLDLINKS_NEVER;
	case CONFIG_OLD_LINKS_AUTO:
		break;
	}
	return OLDLINKS_AUTO;
}

/* --- the log --- */

enum log_target_type settings_log_target(const struct config *config)
{
	switch (config->log_target) {
	case LOG_TARGET_JOURNAL:
		return LOG_TO_JOURNAL;
	case LOG_TARGET_SYSLOG:
		return LOG_TO_SYSLOG;
	case LOG_TARGET_RFC5424:
		return LOG_TO_RFC5424;
	case LOG_TARGET_STDERR:
		return LOG_TO_STDERR;
	case LOG_TARGET_AUTO:
		break;
	}
	return log_auto_target();
}

static void apply_log(const struct config *config, enum log_target_type type, int level)
{
	struct log_options options = {
		.to = {.type = type, .syslog_path = "/dev/log"},
		.level = level,
		.limit_secs = (unsigned)config->log_limit_secs,
		.limit_lines = config->log_limit_lines > 0 ? config->log_limit_lines : -1,
	};

	(void)snprintf(options.to.rfc5424_to, sizeof(options.to.rfc5424_to), "%s", config->log_rfc5424_to);
	/* Before the trail may be turned off. */
	log_report_suppressed(true);
	audit_enable(config->log_audit && !config->dry_run && !config->replay[0]);
	log_open(&options);
}

void settings_open_log(const struct config *config)
{
	/* A replay does not tell what happens on this machine now, so its lines do not belong in this machine's log. */
	bool own = config->replay[0] && !config->target_chosen;

	apply_log(config, own ? LOG_TO_STDERR : settings_log_target(config), config->log_level);
}

void settings_change_log(const struct config *before, const struct config *now, const char *who)
{
	if (now->log_level != before->log_level)
		audit_change_level(now->log_level, who, "SIGHUP");
	apply_log(now, now->log_target == before->log_target ? log_target_type() : settings_log_target(now),
		  log_level());
}

/* --- --check-config --- */

/* As a fault of the file: "FILE:LINE: section.key: ..."; without the place if no file says it. */
static int refuse(const struct config *config, const char *section, const char *name, const char *error, FILE *err)
{
	unsigned line = config->lines[key_find(section, name) - key_table];

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

	if (settings_read_databases(config, &databases, error, sizeof(error)) < 0 &&
	    config->namespace_name[0] != '\0') {
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

/* Judges by owner and mode alone. Root can read any file, but not once it has given up its capabilities, and the
 * password is read again for each log-in. */
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

	if (settings_read_password(config, &password, error, sizeof(error)) < 0)
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
	char error[KEY_WHY_MAX], present[KEY_WHY_MAX / 2];
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

/* check: http_options_check() or http_check() */
static int check_http(const struct config *config, int (*check)(const struct http_options *, char *, size_t), FILE *err)
{
	char error[ERROR_BYTES];
	struct http_options http;

	if (!settings_http(config, &http) || check(&http, error, sizeof(error)) == 0)
		return 0;
	(void)fprintf(err, "portsyncd: %s\n", error);
	return -EINVAL;
}

static int check_certificates(const struct config *config, FILE *err)
{
	return check_http(config, http_check, err);
}

/* All checks, so that each fault is reported. */
static enum config_outcome check_named(const struct config *config, FILE *out, FILE *err)
{
	static int (*const checks[])(const struct config *config, FILE *err) = {check_databases, check_password,
										check_cpus, check_certificates};
	enum config_outcome outcome = CONFIG_DONE;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i](config, err) < 0)
			outcome = CONFIG_BAD;
	if (outcome == CONFIG_DONE)
		(void)fputs("portsyncd: configuration is good\n", out);
	return outcome;
}

static enum config_outcome show(const struct config *config, FILE *out, FILE *err)
{
	config_show(config, out);
	if (!ferror(out))
		return CONFIG_DONE;
	(void)fprintf(err, "portsyncd: standard output: %s\n", strerror(errno));
	return CONFIG_BAD;
}

enum config_outcome settings_load(struct config *config, int argc, char *argv[], FILE *out, FILE *err)
{
	enum config_outcome outcome = config_load(config, argc, argv, out, err);

	if (outcome != CONFIG_RUN)
		return outcome;
	if (check_http(config, http_options_check, err) < 0) {
		if (!config_tolerates_faults(config))
			return CONFIG_BAD;
		config->faults++;
		config_drop_tcp(config);
	}
	if (config->show_config)
		return show(config, out, err);
	return config->check_config ? check_named(config, out, err) : CONFIG_RUN;
}
