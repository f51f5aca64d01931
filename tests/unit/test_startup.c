/* SPDX-License-Identifier: Apache-2.0 */
/* What counts is what APPL_DB holds at the end, and that a marker that a check found to be gone is never reported. */
#include "sonic/startup.h"

#include <stdio.h>
#include <string.h>

#include "log_catcher.h"
#include "startup_world.h"

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
	/* It is repaired once: from now on it belongs to others. */
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

/* Its writing is the next that Redis does. */
static void run_to_the_count(void)
{
	while (strcmp(w.queued ? w.queue[w.queued - 1].argv[0] : "", "EVAL") != 0)
		assert_true(step());
}

/* Between the reading of the count and its writing: a PortConfigDone of ours alone would hide it. */
static void an_emptied_appl_db_gets_no_count_alone(void **state)
{
	(void)state;
	enable_warm("7");
	startup_links_known(w.startup);
	connect_all();
	run_to_the_count();
	flush(APPL);
	assert_true(step());
	assert_null(value_of(APPL, CONFIG_DONE));
	run();
	check();
	run();
	assert_non_null(value_of(APPL, "PORT_TABLE:Ethernet0"));
	links_come();
	run();
	all_is_in();
}

static void a_refused_count_holds_nothing_up_and_is_mended_by_a_check(void **state)
{
	(void)state;
	enable_warm("7");
	startup_links_known(w.startup);
	connect_all();
	run_to_the_count();
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

/* Redis was restarted. Whichever connection comes last, APPL_DB is asked, without waiting for a reconciliation. */
static void emptied_while_all_were_away(void **state)
{
	static const unsigned orders[][DATABASES] = {
		{CONFIG, APPL, STATE}, {APPL, STATE, CONFIG}, {STATE, CONFIG, APPL}};

	(void)state;
	start_cold();
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		for (unsigned database = 0; database < DATABASES; database++)
			lose(database);
		flush(APPL);
		w.scanned = false;
		for (unsigned j = 0; j < DATABASES; j++)
			connect_to(orders[i][j]);
		run();
		w.scanned = true;
		startup_turn(w.startup);
		run();
		all_is_in();
	}
}

/* A refusal's back-off ends while STATE_DB is away; the next that the start hears is that STATE_DB is back. */
static void a_retry_while_state_db_is_away_is_not_forgotten(void **state)
{
	(void)state;
	start_cold();
	flush(APPL);
	assert_true(startup_check(w.startup));
	lose(STATE);
	w.refused = "SCAN";
	run();
	assert_int_equal(w.refusals, 1);
	while (sd_event_run(w.event, 30 * USEC_PER_SEC) == 0)
		;
	connect_to(STATE);
	run_until(awaits_links);
	links_come();
	run_until(is_done);
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

/* --- whose rows APPL_DB has --- */

/* Redis carries out question and push, orchagent takes the row, and the connection goes before either answer is read.
 */
static void a_row_whose_push_nobody_heard_of_is_not_an_earlier_ones(void **state)
{
	(void)state;
	put(CONFIG, "PORT|Ethernet0", "admin_status", "up");
	put(CONFIG, "PORT|Ethernet4", "admin_status", "up");
	startup_links_known(w.startup);
	connect_all();
	while (w.queued == 0 || strcmp(w.queue[0].argv[0], "HGET") != 0 || w.queue[0].database != APPL)
		assert_true(step());
	while (step_of(CONFIG))
		;
	lose(APPL);
	put(APPL, "PORT_TABLE:Ethernet0", "admin_status", "up");
	put(APPL, "PORT_TABLE:Ethernet4", "admin_status", "up");
	connect_to(APPL);
	run();
	assert_true(startup_config_done(w.startup));
	assert_null(value_of(APPL, INIT_DONE));
	links_come();
	run();
	assert_true(startup_init_done(w.startup));
}

/* --- are the rows there that PortConfigDone announces? --- */

static void walk_to_the_question(void)
{
	startup_links_known(w.startup);
	connect_all();
	while (w.queued == 0 || strcmp(w.queue[0].argv[0], "EXISTS") != 0)
		assert_true(step());
}

/* A row that nobody could ask for is not there for that; and PortConfigDone is not sent a second time to ask again. */
static void a_refused_question_proves_no_rows(void **state)
{
	walk_to_the_question();
	drop(APPL, "PORT_TABLE:Ethernet0");
	drop(APPL, "PORT_TABLE:Ethernet4");
	put(APPL, CONFIG_DONE, "count", "as it was");
	w.refused = "EXISTS";
	run();
	nothing_is_promised();
	assert_string_equal(value_of(APPL, CONFIG_DONE), "as it was");
	assert_int_equal(catcher_count(*state, "does not say whether it still has the row, it is asked again: OOM"), 1);
	run_until(awaits_links);
	links_come();
	run();
	all_is_in();
}

static void the_question_is_asked_again_and_the_marker_stands(void **state)
{
	(void)state;
	walk_to_the_question();
	put(APPL, CONFIG_DONE, "count", "as it was");
	w.refused = "EXISTS";
	run_until(awaits_links);
	assert_string_equal(value_of(APPL, CONFIG_DONE), "as it was");
}

/* The connection may go while it is put off. */
static void all_is_pushed_again_after_a_lost_question(void **state)
{
	(void)state;
	walk_to_the_question();
	w.refused = "EXISTS";
	run();
	lose(APPL);
	flush(APPL);
	connect_to(APPL);
	run_until(awaits_links);
	links_come();
	run();
	all_is_in();
}

/* What is forbidden will not be allowed by waiting: PortInitDone is all that others wait for, and the links prove it.
 */
static void who_may_not_ask_goes_on_and_says_so(void **state)
{
	startup_links_known(w.startup);
	w.forbidden = "EXISTS";
	connect_all();
	run();
	assert_true(startup_config_done(w.startup));
	assert_false(startup_init_done(w.startup));
	assert_int_equal(catcher_count(*state, "PortInitDone does not wait for that: NOPERM"), 1);
	links_come();
	run();
	all_is_in();
}

/* --- a warm start after APPL_DB lost rows, and the process that pushed them was killed before it noticed --- */

static void lost_a_row(void)
{
	enable_warm("2");
	drop(APPL, "PORT_TABLE:Ethernet0");
	put(CONFIG, "PORT|Ethernet4", "lanes", "not pushed");
	startup_links_known(w.startup);
}

static void the_lost_row_is_back_alone(void)
{
	assert_true(startup_is_warm(w.startup));
	assert_string_equal(value_of(APPL, "PORT_TABLE:Ethernet0"), "1");
	assert_string_equal(value_of(APPL, "PORT_TABLE:Ethernet4"), "2");
	assert_int_equal(w.decided, 1);
}

static void a_warm_start_pushes_a_row_that_appl_db_lost(void **state)
{
	lost_a_row();
	connect_all();
	run();
	the_lost_row_is_back_alone();
	assert_int_equal(catcher_count(*state, "APPL_DB lacked 1 of 2 ports at this warm start, the first is "
					       "Ethernet0: they were pushed"),
			 1);
	links_come();
	run();
	all_is_in();
}

static void every_refusal_on_a_warm_start_is_tried_again(void **state)
{
	static const char *const commands[] = {"EXISTS", "HGETALL", "EVAL"};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (i > 0) {
			assert_int_equal(world_teardown(state), 0);
			assert_int_equal(world_setup(state), 0);
		}
		lost_a_row();
		w.refused = commands[i];
		connect_all();
		run_until(awaits_links);
		assert_int_equal(w.refusals, 1);
		the_lost_row_is_back_alone();
	}
}

/* Each command in turn is carried out, but neither it nor the rest is answered. */
static void a_warm_start_gets_over_a_lost_connection(void **state)
{
	for (unsigned steps = 0; steps < 16; steps++) {
		if (steps > 0) {
			assert_int_equal(world_teardown(state), 0);
			assert_int_equal(world_setup(state), 0);
		}
		lost_a_row();
		connect_all();
		for (unsigned i = 0; i < steps; i++)
			(void)step();
		lose_after(steps % 2 ? APPL : CONFIG, 1);
		connect_all();
		run();
		the_lost_row_is_back_alone();
	}
}

/* Like upstream, which never asks. */
static void a_warm_start_that_may_not_ask_trusts_appl_db(void **state)
{
	lost_a_row();
	w.forbidden = "EXISTS";
	connect_all();
	run();
	assert_true(startup_config_done(w.startup));
	assert_null(value_of(APPL, "PORT_TABLE:Ethernet0"));
	assert_int_equal(catcher_count(*state, "it is taken as there: NOPERM"), 2);
}

/* A row that the scan saw needs no question: a warm start is not the time for 512. */
static void a_warm_start_asks_for_no_row_that_is_known(void **state)
{
	(void)state;
	enable_warm("2");
	links_come();
	startup_links_known(w.startup);
	connect_all();
	w.forbidden = "PORT_TABLE:Ethernet4";
	run();
	assert_int_equal(w.refusals, 0);
	all_is_in();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_state_waits_for_what_it_needs),
		TEST(no_ports_are_a_valid_configuration),
		TEST(a_fabric_switch_is_refused),
		TEST(a_warm_start_pushes_no_row_and_mends_the_count_first),
		TEST(a_warm_start_pushes_a_row_that_appl_db_lost),
		TEST(every_refusal_on_a_warm_start_is_tried_again),
		TEST(a_warm_start_gets_over_a_lost_connection),
		TEST(a_warm_start_that_may_not_ask_trusts_appl_db),
		TEST(a_warm_start_asks_for_no_row_that_is_known),
		TEST(a_wrong_count_is_mended_before_init_done),
		TEST(an_emptied_appl_db_gets_no_count_alone),
		TEST(a_refused_count_holds_nothing_up_and_is_mended_by_a_check),
		TEST(the_count_is_followed_where_that_is_asked_for),
		TEST(after_flushall_no_marker_is_promised_until_config_db_is_back),
		TEST(after_appl_db_was_emptied_all_links_are_awaited),
		TEST(markers_that_others_put_back_do_not_stop_it),
		TEST(a_lone_init_done_is_sent_again),
		TEST(a_check_that_finds_all_changes_nothing),
		TEST(a_check_without_capacity_is_owed),
		TEST(emptied_while_config_db_is_away),
		TEST(emptied_while_all_were_away),
		TEST(a_retry_while_state_db_is_away_is_not_forgotten),
		TEST(nothing_is_checked_before_there_is_a_marker),
		TEST(a_connection_may_go_at_any_time),
		TEST(all_connections_may_go_at_any_time),
		TEST(appl_db_may_be_emptied_at_any_time),
		TEST(capacity_may_end_at_any_time),
		TEST(any_command_may_be_refused),
		TEST(a_row_whose_push_nobody_heard_of_is_not_an_earlier_ones),
		TEST(a_refused_question_proves_no_rows),
		TEST(the_question_is_asked_again_and_the_marker_stands),
		TEST(all_is_pushed_again_after_a_lost_question),
		TEST(who_may_not_ask_goes_on_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
