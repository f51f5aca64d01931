/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything a user can set: command line, environment, /etc/sonic/portsyncd.conf, defaults; earlier ones take
 * precedence. One table (keys.c) holds name, type, range, default and meaning of every key.
 */
#ifndef PORTSYNCD_CONFIG_CONFIG_H
#define PORTSYNCD_CONFIG_CONFIG_H

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/address.h"
#include "base/secret.h"

#define CONFIG_DEFAULT_PATH "/etc/sonic/portsyncd.conf"
#define CONFIG_DATABASES_PATH "/var/run/redis/sonic-db/database_config.json"
#define CONFIG_DATABASE_GLOBAL_PATH "/var/run/redis/sonic-db/database_global.json"
#define CONFIG_TEXT_MAX 256

enum config_log_target {
	LOG_TARGET_AUTO,
	LOG_TARGET_JOURNAL,
	LOG_TARGET_SYSLOG,
	LOG_TARGET_RFC5424,
	LOG_TARGET_STDERR
};

/* Whether a cold start sets the ports' interfaces down. */
enum config_old_links { CONFIG_OLD_LINKS_AUTO, CONFIG_OLD_LINKS_ALWAYS, CONFIG_OLD_LINKS_NEVER };

struct config_addresses {
	char item[ADDRESS_LIST_MAX][ADDRESS_TEXT_MAX];
	size_t n;
};

/* Capacity of the arrays by key; the table of keys.h has no more. */
#define CONFIG_KEYS_MAX 128

/* Where a value comes from. */
enum config_origin { CONFIG_BY_DEFAULT, CONFIG_BY_FILE, CONFIG_BY_ENVIRONMENT, CONFIG_BY_COMMAND_LINE };

struct config {
	/* [database]; an empty text or a negative number: what database_config.json says */
	char database_config[PATH_MAX]; /* "" : the default path, which may be missing */
	char redis_host[CONFIG_TEXT_MAX];
	long redis_port;
	char redis_unix_socket[CONFIG_TEXT_MAX];
	long connection_timeout_secs; /* connecting, and any command */
	char redis_username[CONFIG_TEXT_MAX];
	char redis_password_file[PATH_MAX];

	/* [performance] */
	long redis_pipeline_depth; /* commands without an answer, per connection */
	long gather_usecs;         /* between two reads of the event socket in a storm; 0: none */
	long settle_ms;            /* how long publishing may be held back to settle after a dump */
	long reply_delay_usecs;    /* how long answers of STATE_DB may wait to be read while events come */
	long receive_buffer_bytes; /* of the netlink sockets */
	cpu_set_t cpu_affinity;    /* empty: as it was started */
	bool lock_memory;

	/* [http] */
	struct config_addresses http_listen;
	char http_unix_socket[CONFIG_TEXT_MAX]; /* HTTP is off without it and http_listen */
	char http_cert[PATH_MAX], http_key[PATH_MAX], http_ca[PATH_MAX];
	long http_max_clients, http_timeout_secs;

	/* [health] */
	long max_latency_usecs; /* 99 % of the events should take no longer */
	long max_stall_secs;    /* 0: no limit */
	double max_failure_percent, min_sync_percent;
	long max_memory_mb; /* 0: no limit */

	/* [sonic] */
	long reconcile_interval_secs;
	long keep_rows_secs;         /* of a warm start's ports without a link */
	int retire_old_links;        /* enum config_old_links */
	bool track_port_config_done; /* PortConfigDone's count follows added and deleted ports */

	/* [security] */
	int sandbox; /* 1: on, 0: off */

	/* [state] */
	char state_file[PATH_MAX]; /* "": none */
	long state_save_interval_secs;
	long state_history_changes;

	/* [recorder] */
	long recorder_bytes; /* 0: off */
	char recorder_folder[PATH_MAX];

	/* [log] */
	long log_limit_secs, log_limit_lines; /* see log.h; lines below 1: each kind's own limit */
	int log_level;                        /* LOG_EMERG .. LOG_DEBUG */
	enum config_log_target log_target;
	bool log_audit;
	bool level_chosen;  /* by the command line or the environment */
	bool target_chosen; /* by the command line */
	char log_rfc5424_to[CONFIG_TEXT_MAX];

	unsigned faults;                   /* of file and environment: config_load() went on without the bad values */
	bool database_is_bad, http_is_bad; /* a fault is in that section */

	/* Command line only */
	char namespace_name[NAME_MAX + 1]; /* SONiC's, for the databases; overrides database_config. "": none */
	char database_global[PATH_MAX];    /* where that is looked up; "": the default path */
	char netns[NAME_MAX + 1];          /* "": stay in our own */
	bool check_config, show_config, dry_run;
	char replay[PATH_MAX];                      /* a recording to play instead of the kernel; "": none */
	bool realtime;                              /* with the recorded delays */
	bool once;                                  /* a dry run ends when it has printed the present state */
	const char *file;                           /* that was read; NULL: none was */
	unsigned lines[CONFIG_KEYS_MAX];            /* by key: its line in that file; 0: not there */
	enum config_origin origin[CONFIG_KEYS_MAX]; /* by key */
	int argc;                                   /* what it was loaded from, for a reload */
	char **argv;
};

enum config_outcome {
	CONFIG_RUN,  /* go on */
	CONFIG_DONE, /* --help, --version, --check-config or --show-config was answered: exit 0 */
	CONFIG_BAD, /* each fault has a line that says what is wrong and what is allowed: exit 2; argc is 0 if an option
		       was wrong */
};

/*
 * Fills *config from argv, the environment (PORTSYNCD_LOG_LEVEL, PORTSYNCD_METRICS_CERT, _KEY, _CA,
 * PORTSYNCD_RETIRE_OLD_LINKS) and the file. Help and version go to out, complaints to err.
 *
 * Under supervisord a bad file or variable does not keep the daemon from running: in SONiC's swss each end of portsyncd
 * restarts the container, and the next start would find the same file. What is bad then has its default: all of
 * [database], since half an address may be that of a wrong server, and all of [http] but its Unix socket; faults counts
 * it. --check-config, --show-config and a dry run are strict everywhere.
 */
enum config_outcome config_load(struct config *config, int argc, char *argv[], FILE *out, FILE *err);

/* True if the daemon runs in spite of faults, see above. */
bool config_tolerates_faults(const struct config *config);
/* Sets [http] to its defaults, without TCP: the bad value may be the one that should have guarded an address. */
void config_drop_tcp(struct config *config);

void config_defaults(struct config *config);

/* Takes the values of this section, and where they come from, from another configuration of the same process. */
void config_take_section(struct config *config, const struct config *from, const char *section);

/*
 * Where the Redis password is: redis_password_file, or the systemd credential "redis_password"
 * ($CREDENTIALS_DIRECTORY); "" for nowhere. False: the path is too long.
 */
bool config_password_path(const struct config *config, char *out, size_t size);

/*
 * Lists the keys whose values differ, as "section.key, ...": those of this section, or those of all others. Returns
 * their number.
 */
size_t config_list_changes(const struct config *a, const struct config *b, const char *section, char *out, size_t size);
size_t config_list_other_changes(const struct config *a, const struct config *b, const char *section, char *out,
				 size_t size);

#endif
