/* SPDX-License-Identifier: Apache-2.0 */
#include "startup_world.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_catcher.h"

struct world w;

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

void put(unsigned database, const char *name, const char *field, const char *value)
{
	struct key *key = find(database, name);

	if (!key)
		key = find(database, "");
	assert_non_null(key);
	(void)snprintf(key->name, sizeof(key->name), "%s", name[0] == '_' ? name + 1 : name);
	(void)snprintf(key->field, sizeof(key->field), "%s", field);
	(void)snprintf(key->value, sizeof(key->value), "%s", value);
}

void flush(unsigned database)
{
	memset(w.keys[database], 0, sizeof(w.keys[database]));
}

void drop(unsigned database, const char *name)
{
	struct key *key = find(database, name);

	if (key)
		memset(key, 0, sizeof(*key));
}

const char *value_of(unsigned database, const char *name)
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
	if (!w.unheard)
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

static bool has_word(const struct command *cmd, const char *word)
{
	for (size_t i = 0; word && i < cmd->argc; i++)
		if (strcmp(cmd->argv[i], word) == 0)
			return true;
	return false;
}

static void refuse(const struct command *cmd, const char *why)
{
	w.refusals++;
	reply(cmd, (struct resp_value){.type = RESP_ERROR, .str = why, .len = strlen(why)});
}

static void answer(const struct command *cmd)
{
	const char *verb = cmd->argv[0];

	if (has_word(cmd, w.refused)) {
		w.refused = NULL;
		refuse(cmd, "OOM no");
	} else if (has_word(cmd, w.forbidden)) {
		refuse(cmd, "NOPERM no");
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
	} else if (strcmp(verb, "EVAL") == 0 && strcmp(cmd->argv[2], "1") == 0) {
		bool there = find(cmd->database, cmd->argv[3]) != NULL;

		if (there)
			put(cmd->database, cmd->argv[3], "count", cmd->argv[4]);
		reply(cmd, integer(there ? 0 : -1));
	} else if (strcmp(verb, "EVALSHA") == 0 || strcmp(verb, "EVAL") == 0) {
		put(cmd->database, cmd->argv[5], cmd->argv[8], cmd->argv[9]);
		reply(cmd, integer(1));
	} else {
		assert_string_equal(verb, "SCRIPT");
		reply(cmd, text("0123456789012345678901234567890123456789"));
	}
	w.commands++;
}

static void answer_queued(size_t at)
{
	struct command cmd = w.queue[at];

	memmove(w.queue + at, w.queue + at + 1, (--w.queued - at) * sizeof(*w.queue));
	answer(&cmd);
	startup_turn(w.startup);
}

bool step(void)
{
	if (w.queued == 0) {
		startup_turn(w.startup);
		if (w.queued == 0)
			return false;
	}
	answer_queued(0);
	return true;
}

bool step_of(unsigned database)
{
	for (size_t i = 0; i < w.queued; i++) {
		if (w.queue[i].database == database) {
			answer_queued(i);
			return true;
		}
	}
	return false;
}

void run(void)
{
	for (unsigned i = 0; step(); i++)
		assert_true(i < STEPS_MAX);
}

void run_until(bool (*condition)(void))
{
	uint64_t deadline = now_usec() + 30 * USEC_PER_SEC;

	for (run(); !condition(); run()) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(w.event, 10 * USEC_PER_MSEC) >= 0);
	}
}

void lose_after(unsigned database, unsigned carried_out)
{
	w.unheard = true;
	for (size_t i = 0; i < w.queued && carried_out > 0; i++) {
		if (w.queue[i].database != database)
			continue;
		answer(&w.queue[i]);
		carried_out--;
	}
	w.unheard = false;
	lose(database);
}

void lose(unsigned database)
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

void connect_to(unsigned database)
{
	w.connected[database] = true;
	if (database != STATE)
		startup_ready(w.startup);
	startup_turn(w.startup);
}

void connect_all(void)
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

void links_come(void)
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

void fill_config(void)
{
	put(CONFIG, "PORT|Ethernet0", "lanes", "1");
	put(CONFIG, "PORT|Ethernet4", "lanes", "2");
}

void enable_warm(const char *count)
{
	put(STATE, "WARM_RESTART_ENABLE_TABLE|swss", "enable", "true");
	put(STATE, "WARM_RESTART_TABLE|portsyncd", "restore_count", "3");
	put(APPL, "PORT_TABLE:Ethernet0", "lanes", "1");
	put(APPL, "PORT_TABLE:Ethernet4", "lanes", "2");
	put(APPL, CONFIG_DONE, "count", count);
	put(APPL, INIT_DONE, "lanes", "0");
	w.counted = 2;
}

void check(void)
{
	unsigned before = w.checked;

	assert_true(startup_check(w.startup));
	for (unsigned i = 0; w.checked == before; i++) {
		assert_true(i < STEPS_MAX);
		assert_true(step());
	}
}

bool is_done(void)
{
	return startup_init_done(w.startup);
}

bool awaits_links(void)
{
	return startup_config_done(w.startup);
}

void nothing_is_promised(void)
{
	assert_false(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
}

void all_is_in(void)
{
	assert_string_equal(value_of(APPL, CONFIG_DONE), "2");
	assert_string_equal(value_of(APPL, INIT_DONE), "0");
	assert_string_equal(value_of(APPL, "PORT_TABLE:Ethernet0"), "1");
	assert_string_equal(value_of(APPL, "PORT_TABLE:Ethernet4"), "2");
	assert_true(startup_config_done(w.startup));
	assert_true(startup_init_done(w.startup));
	assert_int_equal(w.decided, 1);
}

void begin(const struct startup_deps *more)
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

void end(void)
{
	startup_free(w.startup);
	producer_free(w.producer);
	links_free(w.links);
	sd_event_unref(w.event);
}

int world_setup(void **state)
{
	struct log_catcher *log = calloc(1, sizeof(*log));

	assert_non_null(log);
	catcher_start(log, LOG_NOTICE);
	begin(NULL);
	*state = log;
	return 0;
}

int world_teardown(void **state)
{
	end();
	catcher_stop(*state);
	free(*state);
	return 0;
}

void start_cold(void)
{
	startup_links_known(w.startup);
	connect_all();
	run();
	links_come();
	run();
	all_is_in();
}
