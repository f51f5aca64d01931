/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/prometheus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "test.h"

#define EPOCH (UINT64_C(1700000000) * NSEC_PER_SEC)

struct page_fixture {
	struct snapshot snapshot;
	struct snapshot_port ports[4];
	struct exchange_answer answer;
	struct procstat proc;
	struct health_report health;
	struct prometheus_page pages[2];
	struct prometheus_input in;
	char *text;
};

static int setup(void **state)
{
	struct page_fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->snapshot.ports = f->ports;
	f->answer = (struct exchange_answer){
		.snapshot = &f->snapshot, .health = &f->health, .fresh = true, .waited_nsec = 42000};
	f->pages[0] = (struct prometheus_page){"metrics", 3};
	f->pages[1] = (struct prometheus_page){"other", 0};
	f->in = (struct prometheus_input){
		.answer = &f->answer,
		.proc = &f->proc,
		.health = &f->health,
		.pages = f->pages,
		.n_pages = 2,
		.now_nsec = 100 * NSEC_PER_SEC,
		.epoch_nsec = EPOCH,
		.started_nsec = EPOCH + 1,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct page_fixture *f = *state;

	free(f->text);
	free(f);
	return 0;
}

static void write_page(struct page_fixture *f, bool open)
{
	struct text text = {0};

	prometheus_write(&text, open, &f->in);
	text_add(&text, "", 1);
	assert_false(text.failed);
	free(f->text);
	f->text = text.data;
}

/* The page has these whole lines, next to each other. */
static void assert_lines(const struct page_fixture *f, const char *lines)
{
	const char *found = strstr(f->text, lines);

	if (!found)
		print_message("%s\nis not in:\n%s", lines, f->text);
	assert_non_null(found);
	assert_true(found == f->text || found[-1] == '\n');
}

static void both_formats_name_a_counter_as_they_must(void **state)
{
	struct page_fixture *f = *state;

	f->snapshot.watch.newlink = 18446744073709551614U;
	f->snapshot.watch.dellink = 1;
	write_page(f, false);
	assert_lines(f, "# HELP portsyncd_events_processed_total Link messages read and applied\n"
			"# TYPE portsyncd_events_processed_total counter\n"
			"portsyncd_events_processed_total 18446744073709551615\n");
	assert_null(strstr(f->text, "# EOF"));
	assert_null(strstr(f->text, "# UNIT"));
	write_page(f, true);
	assert_lines(f, "# HELP portsyncd_events_processed Link messages read and applied\n"
			"# TYPE portsyncd_events_processed counter\n"
			"portsyncd_events_processed_total 18446744073709551615\n");
	assert_lines(f, "# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n"
			"process_cpu_seconds_total 0\n");
	assert_lines(f, "# UNIT process_resident_memory_bytes bytes\n");
	assert_string_equal(f->text + strlen(f->text) - 6, "# EOF\n");
}

static void figures_stand_where_they_belong(void **state)
{
	struct page_fixture *f = *state;

	f->snapshot.watch.messages = 12;
	f->snapshot.watch.newlink = 7;
	f->snapshot.watch.dellink = 3;
	f->snapshot.init_done = true;
	f->snapshot.conns[SNAPSHOT_APPL_EVENTS] =
		(struct snapshot_conn){.ready = true, .stats = {.connects = 4, .losses = 3, .timeouts = 1}};
	f->snapshot.conns[SNAPSHOT_STATE_DB] =
		(struct snapshot_conn){.stats = {.commands = 9, .errors = {5}}, .in_flight = 2};
	f->proc = (struct procstat){.resident_bytes = 4096, .loop_user_nsec = 1500000000, .loop_involuntary = 6};
	f->health.level = HEALTH_DEGRADED;
	f->health.checks[HEALTH_LOG].level = HEALTH_UNHEALTHY;
	write_page(f, false);
	assert_lines(f, "portsyncd_netlink_messages_total{type=\"newlink\"} 7\n"
			"portsyncd_netlink_messages_total{type=\"dellink\"} 3\n"
			"portsyncd_netlink_messages_total{type=\"other\"} 2\n");
	assert_lines(f, "portsyncd_port_init_done 1\n");
	assert_lines(f, "portsyncd_synced 0\n");
	assert_lines(f, "portsyncd_redis_connected 0\n");
	assert_lines(f, "portsyncd_redis_connection_up{connection=\"APPL_DB events\"} 1\n");
	assert_lines(f, "portsyncd_redis_reconnects_total{connection=\"STATE_DB\"} 0\n"
			"portsyncd_redis_reconnects_total{connection=\"APPL_DB events\"} 3\n");
	assert_lines(f, "portsyncd_redis_commands_total{database=\"STATE_DB\"} 9\n");
	assert_lines(f, "portsyncd_redis_in_flight{database=\"STATE_DB\"} 2\n");
	assert_lines(f, "portsyncd_redis_errors_total{connection=\"STATE_DB\",kind=\"other\"} 5\n");
	assert_lines(f, "portsyncd_redis_errors_total{connection=\"APPL_DB events\",kind=\"timeout\"} 1\n"
			"portsyncd_redis_errors_total{connection=\"APPL_DB events\",kind=\"lost\"} 3\n");
	assert_lines(f, "process_resident_memory_bytes 4096\n");
	assert_lines(f, "portsyncd_loop_cpu_seconds_total{mode=\"user\"} 1.5\n");
	assert_lines(f, "portsyncd_loop_context_switches_total{kind=\"involuntary\"} 6\n");
	assert_lines(f, "portsyncd_health_status 0.5\n");
	assert_lines(f, "portsyncd_health_check{check=\"log_drops\"} 0\n");
	assert_lines(f, "portsyncd_loop_answer_seconds 0.000042\n");
	assert_lines(f, "process_start_time_seconds 1700000000.000000001\n");
	assert_lines(f, "portsyncd_pages_served_total{page=\"metrics\"} 3\n");
}

static void a_histogram_is_cumulative(void **state)
{
	struct page_fixture *f = *state;
	static struct hist h;

	h = (struct hist){0};
	hist_add(&h, 5000);
	hist_add(&h, 37000);
	hist_add(&h, 37000);
	hist_add(&h, 2 * NSEC_PER_SEC);
	snapshot_fill_hist(&f->snapshot.latency, &h, &snapshot_time_bounds);
	snapshot_fill_hist(&f->snapshot.rtt[SNAPSHOT_STATE_DB], &h, &snapshot_time_bounds);
	h = (struct hist){0};
	hist_add(&h, 128);
	snapshot_fill_hist(&f->snapshot.batch_rows, &h, &snapshot_rows_bounds);
	write_page(f, false);
	assert_lines(f, "# TYPE portsyncd_event_latency_seconds histogram\n"
			"portsyncd_event_latency_seconds_bucket{le=\"5e-06\"} 1\n"
			"portsyncd_event_latency_seconds_bucket{le=\"1e-05\"} 1\n");
	assert_lines(f, "portsyncd_event_latency_seconds_bucket{le=\"3e-05\"} 1\n"
			"portsyncd_event_latency_seconds_bucket{le=\"5e-05\"} 3\n");
	assert_lines(f, "portsyncd_event_latency_seconds_bucket{le=\"1.0\"} 3\n"
			"portsyncd_event_latency_seconds_bucket{le=\"+Inf\"} 4\n"
			"portsyncd_event_latency_seconds_sum 2.000079\n"
			"portsyncd_event_latency_seconds_count 4\n");
	assert_lines(f, "portsyncd_redis_latency_seconds_bucket{database=\"STATE_DB\",le=\"+Inf\"} 4\n"
			"portsyncd_redis_latency_seconds_sum{database=\"STATE_DB\"} 2.000079\n");
	assert_lines(f, "portsyncd_redis_batch_rows_bucket{le=\"64.0\"} 0\n"
			"portsyncd_redis_batch_rows_bucket{le=\"128.0\"} 1\n");
	assert_lines(f, "portsyncd_redis_batch_rows_sum 128\n");
}

static void what_is_not_known_is_not_there(void **state)
{
	struct page_fixture *f = *state;

	write_page(f, false);
	assert_null(strstr(f->text, "portsyncd_last_sync_timestamp_seconds"));
	assert_null(strstr(f->text, "portsyncd_initial_sync_duration_seconds"));
	assert_null(strstr(f->text, "portsyncd_loop_cpu_migrations"));
	assert_null(strstr(f->text, "portsyncd_loop_run_delay"));
	assert_null(strstr(f->text, "portsyncd_netlink_drops"));
	assert_null(strstr(f->text, "{port="));
	f->snapshot.sync.last_nsec = 5 * NSEC_PER_SEC;
	f->snapshot.sync.first_took_nsec = 7 * NSEC_PER_MSEC;
	f->proc.has_migrations = f->proc.has_run_delay = f->proc.has_netlink = true;
	write_page(f, false);
	assert_lines(f, "portsyncd_last_sync_timestamp_seconds 1700000005\n");
	assert_lines(f, "portsyncd_initial_sync_duration_seconds 0.007\n");
	assert_lines(f, "portsyncd_loop_cpu_migrations_total 0\n");
	assert_lines(f, "portsyncd_loop_run_delay_seconds_total 0\n");
	assert_lines(f, "portsyncd_netlink_drops_total 0\n");
}

static void time_without_sync(void **state)
{
	struct page_fixture *f = *state;

	f->snapshot.sync.changed_nsec = 97500 * NSEC_PER_MSEC;
	write_page(f, false);
	assert_lines(f, "portsyncd_unsynced_seconds 2.5\n");
	f->snapshot.sync.synced = true;
	write_page(f, false);
	assert_lines(f, "portsyncd_unsynced_seconds 0\n");
}

static void old_figures_tell_their_age(void **state)
{
	struct page_fixture *f = *state;

	f->snapshot.taken_nsec = 60 * NSEC_PER_SEC;
	f->answer.fresh = false;
	f->answer.stall_nsec = 39 * NSEC_PER_SEC;
	write_page(f, false);
	assert_lines(f, "portsyncd_view_age_seconds 40\n");
	assert_lines(f, "portsyncd_loop_stall_seconds 39\n");
}

/* Any byte but blanks and a slash may stand in the name of a link. */
static void names_of_ports(void **state)
{
	struct page_fixture *f = *state;

	f->snapshot.n_ports = 4;
	f->ports[0] = (struct snapshot_port){.name = "Ethernet0",
					     .link = {.ifindex = 1, .flags = IFF_RUNNING, .mtu = 9100},
					     .history = {.flaps = 9, .flaps_before = 7}};
	f->ports[1] = (struct snapshot_port){.name = "Ethernet\"}1\\", .link = {.ifindex = 2}};
	f->ports[2] = (struct snapshot_port){
		.name = "Ethernet\xff\xc3\xa9", .link = {.ifindex = 3}, .history = {.changed_nsec = 1}};
	f->ports[3] =
		(struct snapshot_port){.name = "Ethernet12", .history = {.flaps = 1}, .appl = {.configured = true}};
	write_page(f, false);
	assert_lines(f, "portsyncd_port_oper_up{port=\"Ethernet0\"} 1\n"
			"portsyncd_port_oper_up{port=\"Ethernet\\\"}1\\\\x5c\"} 0\n"
			"portsyncd_port_oper_up{port=\"Ethernet\\\\xff\xc3\xa9\"} 0\n#");
	assert_lines(f, "portsyncd_port_mtu_bytes{port=\"Ethernet0\"} 9100\n");
	assert_lines(f, "portsyncd_port_flaps_total{port=\"Ethernet0\"} 2\n");
	assert_lines(f, "portsyncd_port_flaps_total{port=\"Ethernet12\"} 1\n");
	assert_lines(f, "# TYPE portsyncd_port_flaps_lifetime gauge\n"
			"portsyncd_port_flaps_lifetime{port=\"Ethernet0\"} 9\n");
	assert_lines(f, "portsyncd_port_carrier_changes_total{port=\"Ethernet0\",direction=\"up\"} 0\n");
	assert_lines(f, "# TYPE portsyncd_port_last_change_timestamp_seconds gauge\n"
			"portsyncd_port_last_change_timestamp_seconds{port=\"Ethernet\\\\xff\xc3\xa9\"} "
			"1700000000.000000001\n");
}

static void without_the_series_of_ports(void **state)
{
	struct page_fixture *f = *state;

	f->snapshot.n_ports = 1;
	f->ports[0] = (struct snapshot_port){.name = "Ethernet0", .link = {.ifindex = 1}};
	f->snapshot.links.flaps = 3;
	f->in.without_ports = true;
	write_page(f, true);
	assert_lines(f, "portsyncd_flaps_total 3\n");
	assert_null(strstr(f->text, "portsyncd_port_flaps"));
	assert_null(strstr(f->text, "port=\""));
	assert_non_null(strstr(f->text, "# EOF\n"));
}

static void which_format(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", false},
		{"application/openmetrics-text", true},
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 true},
		{"Application/OpenMetrics-Text; version=1.0.0; q=0.4, text/plain;q=0.5", false},
		{"application/openmetrics-text;q=0", false},
		{"text/plain, application/openmetrics-text; q=0.9", false},
		{"text/plain;q=0.3, application/openmetrics-text", true},
		{"text/plain;q=0.300, application/openmetrics-text;q=0.3011", true},
		{"text/plain;q=1.9, application/openmetrics-text", true},
		{"application/openmetrics-text;q=1e300", true},
		{"application/openmetrics-text;q=nan", false},
		{"application/openmetrics-text;q=inf", false},
		{"application/openmetrics-text;q=", false},
		{"application/openmetrics-text;Q=0", false},
		{"application/openmetrics-text ; q=0", false},
		{"application/openmetrics-text;charset=utf-8;q=0", false},
		{"application/openmetrics-text;faq=0", true},
		{"x-application/openmetrics-text", false},
		{"application/openmetrics-textile, */*", false},
		{"application/*", false},
		{"application/openmetrics-text;q=0.2, */*;q=0.9", false},
		{"application/openmetrics-text;q=0.2, text/*;q=0.1, */*;q=0.9", true},
		{"text/*;q=0.9, application/openmetrics-text;q=0.1", false},
		{"*/*;q=0.9, application/openmetrics-text;q=0.2, text/plain;q=0.1", true},
		{",,, ;q=1,;;, application/openmetrics-text", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].accept ? cases[i].accept : "none");
		assert_int_equal(prometheus_wants_open(cases[i].accept), cases[i].open);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_formats_name_a_counter_as_they_must),
		TEST(figures_stand_where_they_belong),
		TEST(a_histogram_is_cumulative),
		TEST(what_is_not_known_is_not_there),
		TEST(time_without_sync),
		TEST(old_figures_tell_their_age),
		TEST(names_of_ports),
		TEST(without_the_series_of_ports),
		cmocka_unit_test(which_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
