/* SPDX-License-Identifier: Apache-2.0 */
/* What `portsyncctl top` shows: as much of each port as fits, and nothing that the pages do not say. */
#include "ctl/board.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define REVERSE "\033[7m"

struct fixture {
	struct ctl ctl;
	struct board *board;
	struct text picture;
};

static void begin(struct fixture *fx, int n, char **patterns)
{
	board_free(fx->board);
	fx->board = board_new(&fx->ctl, n, patterns);
	assert_non_null(fx->board);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	(void)setenv("LC_ALL", "C", 1);
	fx->ctl.legend = true;
	begin(fx, 0, NULL);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	board_free(fx->board);
	free(fx->picture.data);
	free(fx);
	return 0;
}

static json_t *parsed(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json)
		fail_msg("%s: %s", error.text, text);
	return json;
}

static void set_ports(struct fixture *fx, const char *text)
{
	json_t *page = parsed(text);

	assert_int_equal(board_set_ports(fx->board, page), 0);
	json_decref(page);
}

static void set_status(struct fixture *fx, const char *text)
{
	json_t *page = parsed(text);

	board_set_status(fx->board, page);
	json_decref(page);
}

static void change(struct fixture *fx, const char *text)
{
	json_t *line = parsed(text);

	board_change(fx->board, line);
	json_decref(line);
}

static const char *draw(struct fixture *fx, unsigned columns, unsigned lines)
{
	fx->picture.len = 0;
	board_draw(fx->board, &fx->picture, columns, lines);
	text_add(&fx->picture, "", 1);
	assert_false(fx->picture.failed);
	return fx->picture.data;
}

static void shows(struct fixture *fx, const char *text)
{
	if (!strstr(fx->picture.data, text))
		fail_msg("\"%s\" is not in:\n%s", text, fx->picture.data);
}

static void shows_not(struct fixture *fx, const char *text)
{
	if (strstr(fx->picture.data, text))
		fail_msg("\"%s\" is in:\n%s", text, fx->picture.data);
}

#define LINK(oper, admin) "{\"oper\": \"" oper "\", \"admin\": \"" admin "\", \"mtu\": 9100}"
#define PORT(name, link, in_sync)                                                                                      \
	"{\"name\": \"" name "\", \"configured\": true, \"in_sync\": " in_sync ", \"flaps\": 3, \"link\": " link       \
	", \"last_change\": \"2026-10-16T12:00:00Z\"}"
#define FOUR                                                                                                           \
	"{\"ports\": [" PORT("Ethernet12", "null", "false") ", " PORT(                                                 \
		"Ethernet0", LINK("up", "up"), "true") ", " PORT("Ethernet4", LINK("down", "up"),                      \
								 "false") ", " PORT("Ethernet8", LINK("down", "down"), \
										    "true") "]}"

/* --- the head and the cells --- */

static void each_state_has_its_sign(void **state)
{
	struct fixture *fx = *state;

	set_ports(fx, FOUR);
	set_status(fx, "{\"version\": \"1.2\", \"verdict\": \"degraded\", \"problems\": [1, 2]}");
	(void)draw(fx, 24, 0);
	shows(fx, " portsyncd 1.2: degraded, 2 problems: see portsyncctl status\n");
	shows(fx, " 4 ports: 1 up, 1 down, 1 admin down, 1 without interface; 1 not in sync\n");
	shows(fx, "\n Ethernet0  # 9100\n Ethernet4  o!9100\n Ethernet8  x 9100\n Ethernet12 .\n");
	shows(fx, "# up   o down   x admin down   . no interface   ! not in sync\n");
	assert_true(board_is_stale(fx->board)); /* to be looked at again: a row is on its way */
	fx->ctl.legend = false;
	(void)draw(fx, 24, 0);
	shows_not(fx, "admin down   .");
}

static void one_is_not_many(void **state)
{
	struct fixture *fx = *state;

	set_ports(fx, "{\"ports\": [" PORT("Ethernet0", LINK("up", "up"), "true") "]}");
	set_status(fx, "{\"version\": \"1.2\", \"verdict\": \"unhealthy\", \"problems\": [1]}");
	(void)draw(fx, 80, 0);
	shows(fx, "unhealthy, 1 problem: ");
	shows(fx, " 1 port: 1 up, 0 down");
	shows_not(fx, "not in sync\n\n");
	assert_false(board_is_stale(fx->board));
	set_status(fx, "{\"version\": \"1.2\", \"verdict\": \"healthy\", \"problems\": []}");
	(void)draw(fx, 80, 0);
	shows(fx, "healthy\n");
	shows_not(fx, "problem");
}

static void a_terminal_of_utf_8_has_other_signs(void **state)
{
	struct fixture *fx = *state;

	(void)setenv("LC_ALL", "de_DE.UTF-8", 1);
	begin(fx, 0, NULL);
	set_ports(fx, FOUR);
	(void)draw(fx, 80, 0);
	shows(fx, "\u25cf up   \u25cb down   \u00d7 admin down   \u00b7 no interface");
}

static void only_ports_that_fit_are_shown(void **state)
{
	struct fixture *fx = *state;
	char pattern[] = "Ethernet4";
	char *patterns[] = {pattern};

	begin(fx, 1, patterns);
	set_ports(fx, FOUR);
	change(fx, "{\"port\": \"Ethernet0\", \"after\": " LINK("down", "up") "}");
	(void)draw(fx, 80, 24);
	shows(fx, " 1 port: 0 up, 1 down");
	shows(fx, " 0 changes in ");
	shows_not(fx, "Ethernet0");
}

/* --- room --- */

static void set_many(struct fixture *fx, unsigned n)
{
	json_t *list = json_array(), *page = json_pack("{s:o}", "ports", list);

	for (unsigned i = 0; i < n; i++)
		(void)json_array_append_new(list,
					    json_pack("{s:o, s:b, s:b, s:{s:s, s:s, s:i}}", "name",
						      json_sprintf("Ethernet%u", i * 4), "configured", 1, "in_sync", 1,
						      "link", "oper", "up", "admin", "up", "mtu", 9100));
	assert_int_equal(board_set_ports(fx->board, page), 0);
	json_decref(page);
}

static size_t count(const char *text, char sign)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == sign;
	return n;
}

static void the_more_ports_the_less_of_each(void **state)
{
	struct fixture *fx = *state;

	fx->ctl.legend = false;
	set_many(fx, 16);
	(void)draw(fx, 80, 24);
	shows(fx, "Ethernet60 # 9100");
	set_many(fx, 60);
	(void)draw(fx, 80, 26);
	shows(fx, "Ethernet236 #");
	shows_not(fx, "9100");
	set_many(fx, 512);
	assert_int_equal(count(draw(fx, 80, 24), '#'), 512);
	shows_not(fx, "Ethernet4 ");
	/* However small it is, each has its sign. */
	assert_int_equal(count(draw(fx, 1, 1), '#'), 512);
}

/* --- what happens meanwhile --- */

#define WENT_DOWN                                                                                                      \
	"{\"at\": \"2026-10-16T12:00:00.123456Z\", \"port\": \"Ethernet0\", \"kind\": \"set\", \"before\": " LINK(     \
		"up", "up") ", \"after\": " LINK("down", "up") ", \"changed\": [\"oper\"], \"latency_usec\": 870}"

static void a_change_is_seen_at_once_and_fades(void **state)
{
	struct fixture *fx = *state;

	fx->ctl.color = true;
	set_ports(fx, "{\"ports\": [" PORT("Ethernet0", LINK("up", "up"), "true") "]}");
	assert_int_equal(board_fades_usec(fx->board), UINT64_MAX);
	fx->ctl.legend = false;
	(void)draw(fx, 80, 24);
	shows_not(fx, REVERSE);
	change(fx, WENT_DOWN);
	assert_true(board_is_stale(fx->board));
	assert_true(board_fades_usec(fx->board) < UINT64_MAX);
	(void)draw(fx, 80, 24);
	shows(fx, " 1 port: 0 up, 1 down");
	shows(fx, REVERSE "Ethernet0 o");
	shows(fx, " 1 changes in ");
	shows(fx, "the last took 870 us from the kernel to Redis");
	shows(fx, "oper up -> down");
	/* Of a port that the pages do not have yet there is the line only. */
	change(fx, "{\"port\": \"Ethernet100\", \"after\": null}");
	(void)draw(fx, 80, 24);
	shows(fx, " 2 changes in ");
	shows(fx, "Ethernet100");
	shows(fx, " 1 port: ");
	/* What was new stays so when the pages are read again. */
	set_ports(fx, "{\"ports\": [" PORT("Ethernet0", LINK("down", "up"), "true") "]}");
	assert_true(board_fades_usec(fx->board) < UINT64_MAX);
	assert_false(board_is_stale(fx->board));
}

static void the_newest_changes_are_below(void **state)
{
	struct fixture *fx = *state;
	const char *first, *last;

	set_ports(fx, FOUR);
	for (unsigned i = 0; i < 300; i++) {
		char line[128];

		(void)snprintf(line, sizeof(line), "{\"port\": \"Ethernet%u\", \"after\": null}", 1000 + i);
		change(fx, line);
	}
	(void)draw(fx, 80, 24);
	shows(fx, " 300 changes in ");
	first = strstr(fx->picture.data, "Ethernet1298");
	last = strstr(fx->picture.data, "Ethernet1299");
	assert_true(first && last && first < last);
	shows_not(fx, "Ethernet1000");
}

static void what_was_lost_is_reported(void **state)
{
	struct fixture *fx = *state;

	set_ports(fx, "{\"ports\": []}");
	assert_false(board_is_stale(fx->board));
	board_lost(fx->board, 3);
	board_lost(fx->board, 4);
	assert_true(board_is_stale(fx->board));
	(void)draw(fx, 80, 24);
	shows(fx, "7 lost: this terminal is too slow");
}

/* --- pages of another version, or of something else --- */

static void what_a_page_lacks_is_not_made_up(void **state)
{
	static const char *const pages[] = {"{}", "{\"ports\": null}", "{\"ports\": 7}", "{\"ports\": {}}", "[]"};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		set_ports(fx, pages[i]);
		set_status(fx, pages[i]);
		(void)draw(fx, 80, 24);
		shows(fx, " portsyncd ?: ?");
		shows(fx, " 0 ports: 0 up, 0 down, 0 admin down\n");
	}
	set_ports(fx, "{\"ports\": [{}, 7, null, {\"name\": 7, \"link\": \"up\", \"flaps\": \"many\"}, "
		      "{\"name\": \"Ether\\u001b[2Jnet\", \"link\": {\"oper\": 1, \"admin\": null, \"mtu\": []}}]}");
	(void)draw(fx, 80, 24);
	shows(fx, " 5 ports: 0 up, 0 down, 1 admin down, 4 without interface");
	shows_not(fx, "\033[2J");
	change(fx, "{\"port\": 7, \"after\": 8, \"latency_usec\": \"x\", \"at\": null}");
	(void)draw(fx, 80, 24);
	shows(fx, " 1 changes in ");
}

static void as_json(void **state)
{
	struct fixture *fx = *state;
	json_t *json;
	char *text;

	set_ports(fx, "{\"ports\": [" PORT("Ethernet0", LINK("up", "up"), "true") ", {\"name\": \"Ethernet4\"}]}");
	set_status(fx, "{\"version\": \"1.2\", \"verdict\": \"healthy\"}");
	json = board_json(fx->board);
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	assert_non_null(text);
	assert_string_equal(text, "{\"ports\":[{\"flaps\":3,\"in_sync\":true,\"last_change\":\"2026-10-16T12:00:00Z\","
				  "\"link\":{\"admin\":\"up\",\"mtu\":9100,\"oper\":\"up\"},\"name\":\"Ethernet0\"},"
				  "{\"flaps\":0,\"in_sync\":false,\"last_change\":null,\"link\":null,"
				  "\"name\":\"Ethernet4\"}],\"verdict\":\"healthy\",\"version\":\"1.2\"}");
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_state_has_its_sign),
		TEST(one_is_not_many),
		TEST(a_terminal_of_utf_8_has_other_signs),
		TEST(only_ports_that_fit_are_shown),
		TEST(the_more_ports_the_less_of_each),
		TEST(a_change_is_seen_at_once_and_fades),
		TEST(the_newest_changes_are_below),
		TEST(what_was_lost_is_reported),
		TEST(what_a_page_lacks_is_not_made_up),
		TEST(as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
