/* SPDX-License-Identifier: Apache-2.0 */
#include "publish_fixture.h"

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

int publish_setup(void **state)
{
	return setup_with(state, false, 0);
}

int publish_setup_events(void **state)
{
	return setup_with(state, true, 0);
}

int publish_setup_patient(void **state)
{
	return setup_with(state, false, 3600 * USEC_PER_SEC);
}

int publish_teardown(void **state)
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

void link_was(struct fixture *x, uint16_t type, uint32_t mtu, uint64_t received_nsec)
{
	struct link_msg msg = {.type = type, .ifindex = 7, .flags = UP, .mtu = mtu, .name = "Ethernet0"};

	links_event(x->own->links, &msg, received_nsec);
}

void link_is(struct fixture *x, uint16_t type, uint32_t mtu)
{
	link_was(x, type, mtu, 0);
}

void flags_are(struct fixture *x, uint32_t flags)
{
	struct link_msg msg = {.type = RTM_NEWLINK, .ifindex = 7, .flags = flags, .mtu = 9100, .name = "Ethernet0"};

	links_event(x->own->links, &msg, 0);
}

void master_is(struct fixture *x, uint32_t master)
{
	struct link_msg msg = {
		.type = RTM_NEWLINK, .ifindex = 7, .flags = UP, .mtu = 9100, .master = master, .name = "Ethernet0"};

	links_event(x->own->links, &msg, 0);
}

void configured_link(struct fixture *x, uint32_t mtu)
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

void expect(struct fixture *x, const char *commands)
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

void turn(struct fixture *x)
{
	publish_flush(x->own->publish);
	conn_flush(x->conn);
}

void answer(struct fixture *x, const char *reply)
{
	size_t before = conn_in_flight(x->conn);

	fake_send(&x->server, reply);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) != before || publish_stats(x->own->publish)->reconciliations > 0);
	while (sd_event_run(x->event, 0) > 0)
		continue;
	turn(x);
}

void read_back(struct fixture *x, const char *row)
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

void start(struct fixture *x, const char *row)
{
	publish_ready(x->own->publish);
	conn_flush(x->conn);
	read_back(x, row);
}

void start_with_port(struct fixture *x, uint32_t mtu)
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

struct change expect_change(struct fixture *x, const char *before, const char *after, unsigned fields)
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

void expect_no_change(struct fixture *x)
{
	assert_int_equal(x->own->change, changes_end(x->own->changes));
}

void reconcile(struct fixture *x)
{
	publish_reconcile(x->own->publish);
	conn_flush(x->conn);
}
