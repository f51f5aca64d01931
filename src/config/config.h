/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything a user can set: command line, environment, /etc/sonic/portsyncd.conf, defaults; earlier ones take
 * precedence. One table (config.c) holds name, type, range, default and meaning of every key.
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
#define CONFIG_TEXT_MAX 256

enum config_log_target {
	LOG_TARGET_AUTO,
	LOG_TARGET_JOURNAL,
	LOG_TARGET_SYSLOG,
	LOG_TARGET_RFC5424,
	LOG_TARGET_STDERR
};

struct dbconfig;
struct http_options;

struct config_addresses {
	char item[ADDRESS_LIST_MAX][ADDRESS_TEXT_MAX];
	size_t n;
};

/* At least so many keys the file may have. */
#define CONFIG_KEYS_MAX 128

struct config {
	/* [database]; an empty text or a negative number: what database_config.json says */
	char database_config[PATH_MAX]; /* "" : the default path, which may be missing */
	char redis_host[CONFIG_TEXT_MAX];
	long redis_port;
	char redis_unix_socket[CONFIG_TEXT_MAX];
	long config_db_number, appl_db_number, state_db_number;
	long connection_timeout_secs; /* connecting, and any command */
	long retry_interval_secs;     /* the longest wait between two attempts to connect */
	char redis_username[CONFIG_TEXT_MAX];
	char redis_password_file[PATH_MAX];

	/* [performance] */
	long max_event_queue;  /* commands without an answer, a connection */
	long gather_usecs;     /* between two reads of the event socket in a storm; 0: none */
	long batch_timeout_ms; /* how long publishing may be held back to settle after a dump */
	long batch_size;       /* rows after which what is buffered is handed to Redis within a turn */
	long busy_poll_usecs;  /* how long the loop looks again for events before it sleeps; 0: not at all */
	long reply_usecs;      /* how long answers of STATE_DB may wait to be read while events come */
	long receive_buffer_bytes, send_buffer_bytes; /* of the netlink sockets */
	long receive_pool;                            /* datagrams one receive call takes at most */
	long datagram_bytes;                          /* first size of a receive buffer */
	cpu_set_t cpu_affinity;                       /* none: as it was started */
	bool lock_memory;
	int scheduler;           /* SCHED_OTHER (as it was started), SCHED_FIFO, SCHED_RR */
	long scheduler_priority; /* of the latter two */
	long nice;               /* 0: as it was started */
	long max_latency_us;     /* 99 % of the events should take no longer */
	double min_success_rate; /* percent of the events */

	/* [health] */
	long max_stall_seconds; /* 0: any time is well */
	double max_failure_rate_percent, min_port_sync_rate;
	long max_memory_mb; /* 0: any */
	bool enable_watchdog;

	/* [metrics], [http]; config_http_options() has the use of them */
	bool metrics_enabled, http_enabled;
	struct config_addresses http_listen;
	char http_unix_socket[CONFIG_TEXT_MAX];
	char http_cert[PATH_MAX], http_key[PATH_MAX], http_ca[PATH_MAX];
	long http_max_clients, http_timeout_secs;

	/* [sonic] */
	long audit_interval_secs;
	long keep_rows_secs;         /* of a warm start's ports without a link */
	int retire_old_links;        /* enum oldlinks_policy */
	bool track_port_config_done; /* PortConfigDone's count follows ports that come and go */

	/* [security] */
	int sandbox; /* 1: on, 0: off */

	/* [state] */
	char state_file[PATH_MAX]; /* "": none */
	long state_save_interval_secs;

	/* [log] */
	int log_level; /* LOG_EMERG .. LOG_DEBUG */
	enum config_log_target log_target;
	bool log_audit;
	bool level_chosen;                    /* by the command line or the environment */
	bool target_chosen;                   /* by the command line */
	long log_limit_secs, log_limit_lines; /* see log.h; lines below 1: of each kind its own */
	char log_rfc5424_to[CONFIG_TEXT_MAX];

	unsigned faults;                   /* of file and environment: config_load() went on without what is bad */
	bool database_is_bad, http_is_bad; /* a fault is in that section */

	/* Command line only */
	char namespace_name[NAME_MAX + 1]; /* whose databases; overrides database_config. "": none */
	char database_global[PATH_MAX];    /* where that is looked up; "": the default path */
	char netns[NAME_MAX + 1];          /* "": stay in our own */
	bool check_config, dry_run;
	bool once;                       /* a dry run ends when it has printed the present state */
	const char *file;                /* that was read; NULL: none was */
	unsigned lines[CONFIG_KEYS_MAX]; /* of it, by key: the line that says it; 0: none does */
	int argc;                        /* how it was loaded, for another time */
	char **argv;
};

enum config_outcome {
	CONFIG_RUN,  /* go on */
	CONFIG_DONE, /* --help or --version was answered, or --check-config found nothing: exit 0 */
	CONFIG_BAD,  /* one line says what is wrong and what is allowed: exit 2; argc is 0 if it was an option */
};

/*
 * As a program of supervisord a bad file or variable is no reason not to run: in SONiC's swss each end of portsyncd
 * restarts the container, and the next start would find the same file. What is bad is then as by default, all of
 * [database] (half an address may be that of a wrong server) and of [http] but its Unix socket; faults counts it.
 * --check-config and a dry run are strict everywhere.
 *
 * Fills *config from argv, the environment (PORTSYNCD_LOG_LEVEL, PORTSYNCD_METRICS_CERT, _KEY, _CA,
 * PORTSYNCD_RETIRE_OLD_LINKS) and the file. Help,
 * version and the verdict of --check-config (which also reads the files of SONiC's databases, the password file and the
 * certificates) go to out, complaints to err.
 */
enum config_outcome config_load(struct config *config, int argc, char *argv[], FILE *out, FILE *err);

/* Whether all that the configuration names can be used: --check-config. 0, or -EINVAL and each fault in a line. */
int config_check_named(const struct config *config, FILE *err);

/*
 * Reads one configuration file into *config, which holds defaults already. Each fault is one line
 * "file:line: key: what is wrong, what is allowed" on err; keys that are accepted for an older file but mean nothing
 * here are named in one line on err too. 0 or -EINVAL (a fault), or the errno of opening or reading.
 */
int config_read_file(struct config *config, const char *path, FILE *err);
void config_defaults(struct config *config);

/*
 * The keys that have another value in b than in a, as "section.key, ..."; only of this section, or, where but is true,
 * of all others. Returns how many they are.
 */
size_t config_list_changes(const struct config *a, const struct config *b, const char *section, bool but, char *out,
			   size_t size);

/*
 * The database_config.json that was chosen: that of the namespace, the one at the path, or the default one. Promises
 * and failures are those of dbconfig_load() and dbglobal_resolve(). SONiC's defaults stand in for a default file that
 * is not there only where no wrong Redis can be meant: the configuration names it, or nothing is to be started.
 */
int config_load_databases(const struct config *config, struct dbconfig **ret, char *error, size_t size);

/*
 * What http_new() is to be called with; points into *config. False: no HTTP server is wanted.
 */
bool config_http_options(const struct config *config, struct http_options *opt);

/*
 * Where the Redis password is: redis_password_file, or what would be the systemd credential "redis_password"
 * ($CREDENTIALS_DIRECTORY); "" for nowhere. False: the path is too long.
 */
bool config_password_path(const struct config *config, char *out, size_t size);
/*
 * Reads it there, each time again; its last newline is dropped. ret->text is NULL when none is configured; the caller
 * wipes it. 0, or a negative errno with a one-line text in error.
 */
int config_read_password(const struct config *config, struct secret *ret, char *error, size_t size);

#endif
