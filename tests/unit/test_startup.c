/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Startup against three small databases that answer one command at a time, so that a connection can go, a database be
 * emptied, or a command be refused in every state. What counts is what APPL_DB holds at the end, and that nobody is
 * ever believes in a marker that a check has found to be gone.
 */
#include "sonic/startup.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "log_catcher.h"
#include "test.h"

#define CONFIG_DONE "PORT_TABLE:PortConfigDone"
#define INIT_DONE "PORT_TABLE:PortInitDone"
#define STEPS_MAX 400

enum { CONFIG, APPL, STATE, DATABASES };

/* A hash of one field; the producer's "_" of a key is left out, as if its consumer moved each row at once. */
struct key {
	char name[64], field[32], value[32];
};

struct command {
	unsigned database;
	conn_reply_fn fn;
	void *user, *item;
	uint64_t cookie;
	size_t argc;
	char argv[16][256];
};

/* The world; a struct conn is one of its databases. */
static struct {
	struct key keys[DATABASES][16];
	bool connected[DATABASES];
	size_t capacity;
	struct command queue[64];
	size_t queued;
	const char *refused;         /* a command with this argument is refused, once */
	unsigned refusals, commands; /* answered so far */
	bool scanned;                /* appl_ports_known() */
	size_t counted;              /* appl_ports_rows() */
	sd_event *event;
	struct links *links;
	struct producer *producer;
	struct startup *startup;
	unsigned decided, init_done, checked;
	char refuse[128];
} w;

static unsigned char databases[DATABASES];

static struct conn *conn_of(unsigned database)
{
	return (struct conn *)&databases[database];
}

static unsigned database_of(const struct conn *c)
{
	return (unsigned)((const unsigned char *)c - databases);
}

/* --- in place of the connections and of appl_ports --- */

bool __wrap_conn_ready(const struct conn *c);
size_t __wrap_conn_capacity(const struct conn *c);
int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv);
bool __wrap_appl_ports_known(const struct appl_ports *a);
bool __wrap_appl_ports_settled(const struct appl_ports *a);
size_t __wrap_appl_ports_rows(const struct appl_ports *a);
void __wrap_appl_ports_doubt(struct appl_ports *a);

bool __wrap_conn_ready(const struct conn *c)
{
	return w.connected[database_of(c)];
}

size_t __wrap_conn_capacity(const struct conn *c)
{
	return __wrap_conn_ready(c) ? w.capacity : 0;
}

int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv)
{
	struct command *cmd = &w.queue[w.queued];

	if (!__wrap_conn_ready(c))
		return -ENOTCONN;
	if (w.capacity == 0)
		return -EAGAIN;
	assert_true(w.queued < ARRAY_SIZE(w.queue));
	assert_true(argc <= ARRAY_SIZE(cmd->argv));
	*cmd = (struct command){
		.database = database_of(c), .fn = fn, .user = user, .item = item, .cookie = cookie, .argc = argc};
	for (size_t i = 0; i < argc; i++)
		(void)snprintf(cmd->argv[i], sizeof(cmd->argv[i]), "%.*s", (int)argv[i].len,
			       (const char *)argv[i].data);
	w.queued++;
	return 0;
}

bool __wrap_appl_ports_known(const struct appl_ports *a)
{
	(void)a;
	return w.connected[APPL] && w.scanned;
}

bool __wrap_appl_ports_settled(const struct appl_ports *a)
{
	return __wrap_appl_ports_known(a);
}

size_t __wrap_appl_ports_rows(const struct appl_ports *a)
{
	(void)a;
	return w.counted;
}

void __wrap_appl_ports_doubt(struct appl_ports *a)
{
	(void)a;
}

/* --- the databases --- */

static struct key *find(unsigned database, const char *name)
{
	if (name[0] == '_')
		name++;
	for (size_t i = 0; i < ARRAY_SIZE(w.keys[database]); i++)
		if (strcmp(w.keys[database][i].name, name) == 0)
			return &w.keys[database][i];
	return NULL;
}

static void put(unsigned database, const char *name, const char *field, const char *value)
{
	struct key *key = find(database, name);

	if (!key)
		key = find(database, "");
	assert_non_null(key);
	(void)snprintf(key->name, sizeof(key->name), "%s", name[0] == '_' ? name + 1 : name);
	(void)snprintf(key->field, sizeof(key->field), "%s", field);
	(void)snprintf(key->value, sizeof(key->value), "%s", value);
}

static void flush(unsigned database)
{
	memset(w.keys[database], 0, sizeof(w.keys[database]));
}

static void drop(unsigned database, const char *name)
{
	struct key *key = find(database, name);

	if (key)
		memset(key, 0, sizeof(*key));
}

static const char *value_of(unsigned database, const char *name)
{
	const struct key *key = find(database, name);

	return key ? key->value : NULL;
}

static struct resp_value text(const char *str)
{
	return (struct resp_value){.type = RESP_STRING, .str = str, .len = strlen(str)};
}

static struct resp_value integer(int64_t n)
{
	return (struct resp_value){.type = RESP_INTEGER, .integer = n};
}

static void reply(const struct command *cmd, struct resp_value value)
{
	cmd->fn(&value, cmd->user, cmd->item, cmd->cookie);
}

static void scan(const struct command *cmd)
{
	struct resp_value cursor = text("0"), names[ARRAY_SIZE(w.keys[0])], all = {.type = RESP_ARRAY};
	const struct resp_value *elem[ARRAY_SIZE(names)], *both[] = {&cursor, &all};

	all.elem = elem;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = w.keys[cmd->database][i].name;

		if (strncmp(name, cmd->argv[3], strlen(cmd->argv[3]) - 1) != 0)
			continue;
		names[all.n] = text(name);
		elem[all.n] = &names[all.n];
		all.n++;
	}
	reply(cmd, (struct resp_value){.type = RESP_ARRAY, .elem = both, .n = 2});
}

static void get_all(const struct command *cmd)
{
	const struct key *key = find(cmd->database, cmd->argv[1]);
	struct resp_value field = text(key ? key->field : ""), value = text(key ? key->value : "");
	const struct resp_value *elem[] = {&field, &value};

	reply(cmd, (struct resp_value){.type = RESP_ARRAY, .elem = elem, .n = key ? 2 : 0});
}

static void get(const struct command *cmd)
{
	const struct key *key = find(cmd->database, cmd->argv[1]);

	reply(cmd,
	      key && strcmp(key->field, cmd->argv[2]) == 0 ? text(key->value) : (struct resp_value){.type = RESP_NIL});
}

static void exists(const struct command *cmd)
{
	assert_int_equal(cmd->argc, 3);
	assert_string_equal(cmd->argv[1], cmd->argv[2] + 1);
	reply(cmd, integer(find(cmd->database, cmd->argv[1]) != NULL));
}

static bool is_refused(const struct command *cmd)
{
	for (size_t i = 0; w.refused && i < cmd->argc; i++)
		if (strcmp(cmd->argv[i], w.refused) == 0)
			return true;
	return false;
}

static void answer(const struct command *cmd)
{
	const char *verb = cmd->argv[0];

	if (is_refused(cmd)) {
		w.refused = NULL;
		w.refusals++;
		reply(cmd, (struct resp_value){.type = RESP_ERROR, .str = "OOM no", .len = 6});
	} else if (strcmp(verb, "SCAN") == 0) {
		scan(cmd);
	} else if (strcmp(verb, "HGETALL") == 0) {
		get_all(cmd);
	} else if (strcmp(verb, "HGET") == 0) {
		get(cmd);
	} else if (strcmp(verb, "EXISTS") == 0) {
		exists(cmd);
	} else if (strcmp(verb, "HSET") == 0) {
		put(cmd->database, cmd->argv[1], cmd->argv[2], cmd->argv[3]);
		reply(cmd, integer(0));
	} else if (strcmp(verb, "EVALSHA") == 0 || strcmp(verb, "EVAL") == 0) {
		put(cmd->database, cmd->argv[5], cmd->argv[8], cmd->argv[9]);
		reply(cmd, integer(1));
	} else {
		assert_string_equal(verb, "SCRIPT");
		reply(cmd, text("0123456789012345678901234567890123456789"));
	}
	w.commands++;
}

/* The oldest command is answered, then the turn of the loop ends. False when there was none. */
static bool step(void)
{
	struct command cmd;

	if (w.queued == 0) {
		startup_turn(w.startup);
		if (w.queued == 0)
			return false;
	}
	cmd = w.queue[0];
	memmove(w.queue, w.queue + 1, --w.queued * sizeof(*w.queue));
	answer(&cmd);
	startup_turn(w.startup);
	return true;
}

static void run(void)
{
	for (unsigned i = 0; step(); i++)
		assert_true(i < STEPS_MAX);
}

/* What a refusal put off comes as well. */
static void run_until(bool (*condition)(void))
{
	uint64_t deadline = now_usec() + 30 * USEC_PER_SEC;

	for (run(); !condition(); run()) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(w.event, 10 * USEC_PER_MSEC) >= 0);
	}
}

static void lose(unsigned database)
{
	struct command lost[ARRAY_SIZE(w.queue)];
	size_t n = 0, kept = 0;

	if (!w.connected[database])
		return;
	w.connected[database] = false;
	for (size_t i = 0; i < w.queued; i++) {
		if (w.queue[i].database == database)
			lost[n++] = w.queue[i];
		else
			w.queue[kept++] = w.queue[i];
	}
	w.queued = kept;
	for (size_t i = 0; i < n; i++)
		lost[i].fn(NULL, lost[i].user, lost[i].item, lost[i].cookie);
	startup_lost(w.startup);
	startup_turn(w.startup);
}

static void connect_to(unsigned database)
{
	w.connected[database] = true;
	startup_ready(w.startup);
	startup_turn(w.startup);
}

static void connect_all(void)
{
	for (unsigned i = 0; i < DATABASES; i++)
		connect_to(i);
}

/* --- the kernel and what others do --- */

static void on_decided(void *user)
{
	(void)user;
	w.decided++;
}

static void on_init_done(void *user)
{
	(void)user;
	w.init_done++;
}

static void on_checked(void *user)
{
	(void)user;
	w.checked++;
}

static void on_refuse(const char *why, void *user)
{
	(void)user;
	(void)snprintf(w.refuse, sizeof(w.refuse), "%s", why);
}

/* The links come, APPL_DB has their rows, STATE_DB acknowledges them. */
static void links_come(void)
{
	static const char *const names[] = {"Ethernet0", "Ethernet4"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct link_msg msg = {.type = RTM_NEWLINK, .ifindex = (int)i + 1, .flags = IFF_UP, .mtu = 9100};
		struct port *port;

		(void)snprintf(msg.name, sizeof(msg.name), "%s", names[i]);
		links_event(w.links, &msg, 0);
		port = links_find(w.links, names[i]);
		assert_non_null(port);
		links_set_configured(w.links, port, true);
		links_mark_published(w.links, port);
	}
	startup_turn(w.startup);
}

static void fill_config(void)
{
	put(CONFIG, "PORT|Ethernet0", "lanes", "1");
	put(CONFIG, "PORT|Ethernet4", "lanes", "2");
}

static void check(void)
{
	unsigned before = w.checked;

	assert_true(startup_check(w.startup));
	for (unsigned i = 0; w.checked == before; i++) {
		assert_true(i < STEPS_MAX);
		assert_true(step());
	}
}

static bool is_done(void)
{
	return startup_init_done(w.startup);
}

static bool awaits_links(void)
{
	return startup_config_done(w.startup);
}

static void nothing_is_promised(void)
{
	assert_false(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
}

static void all_is_in(void)
{
	assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
	assert_string_equal(value_of(APPL, INIT_DONE), "0");
	assert_string_equal(value_of(APPL, "PORT_TABLE:Ethernet0"), "1");
	assert_string_equal(value_of(APPL, "PORT_TABLE:Ethernet4"), "2");
	assert_true(startup_config_done(w.startup));
	assert_true(startup_init_done(w.startup));
	assert_int_equal(w.decided, 1);
}

static void begin(const struct startup_deps *more)
{
	static const struct startup_ops ops = {
		.decided = on_decided, .init_done = on_init_done, .checked = on_checked, .refuse = on_refuse};
	struct startup_deps deps = {
		.config_separator = "|",
		.appl_separator = ":",
		.state_separator = "|",
		.old_links = OLDLINKS_NEVER,
	};

	memset(&w, 0, sizeof(w));
	w.capacity = 32;
	w.scanned = true;
	w.links = links_new(0);
	w.producer = producer_new(conn_of(APPL), "PORT_TABLE", ":", 0);
	assert_true(w.links && w.producer && sd_event_new(&w.event) >= 0);
	if (more)
		deps = *more;
	deps.event = w.event;
	deps.links = w.links;
	deps.config = conn_of(CONFIG);
	deps.appl = conn_of(APPL);
	deps.state = conn_of(STATE);
	deps.producer = w.producer;
	assert_int_equal(startup_new(&w.startup, &deps, &ops, NULL), 0);
	fill_config();
}

static void end(void)
{
	startup_free(w.startup);
	producer_free(w.producer);
	links_free(w.links);
	sd_event_unref(w.event);
}

static int setup(void **state)
{
	struct log_catcher *log = calloc(1, sizeof(*log));

	assert_non_null(log);
	catcher_start(log, LOG_NOTICE);
	begin(NULL);
	*state = log;
	return 0;
}

static int teardown(void **state)
{
	end();
	catcher_stop(*state);
	free(*state);
	return 0;
}

static void start_cold(void)
{
	startup_links_known(w.startup);
	connect_all();
	run();
	links_come();
	run();
	all_is_in();
}

/* --- the way through --- */

static void each_state_waits_for_what_it_needs(void **state)
{
	(void)state;
	connect_all();
	run();
	assert_int_equal(w.commands, 0); /* the kernel's links are not known */
	startup_links_known(w.startup);
	w.scanned = false;
	run();
	assert_int_equal(w.commands, 0); /* the rows of APPL_DB are not */
	w.scanned = true;
	run();
	assert_true(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
	assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
	assert_null(value_of(APPL, INIT_DONE));
	assert_int_equal(w.decided, 1);
	links_come();
	assert_false(startup_init_done(w.startup)); /* PortInitDone was sent, and has no answer */
	run();
	all_is_in();
	assert_int_equal(w.init_done, 1);
	assert_false(startup_is_warm(w.startup));
}

static void no_ports_are_a_valid_configuration(void **state)
{
	(void)state;
	flush(CONFIG);
	startup_links_known(w.startup);
	connect_all();
	run();
	assert_string_equal(value_of(APPL, CONFIG_DONE), "0");
	assert_true(startup_init_done(w.startup));
	flush(APPL);
	check();
	nothing_is_promised();
	run();
	assert_string_equal(value_of(APPL, CONFIG_DONE), "0");
	assert_true(startup_init_done(w.startup));
}

static void a_fabric_switch_is_refused(void **state)
{
	(void)state;
	put(CONFIG, "DEVICE_METADATA|localhost", "switch_type", "fabric");
	startup_links_known(w.startup);
	connect_all();
	run();
	assert_non_null(strstr(w.refuse, "fabric"));
	assert_int_equal(w.decided, 0);
	nothing_is_promised();
}

static void enable_warm(const char *count)
{
	put(STATE, "WARM_RESTART_ENABLE_TABLE|swss", "enable", "true");
	put(STATE, "WARM_RESTART_TABLE|portsyncd", "restore_count", "3");
	put(APPL, "PORT_TABLE:Ethernet0", "lanes", "1");
	put(APPL, "PORT_TABLE:Ethernet4", "lanes", "2");
	put(APPL, CONFIG_DONE, "count", count);
	put(APPL, INIT_DONE, "lanes", "0");
	w.counted = 2;
}

static void a_warm_start_pushes_no_row_and_mends_the_count_first(void **state)
{
	(void)state;
	enable_warm("7");
	put(CONFIG, "PORT|Ethernet0", "lanes", "not pushed");
	drop(APPL, INIT_DONE);
	startup_links_known(w.startup);
	connect_all();
	w.refused = "HSET"; /* of the restore count: no matter */
	run();
	assert_true(startup_is_warm(w.startup));
	assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
	assert_null(value_of(APPL, INIT_DONE));
	assert_true(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
	links_come();
	run();
	all_is_in();
	assert_true(startup_is_warm(w.startup));
	/* Mended once: from now on it is another's. */
	w.counted = 5;
	startup_turn(w.startup);
	run();
	assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
}

static void a_wrong_count_is_mended_before_init_done(void **state)
{
	(void)state;
	enable_warm("7");
	drop(APPL, INIT_DONE);
	links_come();
	startup_links_known(w.startup);
	connect_all();
	while (!value_of(APPL, INIT_DONE)) {
		assert_true(step());
		if (value_of(APPL, INIT_DONE))
			assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
	}
	run();
	all_is_in();
}

static void a_refused_count_holds_nothing_up_and_is_mended_by_a_check(void **state)
{
	(void)state;
	enable_warm("7");
	startup_links_known(w.startup);
	connect_all();
	while (strcmp(w.queued ? w.queue[w.queued - 1].argv[0] : "", "HSET") != 0 ||
	       w.queue[w.queued - 1].database != APPL)
		assert_true(step());
	w.refused = CONFIG_DONE;
	run();
	links_come();
	run();
	assert_true(startup_init_done(w.startup));
	assert_string_equal(value_of(APPL, CONFIG_DONE), "7");
	check();
	run();
	assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
}

static void the_count_is_followed_where_that_is_asked_for(void **state)
{
	const struct startup_deps deps = {
		.config_separator = "|", .appl_separator = ":", .state_separator = "|", .follow_count = true};

	(void)state;
	end();
	begin(&deps);
	w.counted = 2;
	start_cold();
	w.counted = 3;
	run();
	assert_string_equal(value_of(APPL, CONFIG_DONE), "3");
}

/* --- emptied databases --- */

static void after_flushall_no_marker_is_promised_until_config_db_is_back(void **state)
{
	struct log_catcher *log = *state;

	start_cold();
	flush(APPL);
	flush(CONFIG);
	for (unsigned i = 0; i < 3; i++) {
		check();
		run();
		nothing_is_promised();
		assert_null(value_of(APPL, CONFIG_DONE));
	}
	assert_int_equal(catcher_count(log, "CONFIG_DB has lost its PORT rows"), 1);
	fill_config();
	check();
	run();
	all_is_in();
	assert_int_equal(w.init_done, 2);
}

/* A port that an earlier process had initialised is not waited for, but its link is once APPL_DB was emptied. */
static void after_appl_db_was_emptied_all_links_are_awaited(void **state)
{
	(void)state;
	put(APPL, "PORT_TABLE:Ethernet0", "admin_status", "up");
	put(APPL, "PORT_TABLE:Ethernet4", "admin_status", "up");
	startup_links_known(w.startup);
	connect_all();
	run();
	assert_true(startup_init_done(w.startup));
	flush(APPL);
	check();
	run();
	assert_true(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
	links_come();
	run();
	all_is_in();
}

/* Both databases from a backup, markers included: still all is pushed, and the markers are there. */
static void markers_that_others_put_back_do_not_stop_it(void **state)
{
	(void)state;
	start_cold();
	flush(APPL);
	flush(CONFIG);
	check();
	run();
	put(APPL, CONFIG_DONE, "count", "9");
	fill_config();
	check();
	run();
	all_is_in();
}

static void a_lone_init_done_is_sent_again(void **state)
{
	struct log_catcher *log = *state;

	start_cold();
	drop(APPL, INIT_DONE);
	check();
	assert_true(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
	run();
	all_is_in();
	assert_int_equal(catcher_count(log, "PortInitDone is gone"), 1);
}

static void a_check_that_finds_all_changes_nothing(void **state)
{
	(void)state;
	start_cold();
	w.commands = 0;
	check();
	run();
	all_is_in();
	assert_int_equal(w.init_done, 1);
	assert_int_equal(w.commands, 3); /* both markers, and the count of warm starts */
}

static void a_check_without_capacity_is_owed(void **state)
{
	(void)state;
	start_cold();
	flush(APPL);
	w.capacity = 0;
	assert_false(startup_check(w.startup));
	startup_turn(w.startup);
	assert_int_equal(w.queued, 0);
	w.capacity = 32;
	run();
	all_is_in();
	assert_int_equal(w.checked, 1);
}

/* CONFIG_DB's connection goes while APPL_DB is asked: it must not wait for that for ever. */
static void emptied_while_config_db_is_away(void **state)
{
	(void)state;
	start_cold();
	flush(APPL);
	assert_true(startup_check(w.startup));
	lose(CONFIG);
	run();
	nothing_is_promised();
	connect_to(CONFIG);
	run();
	all_is_in();
}

static void nothing_is_checked_before_there_is_a_marker(void **state)
{
	(void)state;
	assert_false(startup_check(w.startup));
	startup_links_known(w.startup);
	connect_all();
	while (!startup_config_done(w.startup)) {
		assert_false(startup_check(w.startup));
		assert_true(step());
	}
	check();
}

/* --- in every state --- */

/* Which command of a start it strikes before; false when the start has fewer. */
static bool walk_to(unsigned at)
{
	end();
	begin(NULL);
	startup_links_known(w.startup);
	connect_all();
	for (unsigned i = 0; i < at; i++) {
		if (!step())
			return false;
		if (awaits_links() && w.queued == 0)
			links_come();
	}
	return true;
}

static void finish(void)
{
	run_until(awaits_links);
	links_come();
	run_until(is_done);
	check();
	run_until(awaits_links);
	links_come();
	run_until(is_done);
	all_is_in();
}

static void a_connection_may_go_at_any_time(void **state)
{
	unsigned at = 0;

	(void)state;
	for (unsigned database = 0; database < DATABASES; database++) {
		for (at = 0; walk_to(at); at++) {
			lose(database);
			run();
			connect_to(database);
			finish();
		}
		assert_true(at > 10);
	}
}

static void all_connections_may_go_at_any_time(void **state)
{
	(void)state;
	for (unsigned at = 0; walk_to(at); at++) {
		bool done = is_done();

		for (unsigned i = 0; i < DATABASES; i++)
			lose(i);
		assert_int_equal(is_done(), done); /* what was accepted stays so */
		assert_int_equal(w.queued, 0);
		run();
		connect_all();
		finish();
	}
}

static void appl_db_may_be_emptied_at_any_time(void **state)
{
	(void)state;
	for (unsigned at = 0; walk_to(at); at++) {
		flush(APPL);
		finish();
	}
}

static void capacity_may_end_at_any_time(void **state)
{
	(void)state;
	for (unsigned at = 0; walk_to(at); at++) {
		w.capacity = 0;
		run();
		w.capacity = 32;
		finish();
	}
}

static void any_command_may_be_refused(void **state)
{
	static const char *const words[] = {
		"DEVICE_METADATA|localhost",
		"WARM_RESTART_ENABLE_TABLE|system",
		"WARM_RESTART_TABLE|portsyncd",
		"PORT|*",
		"PORT|Ethernet0",
		"PORT_TABLE:Ethernet0",
		"_PORT_TABLE:Ethernet4",
		"_" CONFIG_DONE,
		"_" INIT_DONE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		(void)walk_to(0);
		w.refused = words[i];
		finish();
		assert_int_equal(w.refusals, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_state_waits_for_what_it_needs),
		TEST(no_ports_are_a_valid_configuration),
		TEST(a_fabric_switch_is_refused),
		TEST(a_warm_start_pushes_no_row_and_mends_the_count_first),
		TEST(a_wrong_count_is_mended_before_init_done),
		TEST(a_refused_count_holds_nothing_up_and_is_mended_by_a_check),
		TEST(the_count_is_followed_where_that_is_asked_for),
		TEST(after_flushall_no_marker_is_promised_until_config_db_is_back),
		TEST(after_appl_db_was_emptied_all_links_are_awaited),
		TEST(markers_that_others_put_back_do_not_stop_it),
		TEST(a_lone_init_done_is_sent_again),
		TEST(a_check_that_finds_all_changes_nothing),
		TEST(a_check_without_capacity_is_owed),
		TEST(emptied_while_config_db_is_away),
		TEST(nothing_is_checked_before_there_is_a_marker),
		TEST(a_connection_may_go_at_any_time),
		TEST(all_connections_may_go_at_any_time),
		TEST(appl_db_may_be_emptied_at_any_time),
		TEST(capacity_may_end_at_any_time),
		TEST(any_command_may_be_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
