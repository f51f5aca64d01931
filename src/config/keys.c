/* SPDX-License-Identifier: Apache-2.0 */
#include "config/keys.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <syslog.h>

#include "base/address.h"
#include "base/cpulist.h"
#include "base/text.h"
#include "base/util.h"

/* Choices are stored as int. */
_Static_assert(sizeof(enum config_log_target) == sizeof(int), "size of enum config_log_target");

static const struct key_choices levels = {
	"is not a level",
	(const struct key_choice[]){
		{"emerg", LOG_EMERG},
		{"alert", LOG_ALERT},
		{"crit", LOG_CRIT},
		{"err", LOG_ERR},
		{"error", LOG_ERR},
		{"warning", LOG_WARNING},
		{"warn", LOG_WARNING},
		{"notice", LOG_NOTICE},
		{"info", LOG_INFO},
		{"debug", LOG_DEBUG},
		{NULL, 0},
	},
};

static const struct key_choices targets = {
	"is not a target",
	(const struct key_choice[]){
		{"auto", LOG_TARGET_AUTO},
		{"journal", LOG_TARGET_JOURNAL},
		{"syslog", LOG_TARGET_SYSLOG},
		{"rfc5424", LOG_TARGET_RFC5424},
		{"stderr", LOG_TARGET_STDERR},
		{NULL, 0},
	},
};

static const struct key_choices retirements = {
	"is not one of the choices",
	(const struct key_choice[]){{"auto", CONFIG_OLD_LINKS_AUTO},
				    {"always", CONFIG_OLD_LINKS_ALWAYS},
				    {"never", CONFIG_OLD_LINKS_NEVER},
				    {NULL, 0}},
};

static const struct key_choices switches = {
	"is neither on nor off",
	(const struct key_choice[]){{"on", 1}, {"off", 0}, {NULL, 0}},
};

#define AT(member) offsetof(struct config, member)
#define TEXT_MAX(member) ((long)sizeof(((struct config *)NULL)->member) - 1)
#define SOCKET_PATH_MAX ((long)sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define YEAR_SECS 31536000

/* clang-format off */
const struct key key_table[] = {
	{"database", "database_config", KEY_PATH, 0, TEXT_MAX(database_config), NULL, AT(database_config), NULL,
	 "which database_config.json to read; a missing one is awaited"},
	{"database", "redis_host", KEY_TEXT, 0, TEXT_MAX(redis_host), NULL, AT(redis_host), NULL,
	 "Redis by TCP for all databases, in place of database_config.json; with only a port: 127.0.0.1; a name is looked up before each attempt"},
	{"database", "redis_port", KEY_INTEGER, 1, 65535, NULL, AT(redis_port), NULL,
	 "its port; with only a host: 6379"},
	{"database", "redis_unix_socket", KEY_PATH, 0, SOCKET_PATH_MAX, NULL, AT(redis_unix_socket), NULL,
	 "Redis by Unix socket for all databases; not together with redis_host or redis_port"},
	{"database", "connection_timeout_secs", KEY_INTEGER, 1, 3600, "5", AT(connection_timeout_secs), NULL,
	 "how long connecting, or any command, may take"},
	{"database", "redis_username", KEY_TEXT, 0, TEXT_MAX(redis_username), NULL, AT(redis_username), NULL,
	 "Redis user"},
	{"database", "redis_password_file", KEY_PATH, 0, TEXT_MAX(redis_password_file), NULL, AT(redis_password_file),
	 NULL, "file with the Redis password, mode 0600"},

	{"performance", "redis_pipeline_depth", KEY_INTEGER, 16, 1000000, "1000", AT(redis_pipeline_depth), NULL,
	 "commands in flight on a connection: sent, and not answered yet"},
	{"performance", "gather_usecs", KEY_INTEGER, 0, 10000, "1000", AT(gather_usecs), NULL,
	 "how long link events gather between two reads in a storm (15 a millisecond, over ten milliseconds); 0: "
	 "never"},
	{"performance", "settle_ms", KEY_INTEGER, 0, 60000, "100", AT(settle_ms), NULL,
	 "how long publishing may be held back to settle after a dump"},
	{"performance", "reply_delay_usecs", KEY_INTEGER, 0, 100000, "10000", AT(reply_delay_usecs), NULL,
	 "how long the answers to rows may wait to be read while more rows follow; 0: not at all"},
	{"performance", "receive_buffer_bytes", KEY_INTEGER, 4096, 1073741824, "16777216", AT(receive_buffer_bytes), NULL,
	 "SO_RCVBUF of the netlink socket"},
	{"performance", "lock_memory", KEY_BOOLEAN, 0, 0, "true", AT(lock_memory), NULL,
	 "keep used pages in memory; needs CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK"},
	{"performance", "cpu_affinity", KEY_CPUS, 0, 0, NULL, AT(cpu_affinity), NULL,
	 "the CPUs to run on; not set or empty: those inherited at the start"},

	{"health", "max_latency_usecs", KEY_INTEGER, 1, 1000000000, "10000", AT(max_latency_usecs), NULL,
	 "if more than 1 % of a minute's events take longer, health is degraded"},
	{"health", "max_stall_secs", KEY_INTEGER, 0, YEAR_SECS, "10", AT(max_stall_secs), NULL,
	 "how long the loop may stall, or be without sync or Redis, before health is unhealthy; 0: for ever"},
	{"health", "max_failure_percent", KEY_NUMBER, 0, 100, "5.0", AT(max_failure_percent), NULL,
	 "percent of a minute's events that may fail; above it, health is unhealthy"},
	{"health", "min_sync_percent", KEY_NUMBER, 0, 100, "90.0", AT(min_sync_percent), NULL,
	 "percent of the configured ports; if fewer are in sync for max_stall_secs, health is degraded"},
	{"health", "max_memory_mb", KEY_INTEGER, 0, 1048576, "256", AT(max_memory_mb), NULL,
	 "resident memory above which health is degraded; 0: no limit"},

	{"http", "listen", KEY_ADDRESSES, 0, 0, "127.0.0.1:10187, [::1]:10187", AT(http_listen), NULL,
	 "TCP addresses to listen on; other than loopback they need cert, key and ca; empty: none"},
	{"http", "unix_socket", KEY_PATH, 0, SOCKET_PATH_MAX, "/run/portsyncd/http.sock", AT(http_unix_socket), NULL,
	 "Unix socket to listen on, mode 0660, always without TLS; empty: none, and with listen empty no HTTP at all"},
	{"http", "cert", KEY_PATH, 0, TEXT_MAX(http_cert), NULL, AT(http_cert), NULL,
	 "certificate with a P-384 key, and its chain, in PEM; then TCP speaks TLS 1.3 only"},
	{"http", "key", KEY_PATH, 0, TEXT_MAX(http_key), NULL, AT(http_key), NULL, "the certificate's key in PEM, "
		"mode 0600 or 0640"},
	{"http", "ca", KEY_PATH, 0, TEXT_MAX(http_ca), NULL, AT(http_ca), NULL,
	 "certificates in PEM of the authorities that sign client certificates"},
	{"http", "max_clients", KEY_INTEGER, 1, 1024, "64", AT(http_max_clients), NULL,
	 "clients at once, fewer if file descriptors are scarce; for one more, the one that has waited longest is "
	 "dropped; a quarter may be streams"},
	{"http", "timeout_secs", KEY_INTEGER, 1, 3600, "10", AT(http_timeout_secs), NULL,
	 "how long a client may take for one request and its answer (each 64 KiB of a longer one), or be idle"},

	{"sonic", "reconcile_interval_secs", KEY_INTEGER, 1, 86400, "60", AT(reconcile_interval_secs), NULL,
	 "how often STATE_DB is read back and repaired"},
	{"sonic", "keep_rows_secs", KEY_INTEGER, 0, 86400, "60", AT(keep_rows_secs), NULL,
	 "how long after a warm start a port without a link keeps its earlier row"},
	{"sonic", "retire_old_links", KEY_CHOICE, 0, 0, "auto", AT(retire_old_links), &retirements,
	 "whether a cold start sets the ports' interfaces down; auto: only where SONiC needs it, when swss was "
	 "restarted"},
	{"sonic", "track_port_config_done", KEY_BOOLEAN, 0, 0, "false", AT(track_port_config_done), NULL,
	 "PortConfigDone's count follows added and deleted ports, so that a later warm start accepts it"},

	{"security", "sandbox", KEY_CHOICE, 0, 0, "on", AT(sandbox), &switches,
	 "give up rights that are not needed once it runs; off: for debugging only"},

	{"state", "file", KEY_PATH, 0, TEXT_MAX(state_file), "/var/lib/sonic/portsyncd/state.json", AT(state_file), NULL,
	 "file that keeps flaps, last changes, history, event and audit numbers across restarts; empty: nothing is "
	 "kept"},
	{"state", "save_interval_secs", KEY_INTEGER, 1, 86400, "60", AT(state_save_interval_secs), NULL,
	 "how long after a change the file is saved; nothing is written while nothing changes"},
	{"state", "history_changes", KEY_INTEGER, 0, 65536, "4096", AT(state_history_changes), NULL,
	 "how many of the last changes of ports are remembered; 0: none"},

	{"recorder", "bytes", KEY_INTEGER, 0, 134217728, "8388608", AT(recorder_bytes), NULL,
	 "memory of the flight recorder, which keeps the latest kernel messages and decisions; below 1 MiB, 1 MiB is "
	 "used; 0: off"},
	{"recorder", "folder", KEY_PATH, 0, TEXT_MAX(recorder_folder), "/var/log/swss", AT(recorder_folder), NULL,
	 "folder for recordings, written after a fault; the last 5 are kept; empty: none are written"},

	{"log", "level", KEY_CHOICE, 0, 0, "notice", AT(log_level), &levels, "lowest severity of the lines that are logged"},
	{"log", "target", KEY_CHOICE, 0, 0, "auto", AT(log_target), &targets, "where log lines go"},
	{"log", "rfc5424_to", KEY_DESTINATION, 0, TEXT_MAX(log_rfc5424_to), "unix:/dev/log", AT(log_rfc5424_to), NULL,
	 "where lines of target rfc5424 go"},
	{"log", "limit_secs", KEY_INTEGER, 0, 3600, "10", AT(log_limit_secs), NULL,
	 "window of the limits on lines of one kind; 0: no limits"},
	{"log", "limit_lines", KEY_INTEGER, 1, 1000000, NULL, AT(log_limit_lines), NULL,
	 "lines per window for each kind that has a limit; not set: as docs/logging.md says"},
	{"log", "audit", KEY_BOOLEAN, 0, 0, "true", AT(log_audit), NULL, "write the records of the audit trail"},
};
/* clang-format on */

#define NOTHING "nothing in its place, it had no effect"
#define SOON_ENOUGH "nothing in its place, it is never more than 2 s until the next attempt"
#define IN_PARTS "nothing in its place, rows go out in parts of 128"
#define DATAGRAMS "nothing in its place, a receive call takes up to 64"
#define NO_HTTP "http.listen and http.unix_socket, both empty, to turn HTTP off"
#define DATABASES_FILE "the number in the file that database.database_config names"
#define UNIT(setting, elsewhere) setting " of the systemd unit, or " elsewhere

/* What earlier versions had. */
static const struct {
	const char *section, *name, *replacement;
} replaced[] = {
	{"database", "config_db_number", DATABASES_FILE},
	{"database", "appl_db_number", DATABASES_FILE},
	{"database", "state_db_number", DATABASES_FILE},
	{"database", "retry_interval_secs", SOON_ENOUGH},
	{"database", "retry_max_secs", SOON_ENOUGH},
	{"performance", "max_event_queue", "performance.redis_pipeline_depth"},
	{"performance", "batch_timeout_ms", "performance.settle_ms"},
	{"performance", "batch_size", IN_PARTS},
	{"performance", "flush_rows", IN_PARTS},
	{"performance", "busy_poll_usecs", "nothing in its place, it made events no faster"},
	{"performance", "reply_usecs", "performance.reply_delay_usecs"},
	{"performance", "send_buffer_bytes", "nothing in its place, what is sent always fits"},
	{"performance", "datagram_bytes", "nothing in its place, buffers grow when a link needs it"},
	{"performance", "receive_pool", DATAGRAMS},
	{"performance", "receive_datagrams", DATAGRAMS},
	{"performance", "scheduler", UNIT("CPUSchedulingPolicy=", "chrt(1)")},
	{"performance", "scheduler_priority", UNIT("CPUSchedulingPriority=", "chrt(1)")},
	{"performance", "nice", UNIT("Nice=", "nice(1)")},
	{"performance", "max_latency_us", "health.max_latency_usecs"},
	{"performance", "min_success_rate", "health.max_failure_percent"},
	{"health", "max_stall_seconds", "health.max_stall_secs"},
	{"health", "max_failure_rate_percent", "health.max_failure_percent"},
	{"health", "min_port_sync_rate", "health.min_sync_percent"},
	{"health", "enable_watchdog", "WatchdogSec= of the systemd unit; without it there is no watchdog"},
	{"health", "watchdog_interval_secs", "WatchdogSec= of the systemd unit"},
	{"http", "enabled", NO_HTTP},
	{"metrics", "enabled", NO_HTTP},
	{"metrics", "save_interval_secs", NOTHING},
	{"metrics", "retention_days", NOTHING},
	{"metrics", "max_file_size_mb", NOTHING},
	{"metrics", "export_format", NOTHING},
	{"metrics", "storage_path", NOTHING},
	{"sonic", "audit_interval_secs", "sonic.reconcile_interval_secs"},
};

static const char *check_integer(const struct key *key, const char *text)
{
	char *end;
	long value;

	if (text[strspn(text, "+-0123456789")] != '\0')
		return "is not an integer";
	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || *end != '\0')
		return "is not an integer";
	if (errno == ERANGE || value < key->min || value > key->max)
		return "is out of range";
	return NULL;
}

static const char *check_number(const struct key *key, const char *text)
{
	double value;
	char *end;

	if (text[strspn(text, "+-0123456789.eE")] != '\0')
		return "is not a number";
	value = strtod(text, &end);
	if (end == text || *end != '\0')
		return "is not a number";
	if (value < (double)key->min || value > (double)key->max)
		return "is out of range";
	return NULL;
}

static const char *check_boolean(const char *text)
{
	return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? NULL : "is not a boolean";
}

static const char *check_text(const struct key *key, const char *text)
{
	size_t len = strlen(text);

	if (len > (size_t)key->max)
		return "is too long";
	if (key->type == KEY_PATH && len > 0 && text[0] != '/')
		return "is not an absolute path";
	return NULL;
}

static const struct key_choice *find_choice(const struct key_choices *choices, const char *name)
{
	const struct key_choice *c = choices->list;

	while (c->name && strcasecmp(c->name, name) != 0)
		c++;
	return c->name ? c : NULL;
}

static const char *check_cpus(const char *text)
{
	cpu_set_t cpus;

	return cpulist_parse(text, &cpus) < 0 ? "is not a list of CPUs" : NULL;
}

/* Adds an address to the list; false: the list is full, or the text is too long or not an address. */
static bool add_address(struct config_addresses *list, const char *text, size_t len)
{
	struct address parsed;
	char *item;

	if (list->n == ARRAY_SIZE(list->item) || len >= sizeof(list->item[0]))
		return false;
	item = list->item[list->n++];
	memcpy(item, text, len);
	item[len] = '\0';
	return address_parse(item, &parsed) == 0;
}

static bool parse_addresses(const char *text, struct config_addresses *list)
{
	static const char space[] = " \t";

	memset(list, 0, sizeof(*list));
	text += strspn(text, space);
	if (*text == '\0')
		return true;
	for (;;) {
		size_t part = strcspn(text, ","), len = part;

		while (len > 0 && strchr(space, text[len - 1]))
			len--;
		if (!add_address(list, text, len))
			return false;
		if (text[part] == '\0')
			return true;
		text += part + 1;
		text += strspn(text, space);
	}
}

static const char *check_addresses(const char *text)
{
	struct config_addresses list;

	return parse_addresses(text, &list) ? NULL : "is not a list of addresses";
}

/* NULL, or what is wrong with the text. */
static const char *check_value(const struct key *key, const char *text)
{
	struct destination destination;

	switch (key->type) {
	case KEY_INTEGER:
		return check_integer(key, text);
	case KEY_NUMBER:
		return check_number(key, text);
	case KEY_BOOLEAN:
		return check_boolean(text);
	case KEY_TEXT:
	case KEY_PATH:
		return check_text(key, text);
	case KEY_CPUS:
		return check_cpus(text);
	case KEY_DESTINATION:
		return address_parse_destination(text, &destination);
	case KEY_ADDRESSES:
		return check_addresses(text);
	case KEY_CHOICE:
		break;
	}
	return find_choice(key->choices, text) ? NULL : key->choices->wrong;
}

/* text has passed check_value(). */
static void store_value(struct config *config, const struct key *key, const char *text)
{
	void *field = (char *)config + key->offset;

	if (key->type == KEY_INTEGER) {
		long value = strtol(text, NULL, 10);

		memcpy(field, &value, sizeof(value));
	} else if (key->type == KEY_NUMBER) {
		double value = strtod(text, NULL);

		memcpy(field, &value, sizeof(value));
	} else if (key->type == KEY_BOOLEAN) {
		bool value = strcmp(text, "true") == 0;

		memcpy(field, &value, sizeof(value));
	} else if (key->type == KEY_CHOICE) {
		memcpy(field, &find_choice(key->choices, text)->value, sizeof(int));
	} else if (key->type == KEY_CPUS) {
		(void)cpulist_parse(text, field);
	} else if (key->type == KEY_ADDRESSES) {
		(void)parse_addresses(text, field);
	} else {
		memcpy(field, text, strlen(text) + 1);
	}
}

static void list_choices(const struct key_choices *choices, char *out, size_t size)
{
	out[0] = '\0';
	for (const struct key_choice *c = choices->list; c->name; c++)
		text_append(out, size, ", ", "%s", c->name);
}

const char *key_describe(const struct key *key, char *out, size_t size)
{
	switch (key->type) {
	case KEY_INTEGER:
		(void)snprintf(out, size, "an integer %ld..%ld", key->min, key->max);
		break;
	case KEY_NUMBER:
		(void)snprintf(out, size, "a number %ld..%ld", key->min, key->max);
		break;
	case KEY_BOOLEAN:
		(void)snprintf(out, size, "true, false");
		break;
	case KEY_TEXT:
		(void)snprintf(out, size, "text of at most %ld bytes", key->max);
		break;
	case KEY_PATH:
		(void)snprintf(out, size, "an absolute path of at most %ld bytes", key->max);
		break;
	case KEY_CHOICE:
		list_choices(key->choices, out, size);
		break;
	case KEY_CPUS:
		(void)snprintf(out, size, "CPUs 0..%d as in 0-1,3, or \"\"", CPU_SETSIZE - 1);
		break;
	case KEY_DESTINATION:
		(void)snprintf(out, size,
			       "unix:/PATH, file:/PATH, tcp:HOST:PORT with an address of this machine as in "
			       "tcp:127.0.0.1:6514 and tcp:[::1]:6514");
		break;
	case KEY_ADDRESSES:
		(void)snprintf(out, size, "at most %d as in 127.0.0.1:10187, [::1]:10187, or \"\"", ADDRESS_LIST_MAX);
		break;
	}
	return out;
}

int key_set(struct config *config, const struct key *key, const char *text, char *why, size_t size)
{
	const char *wrong = check_value(key, text);
	char quote[KEY_QUOTE_MAX], allowed[KEY_WHY_MAX / 2];

	if (wrong) {
		(void)snprintf(why, size, "\"%s\" %s; allowed: %s", printable(text, strlen(text), quote, sizeof(quote)),
			       wrong, key_describe(key, allowed, sizeof(allowed)));
		return -EINVAL;
	}
	store_value(config, key, text);
	return 0;
}

const struct key *key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(key_table[i].section, section) == 0 && strcmp(key_table[i].name, name) == 0)
			return &key_table[i];
	return NULL;
}

const char *key_replacement(const char *section, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(replaced); i++)
		if (strcmp(replaced[i].section, section) == 0 && strcmp(replaced[i].name, name) == 0)
			return replaced[i].replacement;
	return NULL;
}

const char *key_section(const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(key_table[i].section, name) == 0)
			return key_table[i].section;
	for (size_t i = 0; i < ARRAY_SIZE(replaced); i++)
		if (strcmp(replaced[i].section, name) == 0)
			return replaced[i].section;
	return NULL;
}

void key_default(struct config *config, const struct key *key)
{
	char *field = (char *)config + key->offset;
	long unset = key->min - 1;

	if (key->fallback)
		store_value(config, key, key->fallback);
	else if (key->type == KEY_INTEGER)
		memcpy(field, &unset, sizeof(unset));
	else if (key->type == KEY_CPUS)
		memset(field, 0, sizeof(cpu_set_t));
	else if (key->type == KEY_ADDRESSES)
		memset(field, 0, sizeof(struct config_addresses));
	else
		*field = '\0';
}

static size_t size_of(const struct key *key)
{
	switch (key->type) {
	case KEY_INTEGER:
		return sizeof(long);
	case KEY_NUMBER:
		return sizeof(double);
	case KEY_BOOLEAN:
		return sizeof(bool);
	case KEY_CHOICE:
		return sizeof(int);
	case KEY_CPUS:
		return sizeof(cpu_set_t);
	case KEY_ADDRESSES:
		return sizeof(struct config_addresses);
	default:
		return 0; /* a text */
	}
}

static const char *choice_name(const struct key *key, int value)
{
	const struct key_choice *c = key->choices->list;

	while (c->name && c->value != value)
		c++;
	return c->name;
}

static const char *format_addresses(const struct config_addresses *list, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < list->n; i++)
		text_append(out, size, ", ", "%s", list->item[i]);
	return out;
}

const char *key_format(const struct key *key, const struct config *config, char *out, size_t size)
{
	union {
		long integer;
		double number;
		bool boolean;
		int choice;
	} value;
	const void *field = (const char *)config + key->offset;

	switch (key->type) {
	case KEY_INTEGER:
		memcpy(&value.integer, field, sizeof(value.integer));
		(void)snprintf(out, size, "%ld", value.integer);
		return value.integer < key->min ? NULL : out;
	case KEY_NUMBER:
		memcpy(&value.number, field, sizeof(value.number));
		(void)snprintf(out, size, "%.15g", value.number);
		return out;
	case KEY_BOOLEAN:
		memcpy(&value.boolean, field, sizeof(value.boolean));
		(void)snprintf(out, size, "%s", value.boolean ? "true" : "false");
		return out;
	case KEY_CHOICE:
		memcpy(&value.choice, field, sizeof(value.choice));
		(void)snprintf(out, size, "%s", choice_name(key, value.choice));
		return out;
	case KEY_CPUS:
		return cpulist_format(field, out, size);
	case KEY_ADDRESSES:
		return format_addresses(field, out, size);
	default:
		(void)snprintf(out, size, "%s", (const char *)field);
		return out;
	}
}

void key_copy(struct config *config, const struct key *key, const struct config *from)
{
	char *to = (char *)config + key->offset;
	const char *value = (const char *)from + key->offset;
	size_t size = size_of(key);

	memcpy(to, value, size > 0 ? size : strlen(value) + 1);
}

bool key_differs(const struct key *key, const struct config *a, const struct config *b)
{
	const char *one = (const char *)a + key->offset, *other = (const char *)b + key->offset;
	size_t size = size_of(key);

	return size > 0 ? memcmp(one, other, size) != 0 : strcmp(one, other) != 0;
}
