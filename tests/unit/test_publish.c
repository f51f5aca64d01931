/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/publish.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include "conn_fixture.h"

#define BATCH_ROWS 2
#define UP (IFF_UP | IFF_RUNNING)
#define ROW_KEY "PORT_TABLE|Ethernet0"
#define SCAN "SCAN 0 MATCH PORT_TABLE|* COUNT 512"
#define HMGET "HMGET " ROW_KEY " state netdev_oper_status admin_status mtu"
#define FULL(mtu) "HSET " ROW_KEY " state ok netdev_oper_status up admin_status up mtu " mtu
#define NO_KEYS "*2\r\n$1\r\n0\r\n*0\r\n"
#define ONE_KEY "*2\r\n$1\r\n0\r\n*1\r\n$20\r\n" ROW_KEY "\r\n"
#define HOLDS(mtu) "*4\r\n$2\r\nok\r\n$2\r\nup\r\n$2\r\nup\r\n$4\r\n" mtu "\r\n"
#define HOLDS_NOTHING "*4\r\n" NIL NIL NIL NIL
#define TAKEN ":0\r\n"

struct own {
	struct links *links;
	struct publish *publish;
	struct changes *changes;
	uint64_t change;      /* the next one of them */
	unsigned int unknown; /* notifications of a port without a row in APPL_DB */
};

static void on_unknown(struct port *port, void *user)
{
	(void)port;
	((struct own *)user)->unknown++;
}

static int setup_with(void **state, bool events, uint64_t reply_usec)
{
	struct fixture *x = fixture_new("STATE_DB", LOG_NOTICE, sizeof(struct own));
	struct publish_options options = {.separator = "|", .batch_size = BATCH_ROWS, .events = events, .database = 6};

	x->own->changes = options.changes = changes_new(16);
	x->opt.reply_usec = reply_usec;
	connect_now(x);
	x->own->links = links_new(4);
	assert_non_null(x->own->links);
	assert_int_equal(publish_new(&x->own->publish, x->event, x->own->links, x->conn, &options, on_unknown, x->own),
			 0);
	publish_enable(x->own->publish, true);
	*state = x;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false, 0);
}

static int setup_events(void **state)
{
	return setup_with(state, true, 0);
}

/* Answers that nobody waits for are left alone for an hour. */
static int setup_patient(void **state)
{
	return setup_with(state, false, 3600 * USEC_PER_SEC);
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	publish_free(x->own->publish);
	links_free(x->own->links);
	changes_free(x->own->changes);
	fixture_free(x);
	return 0;
}

/* ---- the kernel and APPL_DB ---- */

static void link_was(struct fixture *x, uint16_t type, uint32_t mtu, uint64_t received_nsec)
{
	struct link_msg msg = {.type = type, .ifindex = 7, .flags = UP, .mtu = mtu, .name = "Ethernet0"};

	links_event(x->own->links, &msg, received_nsec);
}

static void link_is(struct fixture *x, uint16_t type, uint32_t mtu)
{
	link_was(x, type, mtu, 0);
}

static void flags_are(struct fixture *x, uint32_t flags)
{
	struct link_msg msg = {.type = RTM_NEWLINK, .ifindex = 7, .flags = flags, .mtu = 9100, .name = "Ethernet0"};

	links_event(x->own->links, &msg, 0);
}

static void master_is(struct fixture *x, uint32_t master)
{
	struct link_msg msg = {
		.type = RTM_NEWLINK, .ifindex = 7, .flags = UP, .mtu = 9100, .master = master, .name = "Ethernet0"};

	links_event(x->own->links, &msg, 0);
}

static void configured_link(struct fixture *x, uint32_t mtu)
{
	links_set_configured(x->own->links, links_get(x->own->links, "Ethernet0"), true);
	link_is(x, RTM_NEWLINK, mtu);
}

/* ---- Redis ---- */

static void append(struct resp_buffer *out, char *words)
{
	struct resp_arg argv[16];
	size_t argc = 0;
	char *word;

	while ((word = strsep(&words, " ")) != NULL)
		argv[argc++] = RESP_STR(word);
	assert_int_equal(resp_append(out, argc, argv), 0);
}

/* Commands that come at once: words parted by spaces, commands by ';'. */
static void expect(struct fixture *x, const char *commands)
{
	char copy[256], *rest = copy, *command;
	struct resp_buffer out;

	(void)snprintf(copy, sizeof(copy), "%s", commands);
	assert_int_equal(resp_buffer_init(&out, 1024, 4096), 0);
	while ((command = strsep(&rest, ";")) != NULL)
		append(&out, command);
	out.data[out.len] = '\0';
	fake_expect(&x->server, out.data);
	resp_buffer_done(&out);
}

static void turn(struct fixture *x)
{
	publish_flush(x->own->publish);
	conn_flush(x->conn);
}

/* Redis answers, and what follows from that is sent. */
static void answer(struct fixture *x, const char *reply)
{
	size_t before = conn_in_flight(x->conn);

	fake_send(&x->server, reply);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) != before || publish_stats(x->own->publish)->reconciliations > 0);
	while (sd_event_run(x->event, 0) > 0)
		continue;
	turn(x);
}

/* Reads back a database that holds this row, or none (NULL). */
static void read_back(struct fixture *x, const char *row)
{
	uint64_t before = publish_stats(x->own->publish)->reconciliations;

	expect(x, SCAN);
	fake_send(&x->server, row ? ONE_KEY : NO_KEYS);
	if (row || links_next(x->own->links, NULL)) {
		expect(x, HMGET);
		fake_send(&x->server, row ? row : HOLDS_NOTHING);
	}
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations > before);
	turn(x);
}

static void start(struct fixture *x, const char *row)
{
	publish_ready(x->own->publish);
	conn_flush(x->conn);
	read_back(x, row);
}

/* A port that was up, with this MTU, before us: its row is right, and one event is owed. */
static void start_with_port(struct fixture *x, uint32_t mtu)
{
	configured_link(x, mtu);
	start(x, mtu == 9100 ? HOLDS("9100") : HOLDS("1500"));
	expect(x, mtu == 9100 ? FULL("9100") : FULL("1500"));
	answer(x, TAKEN);
	expect_silence(x);
}

/* Oper, admin and MTU, "-" for what is not there. */
static void row_text(struct row_packed packed, char out[64])
{
	const struct row row = row_unpack(packed);
	char mtu[ROW_TEXT_MAX];

	(void)snprintf(out, 64, "%s/%s/%s",
		       row.value[ROW_OPER] < 0 ? "-"
		       : row.value[ROW_OPER]   ? "up"
					       : "down",
		       row.value[ROW_ADMIN] < 0 ? "-"
		       : row.value[ROW_ADMIN]   ? "up"
						: "down",
		       row.value[ROW_MTU] < 0 ? "-" : row_format(ROW_MTU, row.value[ROW_MTU], mtu));
}

#define NO_ROW "-/-/-"

/* The next change that Redis acknowledged, of these fields. */
static struct change expect_change(struct fixture *x, const char *before, const char *after, unsigned fields)
{
	struct change change = {0};
	uint64_t lost = 0;
	char text[64];

	assert_int_equal(changes_read(x->own->changes, &x->own->change, &change, 1, &lost), 1);
	assert_string_equal(change.port, "Ethernet0");
	assert_int_equal(change.kind, strcmp(after, NO_ROW) == 0 ? CHANGE_DELETED : CHANGE_SET);
	row_text(change.before, text);
	assert_string_equal(text, before);
	row_text(change.after, text);
	assert_string_equal(text, after);
	assert_int_equal(change.fields, fields);
	assert_true(change.number > 0 && change.number <= publish_last_event(x->own->publish));
	return change;
}

static void expect_no_change(struct fixture *x)
{
	assert_int_equal(x->own->change, changes_end(x->own->changes));
}

static void audit(struct fixture *x)
{
	publish_reconcile(x->own->publish);
	conn_flush(x->conn);
}

/* ---- tests ---- */

static void messages_that_change_nothing_write_nothing(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	for (int i = 0; i < 3; i++)
		link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* What changed while we did not look cannot be excluded: one event, however right the row is. */
static void a_link_that_is_new_to_us_has_one_event(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("9100"));
	assert_int_equal(publish_owed(x->own->publish), 1);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
	assert_int_equal(publish_stats(x->own->publish)->repeats, 1);
	expect_no_change(x);
}

static void only_the_difference_is_written(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->repeats, 1); /* the start's */
	assert_int_equal(expect_change(x, "up/up/9100", "up/up/1500", ROW_BIT(ROW_MTU)).number, 2);
	expect_no_change(x);
}

/* intfmgrd has to put back what the kernel took away in between. */
static void what_changed_and_came_back_is_written_again(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1400);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	flags_are(x, 0);
	flags_are(x, UP);
	turn(x);
	answer(x, TAKEN);
	expect(x, "HSET " ROW_KEY " netdev_oper_status up admin_status up");
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", "up/up/9100", ROW_BIT(ROW_MTU));
	(void)expect_change(x, "up/up/9100", "up/up/9100", ROW_BIT(ROW_OPER) | ROW_BIT(ROW_ADMIN));
	expect_no_change(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* teammgrd enslaves a released member again when it hears of it. */
static void a_new_master_is_told_by_the_state(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	for (uint32_t master = 2; master-- > 0;) {
		master_is(x, master);
		turn(x);
		expect(x, "HSET " ROW_KEY " state ok");
		answer(x, TAKEN);
		expect_silence(x);
	}
}

/* An event is logged when Redis has acknowledged it, not when it is sent. */
static void an_event_stays_owed_until_it_is_acknowledged(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1400);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	answer(x, OOM);
	assert_int_equal(publish_owed(x->own->publish), 1);
	audit(x);
	read_back(x, HOLDS("9100")); /* the row is right, the event is missing */
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	assert_int_equal(publish_owed(x->own->publish), 1);
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

static void after_a_gap_each_port_has_one_event(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	links_doubt(x->own->links);
	links_doubt(x->own->links);
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	expect_silence(x);
}

static void nothing_is_written_before_it_is_enabled_or_while_held(void **state)
{
	struct fixture *x = *state;

	publish_enable(x->own->publish, false);
	configured_link(x, 9100);
	start(x, NULL);
	expect_silence(x);
	publish_enable(x->own->publish, true);
	publish_hold(x->own->publish, true);
	turn(x);
	expect_silence(x);
	publish_hold(x->own->publish, false);
	turn(x);
	expect(x, FULL("9100"));
}

/* What changes while a write is under way becomes one difference. */
static void changes_under_way_are_one_write(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, NULL);
	expect(x, FULL("9100"));
	for (uint32_t mtu = 2000; mtu < 2100; mtu++) {
		link_is(x, RTM_NEWLINK, mtu);
		turn(x);
	}
	assert_int_equal(publish_owed(x->own->publish), 1);
	answer(x, TAKEN);
	expect(x, "HSET " ROW_KEY " mtu 2099");
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, NO_ROW, "up/up/9100", ROW_ALL);
	(void)expect_change(x, "up/up/9100", "up/up/2099", ROW_BIT(ROW_MTU));
	assert_int_equal(publish_stats(x->own->publish)->sets, 2);
}

static void drift_is_repaired_and_counted(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	audit(x);
	read_back(x, HOLDS("1500"));
	expect(x, "HSET " ROW_KEY " mtu 9100");
	assert_int_equal(publish_stats(x->own->publish)->drift, 1);
	assert_int_equal(publish_stats(x->own->publish)->repaired, 0);
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->repaired, 1);
	(void)expect_change(x, "up/up/1500", "up/up/9100", ROW_BIT(ROW_MTU));
	audit(x);
	read_back(x, HOLDS("9100"));
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->drift, 1);
	assert_int_equal(publish_stats(x->own->publish)->repaired, 1);
}

/* The audit's question was on its way when the row was changed by us: its answer is older than what we know. */
static void a_read_that_crossed_a_write_is_not_believed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	audit(x);
	expect(x, SCAN);
	fake_send(&x->server, ONE_KEY);
	expect(x, HMGET);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, HOLDS("9100"));
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->drift, 0);
}

static void a_refused_write_is_done_again_in_full(void **state)
{
	unsigned int refusals = 0, recoveries = 0;
	struct fixture *x = *state;

	start_with_port(x, 1500);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	answer(x, OOM);
	expect_silence(x);
	for (int i = 0; i < 2; i++) {
		RUN_UNTIL(x->event, links_any_dirty(x->own->links));
		turn(x);
		expect(x, FULL("9100"));
		answer(x, i == 0 ? OOM : TAKEN);
	}
	expect_silence(x);
	while (catcher_next(&x->log)) {
		refusals += strstr(x->log.line, ROW_KEY ": Redis refused the write") != NULL;
		recoveries += strstr(x->log.line, ROW_KEY ": written again after refusals") != NULL;
	}
	assert_int_equal(refusals, 1);
	assert_int_equal(recoveries, 1);
	assert_int_equal(publish_owed(x->own->publish), 0);
	(void)expect_change(x, "up/up/1500", "up/up/9100", ROW_BIT(ROW_MTU));
	expect_no_change(x);
}

/* The row was read between the write and its refusal: it says what it was, and the whole row is written again. */
static void a_read_behind_a_refused_write_is_not_believed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	audit(x);
	expect(x, SCAN);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	fake_send(&x->server, ONE_KEY);
	expect(x, HMGET);
	fake_send(&x->server, OOM);
	fake_send(&x->server, HOLDS("9100"));
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations == 2);
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, FULL("1500"));
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", "up/up/1500", ROW_BIT(ROW_MTU));
}

/* The next refusal is a new one. */
static void the_back_off_of_a_row_ends_with_success(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 1500);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	answer(x, OOM);
	assert_int_not_equal(links_find(x->own->links, "Ethernet0")->row.retry_ms, 0);
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	assert_int_equal(links_find(x->own->links, "Ethernet0")->row.retry_ms, 0);
}

/* Else how long Redis takes would be how long we leave its answers alone. */
static void the_answer_to_a_timed_batch_is_read_at_once(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("9100"));
	expect(x, FULL("9100"));
	fake_send(&x->server, TAKEN);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
}

static void a_refused_scan_is_no_reading(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	publish_ready(x->own->publish);
	conn_flush(x->conn);
	expect(x, SCAN);
	fake_send(&x->server, "-LOADING Redis is loading the dataset in memory\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 1); /* it is tried again */
	conn_flush(x->conn);
	expect(x, SCAN);
	assert_int_equal(publish_stats(x->own->publish)->reconciliations, 0);
	turn(x);
	fake_send(&x->server, ONE_KEY);
	expect(x, HMGET);
	fake_send(&x->server, HOLDS("9100"));
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations == 1);
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
}

static void rows_of_no_port_are_not_read(void **state)
{
	struct fixture *x = *state;

	publish_ready(x->own->publish);
	conn_flush(x->conn);
	expect(x, SCAN);
	fake_send(&x->server, "*2\r\n$1\r\n0\r\n*2\r\n$15\r\nPORT_TABLE|eth0\r\n$11\r\nPORT_TABLE|\r\n");
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations == 1);
	expect_silence(x);
}

static void what_is_no_hash_is_replaced(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, WRONGTYPE);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	answer(x, ":1\r\n" TAKEN);
	expect_silence(x);
	(void)expect_change(x, NO_ROW, "up/up/9100", ROW_ALL);
	expect_no_change(x);
}

/* S16: consumers wait for the DEL. */
static void a_link_made_again_owes_the_delete(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	answer(x, ":1\r\n" TAKEN);
	expect_silence(x);
	assert_int_equal(expect_change(x, "up/up/9100", NO_ROW, ROW_ALL).number, 2);
	assert_int_equal(expect_change(x, NO_ROW, "up/up/9100", ROW_ALL).number, 3);
	expect_no_change(x);
}

/* What the history has of it is the row that was there, not the one that Redis would not have. */
static void a_refused_write_and_then_no_link(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, OOM);
	link_is(x, RTM_DELLINK, 1500);
	turn(x); /* too early */
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	(void)expect_change(x, "up/up/9100", NO_ROW, ROW_ALL);
	link_is(x, RTM_NEWLINK, 1400);
	turn(x);
	expect(x, FULL("1400"));
	answer(x, TAKEN);
	(void)expect_change(x, NO_ROW, "up/up/1400", ROW_ALL);
	link_is(x, RTM_DELLINK, 1400);
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	(void)expect_change(x, "up/up/1400", NO_ROW, ROW_ALL);
	expect_no_change(x);
}

static void a_refused_delete_stays_owed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, OOM);
	assert_int_equal(publish_owed(x->own->publish), 1);
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", NO_ROW, ROW_ALL);
	expect_no_change(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* M8 */
/* S16: Redis went before it had read the DEL, or after; nobody knows. */
static void a_delete_of_unknown_outcome_stays_owed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	reconnect(x);
	publish_lost(x->own->publish);
	publish_ready(x->own->publish);
	turn(x);
	read_back(x, HOLDS("9100"));
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	answer(x, ":1\r\n:4\r\n");
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", NO_ROW, ROW_ALL);
	(void)expect_change(x, NO_ROW, "up/up/9100", ROW_ALL);
	expect_no_change(x);
}

static void a_row_of_an_earlier_run_is_deleted(void **state)
{
	struct fixture *x = *state;

	start(x, HOLDS("9100"));
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->orphans, 1);
}

/* R15, S15: what does not hold netdev_oper_status is somebody else's. */
static void a_row_of_others_is_left_alone(void **state)
{
	struct fixture *x = *state;

	start(x, "*4\r\n$2\r\nok\r\n" NIL NIL NIL);
	expect_silence(x);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	assert_int_equal(x->own->unknown, 1);
	link_is(x, RTM_DELLINK, 9100);
	turn(x);
	expect_silence(x);
}

static void after_a_loss_the_row_is_read_and_written_once(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconnect(x);
	publish_lost(x->own->publish);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect_silence(x);
	start(x, HOLDS("9100"));
	expect(x, FULL("1500"));
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", "up/up/1500", ROW_BIT(ROW_MTU));
	expect_no_change(x);
}

/* An emptied database, or one that forgot our last writes, is not somebody's doing. */
static void what_a_loss_took_is_no_drift(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconnect(x);
	publish_lost(x->own->publish);
	start(x, HOLDS("1500"));
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	assert_int_equal(publish_stats(x->own->publish)->drift, 0);
}

/* Two changes, one write: the older one counts. */
static void latency_is_from_receipt_to_answer(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);
	uint64_t received = now_nsec() - 40 * NSEC_PER_MSEC, took;

	start_with_port(x, 9100);
	assert_int_equal(latency->count, 0);
	link_was(x, RTM_NEWLINK, 1500, received);
	link_was(x, RTM_NEWLINK, 1501, now_nsec());
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1501");
	assert_int_equal(latency->count, 0);
	answer(x, TAKEN);
	assert_int_equal(latency->count, 1);
	assert_true(latency->max >= 40 * NSEC_PER_MSEC && latency->max <= now_nsec() - received);
	took = expect_change(x, "up/up/9100", "up/up/1501", ROW_BIT(ROW_MTU)).latency_usec;
	assert_true(took >= 40 * USEC_PER_MSEC && took <= (now_nsec() - received) / NSEC_PER_USEC + 1);
	/* Nor is the time before the last write counted twice. */
	received = now_nsec();
	link_was(x, RTM_NEWLINK, 1502, received);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1502");
	answer(x, TAKEN);
	assert_int_equal(latency->count, 2);
	assert_true(hist_quantile(latency, 0.5) <= now_nsec() - received);
}

static void what_was_never_owed_is_not_late(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);
	uint64_t long_ago = now_nsec() - 3600 * NSEC_PER_SEC;

	/* No port yet: APPL_DB does not know it. */
	link_was(x, RTM_NEWLINK, 9100, long_ago);
	start(x, HOLDS("9100"));
	turn(x);
	configured_link(x, 9100);
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	/* Nor is a message that changes nothing. */
	link_was(x, RTM_NEWLINK, 9100, long_ago);
	turn(x);
	expect_silence(x);
	link_was(x, RTM_NEWLINK, 1501, now_nsec());
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1501");
	answer(x, TAKEN);
	assert_int_equal(latency->count, 1);
	assert_true(latency->max < 3600 * NSEC_PER_SEC);
}

static void only_what_is_acknowledged_is_timed(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);

	start_with_port(x, 9100);
	link_was(x, RTM_NEWLINK, 1500, now_nsec());
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, OOM);
	assert_int_equal(publish_stats(x->own->publish)->refused, 1);
	assert_int_equal(latency->count, 0);
}

/* A row that is deleted and written again is there when both are acknowledged. */
static void latency_ends_with_the_last_answer(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	link_was(x, RTM_NEWLINK, 9100, now_nsec());
	turn(x);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	fake_send(&x->server, TAKEN);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 1);
	assert_int_equal(latency->count, 0);
	fake_send(&x->server, TAKEN);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	assert_int_equal(latency->count, 1);
	assert_int_equal(expect_change(x, "up/up/9100", NO_ROW, ROW_ALL).latency_usec, 0);
	assert_true(expect_change(x, NO_ROW, "up/up/9100", ROW_ALL).latency_usec > 0);
}

static void a_large_batch_goes_out_in_parts(void **state)
{
	struct fixture *x = *state;
	uint64_t before;

	start(x, NULL);
	for (int i = 0; i < BATCH_ROWS * 2 + 1; i++) {
		struct link_msg msg = {.type = RTM_NEWLINK, .ifindex = i + 1, .flags = UP, .mtu = 9100};

		(void)snprintf(msg.name, sizeof(msg.name), "Ethernet%d", i);
		links_set_configured(x->own->links, links_get(x->own->links, msg.name), true);
		links_event(x->own->links, &msg, 0);
	}
	before = conn_stats(x->conn)->flushes;
	turn(x);
	assert_int_equal(conn_stats(x->conn)->flushes - before, 3);
	assert_int_equal(publish_stats(x->own->publish)->sets, BATCH_ROWS * 2 + 1);
	assert_int_equal(publish_stats(x->own->publish)->batches, 1);
	assert_int_equal(publish_batch_rows(x->own->publish)->count, 1);
	assert_int_equal(publish_batch_rows(x->own->publish)->max, BATCH_ROWS * 2 + 1);
}

#define EVENT(json) ";PUBLISH PORT_TABLE_CHANNEL@6 [" json "]"
#define NONE_HEARD ":0\r\n"

/* event_tables names the table: what was written is published behind it, in the same flush. */
static void each_write_is_published(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("1500"));
	expect(x, FULL("9100") EVENT("\"SET\",\"Ethernet0\",\"state\",\"ok\",\"netdev_oper_status\",\"up\","
				     "\"admin_status\",\"up\",\"mtu\",\"9100\""));
	answer(x, TAKEN NONE_HEARD);
	link_is(x, RTM_NEWLINK, 9000);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9000" EVENT("\"SET\",\"Ethernet0\",\"mtu\",\"9000\""));
	answer(x, TAKEN NONE_HEARD);
	link_is(x, RTM_DELLINK, 9000);
	turn(x);
	expect(x, "DEL " ROW_KEY EVENT("\"DEL\",\"Ethernet0\""));
	answer(x, TAKEN NONE_HEARD);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* It is no fault of the row; and one line an episode. */
static void refused_events_are_told_once(void **state)
{
	static const char *const answers[] = {"-NOPERM no channel\r\n", "-NOPERM no channel\r\n", NONE_HEARD,
					      NONE_HEARD};
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("9100"));
	RUN_UNTIL(x->event, x->server.len > 0);
	x->server.len = 0;
	answer(x, TAKEN NONE_HEARD);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		link_is(x, RTM_NEWLINK, i % 2 ? 9100 : 9000);
		turn(x);
		RUN_UNTIL(x->event, x->server.len > 0);
		x->server.len = 0;
		fake_send(&x->server, TAKEN);
		answer(x, answers[i]);
		RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
		assert_int_equal(publish_owed(x->own->publish), 0);
	}
	assert_int_equal(catcher_count(&x->log, "Redis refused an event"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_that_change_nothing_write_nothing),
		TEST(a_read_behind_a_refused_write_is_not_believed),
		TEST(the_back_off_of_a_row_ends_with_success),
		cmocka_unit_test_setup_teardown(the_answer_to_a_timed_batch_is_read_at_once, setup_patient, teardown),
		TEST(a_refused_scan_is_no_reading),
		TEST(rows_of_no_port_are_not_read),
		TEST(what_a_loss_took_is_no_drift),
		TEST(a_link_that_is_new_to_us_has_one_event),
		TEST(only_the_difference_is_written),
		TEST(what_changed_and_came_back_is_written_again),
		TEST(a_new_master_is_told_by_the_state),
		TEST(an_event_stays_owed_until_it_is_acknowledged),
		TEST(after_a_gap_each_port_has_one_event),
		TEST(nothing_is_written_before_it_is_enabled_or_while_held),
		TEST(changes_under_way_are_one_write),
		TEST(drift_is_repaired_and_counted),
		TEST(a_read_that_crossed_a_write_is_not_believed),
		TEST(a_refused_write_is_done_again_in_full),
		TEST(what_is_no_hash_is_replaced),
		TEST(a_link_made_again_owes_the_delete),
		TEST(a_refused_write_and_then_no_link),
		TEST(a_refused_delete_stays_owed),
		TEST(a_delete_of_unknown_outcome_stays_owed),
		TEST(a_row_of_an_earlier_run_is_deleted),
		TEST(a_row_of_others_is_left_alone),
		TEST(after_a_loss_the_row_is_read_and_written_once),
		TEST(latency_is_from_receipt_to_answer),
		TEST(what_was_never_owed_is_not_late),
		TEST(only_what_is_acknowledged_is_timed),
		TEST(latency_ends_with_the_last_answer),
		TEST(a_large_batch_goes_out_in_parts),
		cmocka_unit_test_setup_teardown(each_write_is_published, setup_events, teardown),
		cmocka_unit_test_setup_teardown(refused_events_are_told_once, setup_events, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
