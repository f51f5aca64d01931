/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/pages.h"

#include <jansson.h>

#include "metrics/prometheus.h"
#include "snapshot_fixture.h"
#include "test.h"

static const struct health_limits limits = {
	.stall_nsec = 10 * NSEC_PER_SEC,
	.max_latency_nsec = 10 * NSEC_PER_MSEC,
	.max_failure_percent = 5.0,
	.min_success_percent = 99.0,
	.min_sync_percent = 90.0,
};

struct site {
	struct fixture_loop *loop;
	struct pages *pages;
};

static int setup(void **state)
{
	struct site *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->loop = snapshot_fixture_new();
	s->loop->limits = limits;
	s->pages = pages_new(s->loop->exchange, &limits, "/proc");
	s->loop->figures.sync.synced = s->loop->figures.config_done = s->loop->figures.init_done = true;
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		s->loop->figures.conns[i].ready = true;
	fixture_ports(s->loop, 2);
	fixture_start(s->loop);
	*state = s;
	return s->pages ? 0 : -1;
}

static int teardown(void **state)
{
	struct site *s = *state;

	fixture_stop(s->loop);
	pages_free(s->pages);
	snapshot_fixture_free(s->loop);
	free(s);
	return 0;
}

static void ask(const struct site *s, const char *path, const char *accept, struct http_answer *answer)
{
	*answer = (struct http_answer){.status = 500};
	pages_handle(&(struct http_request){.path = path, .accept = accept}, answer, s->pages);
}

static char *get(const struct site *s, const char *path, const char *accept, unsigned status, const char *type)
{
	struct http_answer page;
	char *text;

	ask(s, path, accept, &page);
	assert_int_equal(page.status, status);
	assert_string_equal(page.content_type, type);
	assert_non_null(page.body);
	text = strndup(page.body, page.len);
	assert_int_equal(strlen(text), page.len);
	free(page.body);
	return text;
}

static json_t *get_json(const struct site *s, const char *path, unsigned status)
{
	char *text = get(s, path, NULL, status, "application/json");
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	free(text);
	return json;
}

static void page_of_liveness(void **state)
{
	const struct site *s = *state;
	json_t *json = get_json(s, "/livez", 200);

	assert_true(json_is_true(json_object_get(json, "live")));
	assert_float_equal(json_real_value(json_object_get(json, "limit_seconds")), 10.0, 0);
	json_decref(json);
	fixture_stop(s->loop);
	exchange_turn_begins(s->loop->exchange, now_usec() - 11 * USEC_PER_SEC);
	json = get_json(s, "/livez", 503);
	assert_true(json_is_false(json_object_get(json, "live")));
	assert_true(json_real_value(json_object_get(json, "stall_seconds")) >= 11.0);
	json_decref(json);
	exchange_turn_ends(s->loop->exchange);
	fixture_start(s->loop);
	json_decref(get_json(s, "/livez", 200));
}

static void page_of_readiness(void **state)
{
	const struct site *s = *state;
	json_t *json = get_json(s, "/readyz", 200);

	assert_true(json_is_true(json_object_get(json, "ready")));
	assert_int_equal(s->loop->checks, 1);
	json_decref(json);
	free(get(s, "/metrics", NULL, 200, PROMETHEUS_TEXT_TYPE));
	assert_int_equal(s->loop->checks, 1); /* a scrape costs Redis nothing */
	s->loop->figures.markers_unknown = true;
	json_decref(get_json(s, "/readyz", 503));
	s->loop->figures.markers_unknown = false;
	s->loop->figures.conns[SNAPSHOT_STATE_DB].ready = false;
	json = get_json(s, "/readyz", 503);
	assert_true(json_is_false(json_object_get(json, "ready")));
	assert_true(json_is_true(json_object_get(json, "kernel_synced")));
	assert_true(json_is_false(json_object_get(json, "redis_connected")));
	assert_true(json_is_true(json_object_get(json, "port_init_done")));
	json_decref(json);
}

static void page_of_health(void **state)
{
	const struct site *s = *state;
	json_t *json = get_json(s, "/healthz", 200);
	const json_t *check;

	assert_string_equal(json_string_value(json_object_get(json, "status")), "healthy");
	assert_int_equal(json_object_size(json_object_get(json, "checks")), HEALTH_CHECKS);
	json_decref(json);
	s->loop->figures.conns[SNAPSHOT_APPL_DB].ready = false;
	json = get_json(s, "/healthz", 200);
	assert_string_equal(json_string_value(json_object_get(json, "status")), "degraded");
	check = json_object_get(json_object_get(json, "checks"), "redis_away");
	assert_string_equal(json_string_value(json_object_get(check, "status")), "degraded");
	assert_float_equal(json_real_value(json_object_get(check, "limit")), 10.0, 0);
	assert_int_equal(strlen(json_string_value(json_object_get(check, "since"))), 24);
	check = json_object_get(json_object_get(json, "checks"), "failures");
	assert_string_equal(json_string_value(json_object_get(check, "status")), "healthy");
	assert_true(json_is_null(json_object_get(check, "value")));
	json_decref(json);
	s->loop->figures.sync.synced = false;
	s->loop->figures.sync.changed_nsec = now_nsec() - 11 * NSEC_PER_SEC;
	json = get_json(s, "/healthz", 503);
	assert_string_equal(json_string_value(json_object_get(json, "status")), "unhealthy");
	json_decref(json);
}

static const char *text_at(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void page_of_status(void **state)
{
	const struct site *s = *state;
	json_t *json = get_json(s, "/status", 200);
	const json_t *problem;

	assert_string_equal(text_at(json, "verdict"), "healthy");
	assert_int_equal(json_array_size(json_object_get(json, "problems")), 0);
	assert_int_equal(json_array_size(json_object_get(json, "healthy")), HEALTH_CHECKS);
	json_decref(json);
	s->loop->ports[0].appl.expected = s->loop->ports[1].appl.expected = true;
	(void)strcpy(s->loop->ports[0].name, "Ethernet12"); /* in the order of the switch */
	s->loop->figures.sums.awaited = 2;
	s->loop->figures.conns[SNAPSHOT_STATE_DB].ready = false;
	s->loop->figures.conns[SNAPSHOT_STATE_DB].outage_usec = now_usec() - 11 * USEC_PER_SEC;
	(void)snprintf(s->loop->figures.redis_reason, SNAPSHOT_REASON_BYTES, "STATE_DB: Permission denied: x");
	json = get_json(s, "/status", 200);
	assert_string_equal(text_at(json, "verdict"), "unhealthy");
	assert_int_equal(json_array_size(json_object_get(json, "problems")), 2);
	problem = json_array_get(json_object_get(json, "problems"), 0);
	assert_string_equal(text_at(problem, "check"), "redis_away");
	assert_string_equal(text_at(problem, "reason"), "STATE_DB: Permission denied: x");
	assert_non_null(strstr(text_at(problem, "remedy"), "unixsocketperm")); /* of this reason */
	assert_true(json_number_value(json_object_get(problem, "seconds")) >= 11);
	problem = json_array_get(json_object_get(json, "problems"), 1);
	assert_string_equal(text_at(problem, "check"), "ports_awaited");
	assert_string_equal(json_string_value(json_array_get(json_object_get(problem, "ports"), 0)), "Ethernet4");
	assert_string_equal(json_string_value(json_array_get(json_object_get(problem, "ports"), 1)), "Ethernet12");
	json_decref(json);
}

/* What Redis answers is no UTF-8: the problem is shown all the same. */
static void status_with_strange_words(void **state)
{
	const struct site *s = *state;
	json_t *json;

	s->loop->figures.conns[SNAPSHOT_STATE_DB].ready = false;
	(void)snprintf(s->loop->figures.redis_reason, SNAPSHOT_REASON_BYTES, "Redis says: \xff");
	json = get_json(s, "/status", 200);
	assert_int_equal(json_array_size(json_object_get(json, "problems")), 1);
	json_decref(json);
}

static void page_of_ports(void **state)
{
	const struct site *s = *state;
	json_t *json;
	const json_t *list, *link;

	s->loop->ports[1].link.ifindex = 0;
	s->loop->ports[1].in_sync = false;
	s->loop->ports[0].history.changed_nsec = now_nsec();
	s->loop->ports[0].link.mtu = 1500;
	json = get_json(s, "/ports", 200);
	list = json_object_get(json, "ports");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")), "Ethernet0");
	assert_true(json_is_null(json_object_get(json_array_get(list, 1), "link")));
	json_decref(json);
	json = get_json(s, "/ports/Ethernet0", 200);
	link = json_object_get(json, "link");
	assert_string_equal(json_string_value(json_object_get(link, "oper")), "up");
	assert_int_equal(json_integer_value(json_object_get(link, "mtu")), 1500);
	assert_true(json_is_true(json_object_get(json, "in_sync")));
	assert_true(json_is_string(json_object_get(json, "last_change")));
	json_decref(json);
	json_decref(get_json(s, "/ports/Ethernet1", 404));
	json_decref(get_json(s, "/ports/", 404));
}

/* A name that is no UTF-8 is found by its bytes and by how /ports writes it. */
static void a_port_with_a_strange_name(void **state)
{
	static const char *const paths[] = {"/ports/Ethernet\xff", "/ports/Ethernet\\xff"};
	const struct site *s = *state;

	(void)snprintf(s->loop->ports[1].name, sizeof(s->loop->ports[1].name), "Ethernet\xff");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		json_t *json = get_json(s, paths[i], 200);

		assert_string_equal(json_string_value(json_object_get(json, "name")), "Ethernet\\xff");
		json_decref(json);
	}
}

static void metrics_in_both_formats(void **state)
{
	const struct site *s = *state;
	char *text = get(s, "/metrics", NULL, 200, PROMETHEUS_TEXT_TYPE);

	assert_non_null(strstr(text, "\nportsyncd_port_oper_up{port=\"Ethernet4\"} 1\n"));
	assert_non_null(strstr(text, "\nportsyncd_pages_served_total{page=\"metrics\"} 0\n"));
	assert_non_null(strstr(text, "\nportsyncd_view_age_seconds 0\n"));
	free(text);
	text = get(s, "/metrics", "application/openmetrics-text", 200, PROMETHEUS_OPEN_TYPE);
	assert_non_null(strstr(text, "\nportsyncd_pages_served_total{page=\"metrics\"} 1\n"));
	assert_non_null(strstr(text, "\n# EOF\n"));
	free(text);
}

static void the_server_is_reported(void **state)
{
	static struct http_stats stats;
	const struct site *s = *state;
	char *text = get(s, "/metrics", NULL, 200, PROMETHEUS_TEXT_TYPE);

	assert_null(strstr(text, "portsyncd_http_"));
	free(text);
	stats.answers[4] = 3;
	stats.open = 2;
	stats.late = 5;
	pages_set_server(s->pages, &stats);
	text = get(s, "/metrics", NULL, 200, PROMETHEUS_TEXT_TYPE);
	assert_non_null(strstr(text, "\nportsyncd_http_answers_total{class=\"4xx\"} 3\n"));
	assert_non_null(strstr(text, "\nportsyncd_http_clients 2\n"));
	assert_non_null(strstr(text, "\nportsyncd_http_dropped_total{reason=\"late\"} 5\n"));
	free(text);
}

/* Else a port would seem to change at each scrape. */
static void a_timestamp_stays(void **state)
{
	static const char start[] = "\nportsyncd_port_last_change_timestamp_seconds{port=\"Ethernet0\"} ";
	const struct site *s = *state;
	char first[64] = "";

	s->loop->ports[0].history.changed_nsec = now_nsec();
	for (unsigned i = 0; i < 100; i++) {
		char *text = get(s, "/metrics", NULL, 200, PROMETHEUS_TEXT_TYPE), *at = strstr(text, start);

		assert_non_null(at);
		at += strlen(start);
		at[strcspn(at, "\n")] = '\0';
		if (i == 0)
			(void)snprintf(first, sizeof(first), "%s", at);
		assert_string_equal(at, first);
		free(text);
	}
}

static void the_index_names_what_there_is(void **state)
{
	static const char *const paths[] = {"/metrics", "/healthz", "/status",  "/livez",
					    "/readyz",  "/ports",   "/history", "/config"};
	const struct site *s = *state;
	char *text = get(s, "/", "*/*", 200, "text/plain; charset=utf-8");

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char line[32];
		struct http_answer page;

		(void)snprintf(line, sizeof(line), "\n  %s ", paths[i]);
		assert_non_null(strstr(text, line));
		ask(s, paths[i], NULL, &page);
		assert_true(page.status == 200 || strcmp(paths[i], "/config") == 0);
		free(page.body);
	}
	free(text);
	json_decref(get_json(s, "/metrics/", 404));
	json_decref(get_json(s, "", 404));
}

/* Its own style and script run, and nothing else. */
static void the_page_for_a_browser(void **state)
{
	const struct site *s = *state;
	struct http_answer page;

	free(get(s, "/", NULL, 200, "text/plain; charset=utf-8"));
	ask(s, "/", "text/html,application/xhtml+xml,*/*;q=0.8", &page);
	assert_string_equal(page.content_type, "text/html; charset=utf-8");
	assert_memory_equal(page.body, "<!doctype html>", 15);
	assert_non_null(strstr(page.policy, "default-src 'none'; script-src 'sha256-"));
	assert_null(strstr(page.policy, "unsafe"));
	free(page.body);
}

/* Servers may have a thread for each address. */
static void *scrape(void *user)
{
	static const char *const paths[] = {"/metrics", "/healthz", "/ports", "/livez", "/readyz"};
	const struct site *s = user;

	for (unsigned i = 0; i < 50; i++) {
		struct http_answer page;

		ask(s, paths[i % ARRAY_SIZE(paths)], NULL, &page);
		assert_int_equal(page.status, 200);
		free(page.body);
	}
	return NULL;
}

static void set_config(const struct site *s, unsigned number)
{
	char *json;

	assert_true(asprintf(&json, "{\"number\": %u}", number) > 0);
	pages_set_config(s->pages, json);
}

static void *read_config(void *user)
{
	const struct site *s = user;
	json_int_t last = 0;

	for (unsigned i = 0; i < 200; i++) {
		json_t *json = get_json(s, "/config", 200);
		json_int_t number = json_integer_value(json_object_get(json, "number"));

		assert_true(number >= last);
		last = number;
		json_decref(json);
	}
	return NULL;
}

/* The loop leaves new ones meanwhile, and waits for nobody. */
static void the_newest_configuration_is_shown(void **state)
{
	struct site *s = *state;
	pthread_t threads[2];
	json_t *json;

	json_decref(get_json(s, "/config", 503));
	set_config(s, 1);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_config, s), 0);
	for (unsigned number = 2; number <= 1000; number++)
		set_config(s, number);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		(void)pthread_join(threads[i], NULL);
	pages_set_config(s->pages, NULL);
	json = get_json(s, "/config", 200);
	assert_int_equal(json_integer_value(json_object_get(json, "number")), 1000);
	json_decref(json);
	set_config(s, 1001);
}

/* Without the pages' knowledge: they are freed later, and must not look at them. */
static void forget_changes(const struct site *s, struct changes *changes)
{
	assert_int_equal(pages_set_changes(s->pages, NULL), 0);
	changes_free(changes);
}

static void add_change(struct changes *c, uint64_t number, const char *port, const struct row *after)
{
	static const struct row up = {{1, 1, 1, 9100}};
	struct change change = {
		.number = number,
		.at_usec = 1792000000000005,
		.latency_usec = after ? 180 : 0,
		.kind = after ? CHANGE_SET : CHANGE_DELETED,
		.fields = (uint8_t)row_diff(&up, after ? after : &row_nil),
		.before = row_pack(&up),
		.after = row_pack(after ? after : &row_nil),
	};

	(void)snprintf(change.port, sizeof(change.port), "%s", port);
	changes_add(c, &change);
}

/* The numbers of the changes of a page, as text. */
static void assert_history(const struct site *s, const char *port, const char *last, const char *numbers)
{
	struct http_request request = {.path = "/history"};
	struct http_answer page = {.status = 500};
	json_t *json, *change;
	char got[64] = "";
	size_t i;

	if (port)
		request.query[request.n_query++] = (struct http_query){.name = "port", .value = port};
	if (last)
		request.query[request.n_query++] = (struct http_query){.name = "last", .value = last};
	pages_handle(&request, &page, s->pages);
	assert_int_equal(page.status, numbers ? 200 : 400);
	json = json_loadb(page.body, page.len, 0, NULL);
	assert_non_null(json);
	json_array_foreach(json_object_get(json, "changes"), i, change)
	{
		char number[24];

		(void)snprintf(number, sizeof(number), "%lld ", json_integer_value(json_object_get(change, "number")));
		(void)strncat(got, number, sizeof(got) - strlen(got) - 1);
	}
	if (numbers)
		assert_string_equal(got, numbers);
	else
		assert_non_null(json_string_value(json_object_get(json, "error")));
	json_decref(json);
	free(page.body);
}

static void the_history_is_of_all_or_of_one(void **state)
{
	static const struct row down = {{1, 0, 1, 9100}};
	struct changes *changes = changes_new(4);
	struct site *s = *state;

	assert_history(s, NULL, NULL, "");
	assert_int_equal(pages_set_changes(s->pages, changes), 0);
	assert_history(s, NULL, NULL, "");
	for (uint64_t number = 7; number < 12; number++)
		add_change(changes, number, number % 2 ? "Ethernet0" : "Eth\xff\\", &down);
	assert_history(s, NULL, NULL, "8 9 10 11 ");
	assert_history(s, NULL, "2", "10 11 ");
	assert_history(s, NULL, "0", "");
	assert_history(s, "Ethernet0", NULL, "9 11 ");
	assert_history(s, "Ethernet0", "1", "11 ");
	assert_history(s, "Eth\\xff\\x5c", NULL, "8 10 ");
	assert_history(s, "Ethernet1", NULL, "");
	assert_history(s, NULL, "", NULL);
	assert_history(s, NULL, "-1", NULL);
	assert_history(s, NULL, "9999999999", NULL);
	forget_changes(s, changes);
}

static void a_change_says_all_of_it(void **state)
{
	static const struct row odd = {{1, 0, ROW_NIL, ROW_OTHER}};
	static const char *const lines[] = {
		"{\"number\":1,\"at\":\"2026-10-14T17:46:40.000005Z\",\"port\":\"Ethernet0\",\"kind\":\"set\","
		"\"before\":{\"oper\":\"up\",\"admin\":\"up\",\"mtu\":9100},"
		"\"after\":{\"oper\":\"down\",\"admin\":null,\"mtu\":\"other\"},"
		"\"changed\":[\"oper\",\"admin\",\"mtu\"],\"latency_usec\":180}",
		"{\"number\":2,\"at\":\"2026-10-14T17:46:40.000005Z\",\"port\":\"Ethernet0\",\"kind\":\"deleted\","
		"\"before\":{\"oper\":\"up\",\"admin\":\"up\",\"mtu\":9100},\"after\":null,"
		"\"changed\":[\"state\",\"oper\",\"admin\",\"mtu\"],\"latency_usec\":null}",
	};
	struct changes *changes = changes_new(4);
	struct site *s = *state;
	json_t *json;

	assert_int_equal(pages_set_changes(s->pages, changes), 0);
	add_change(changes, 1, "Ethernet0", &odd);
	add_change(changes, 2, "Ethernet0", NULL);
	json = get_json(s, "/history", 200);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *line = json_dumps(json_array_get(json_object_get(json, "changes"), i), JSON_COMPACT);

		assert_string_equal(line, lines[i]);
		free(line);
	}
	json_decref(json);
	forget_changes(s, changes);
}

/* --- streams --- */

/* The next line of a stream's text; NULL: there is no more. */
static json_t *next_line(const struct text *text, size_t *at)
{
	const char *end = *at < text->len ? memchr(text->data + *at, '\n', text->len - *at) : NULL;
	json_t *json;

	if (!end)
		return NULL;
	json = json_loadb(text->data + *at, (size_t)(end - (text->data + *at)), 0, NULL);
	assert_non_null(json);
	*at = (size_t)(end - text->data) + 1;
	return json;
}

static void expect_line(const struct text *text, size_t *at, const char *expected)
{
	json_t *json = next_line(text, at), *wanted = json_loads(expected, 0, NULL);

	assert_non_null(wanted);
	assert_true(json_equal(json, wanted));
	json_decref(json);
	json_decref(wanted);
}

static struct text say(const struct http_source *source)
{
	struct text text = {0};
	uint64_t due = source->more(&text, source->user);

	assert_false(text.failed);
	assert_true(due > now_usec());
	return text;
}

static bool rings(const struct site *s)
{
	struct pollfd fd = {.fd = pages_changes_fd(s->pages), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

static void changes_are_watched(void **state)
{
	static const struct row down = {{1, 0, 1, 9100}};
	struct changes *changes = changes_new(16);
	const struct site *s = *state;
	struct http_answer page;
	struct text text;
	size_t at = 0;

	json_decref(get_json(s, "/watch", 503));
	assert_int_equal(pages_set_changes(s->pages, changes), 0);
	add_change(changes, 1, "Ethernet0", &down);
	assert_false(rings(s));
	ask(s, "/watch", NULL, &page);
	assert_int_equal(page.status, 200);
	assert_string_equal(page.content_type, "application/x-ndjson");
	text = say(&page.source);
	expect_line(&text, &at, "{\"hello\": {\"version\": \"" PORTSYNCD_VERSION "\", \"next\": 1}}");
	assert_null(next_line(&text, &at));
	free(text.data);
	text = say(&page.source);
	assert_int_equal(text.len, 0);
	for (uint64_t number = 4; number < 8; number++) {
		add_change(changes, number, "Ethernet0", number % 2 ? NULL : &down);
		assert_true(rings(s));
		pages_changes_heard(s->pages);
		assert_false(rings(s));
	}
	text = say(&page.source);
	at = 0;
	for (uint64_t number = 4; number < 8; number++) {
		json_t *json = next_line(&text, &at);

		assert_int_equal(json_integer_value(json_object_get(json, "number")), number);
		json_decref(json);
	}
	assert_null(next_line(&text, &at));
	free(text.data);
	page.source.end(page.source.user);
	add_change(changes, 8, "Ethernet0", &down);
	assert_false(rings(s));
	forget_changes(s, changes);
}

/* It hears how many it missed, then what is still there, a batch at a time. */
static void a_slow_watcher_learns_of_it(void **state)
{
	struct changes *changes = changes_new(16);
	const struct site *s = *state;
	uint64_t lost = 0, seen = 0;
	struct http_answer page;

	assert_int_equal(pages_set_changes(s->pages, changes), 0);
	ask(s, "/watch", NULL, &page);
	for (uint64_t number = 0; number < 5000; number++)
		add_change(changes, number, "Ethernet0", NULL);
	while (seen + lost < 5000) {
		struct text text = say(&page.source);
		size_t at = 0;
		json_t *json;

		assert_true(text.len > 0);
		while ((json = next_line(&text, &at))) {
			lost += (uint64_t)json_integer_value(json_object_get(json, "lost"));
			if (json_object_get(json, "number"))
				assert_int_equal(json_integer_value(json_object_get(json, "number")), lost + seen++);
			json_decref(json);
		}
		free(text.data);
	}
	assert_true(lost > 0 && seen > 0);
	page.source.end(page.source.user);
	forget_changes(s, changes);
}

/* --- the page's text and stream --- */

static void show_port(const struct site *s, size_t i, bool configured, bool in_sync, unsigned flags)
{
	struct snapshot_port *port = &s->loop->ports[i];

	port->appl.configured = configured;
	port->in_sync = in_sync;
	port->link.flags = flags;
}

static void the_text_shows_each_port(void **state)
{
	const struct site *s = *state;
	char *text;

	s->loop->n_ports = 0;
	fixture_ports(s->loop, 40);
	show_port(s, 1, true, true, IFF_UP);
	show_port(s, 2, true, true, 0);
	show_port(s, 3, false, false, IFF_UP | IFF_RUNNING);
	show_port(s, 4, true, false, 0);
	s->loop->ports[4].link.ifindex = 0;
	s->loop->figures.conns[SNAPSHOT_APPL_DB].ready = false;
	text = get(s, "/", NULL, 200, "text/plain; charset=utf-8");
	assert_non_null(strstr(text, "portsyncd " PORTSYNCD_VERSION ": degraded since "));
	assert_non_null(strstr(text, "What helps: "));
	assert_non_null(strstr(text, "Ports: 40, ^ 36 up, v 1 down, - 1 admin down, ~ 0 flapping, ! 1 out of sync, "
				     "? 1 not configured\n"));
	assert_non_null(strstr(text, "\n  Ethernet0        ^v-?!^^^ ^^^^^^^^ ^^^^^^^^ ^^^^^^^^\n"
				     "  Ethernet128      ^^^^^^^^\n"));
	assert_non_null(strstr(text, "  Ethernet16 is out of sync: it has no interface\n"));
	assert_non_null(strstr(text, "APPL_DB away, STATE_DB connected"));
	free(text);
}

/* The JSON of one event; its name is checked. */
static json_t *event_of(const struct http_source *source, const char *name)
{
	struct text text = {0};
	char start[32];
	json_t *json;

	do {
		uint64_t due = source->more(&text, source->user), now = now_usec();

		assert_true(due <= now + USEC_PER_SEC);
		if (text.len == 0 && due > now)
			(void)usleep((useconds_t)(due - now));
	} while (text.len == 0);
	(void)snprintf(start, sizeof(start), "event: %s\ndata: ", name);
	assert_memory_equal(text.data, start, strlen(start));
	assert_memory_equal(text.data + text.len - 2, "\n\n", 2);
	assert_null(memchr(text.data + strlen(start), '\n', text.len - strlen(start) - 2));
	json = json_loadb(text.data + strlen(start), text.len - strlen(start) - 2, 0, NULL);
	assert_non_null(json);
	free(text.data);
	return json;
}

static const char *state_of(json_t *event, size_t i)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(event, "ports"), i), "state"));
}

static size_t ports_in(json_t *event)
{
	return json_array_size(json_object_get(event, "ports"));
}

static void the_stream_of_the_page(void **state)
{
	const struct site *s = *state;
	struct http_answer first, second;
	unsigned fills;
	json_t *json;

	(void)snprintf(s->loop->ports[1].name, IFNAMSIZ, "Eth\xff\"\n");
	ask(s, "/live", NULL, &first);
	ask(s, "/live", NULL, &second);
	assert_string_equal(first.content_type, "text/event-stream");
	json = event_of(&first.source, "all");
	assert_int_equal(ports_in(json), 2);
	assert_string_equal(state_of(json, 0), "up");
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "healthy");
	assert_int_equal(json_array_size(json_object_get(json_object_get(json, "steps"), "changes")), 180);
	assert_int_equal(json_array_size(json_object_get(json, "redis")), SNAPSHOT_CONNS);
	json_decref(json);
	fills = s->loop->fills;
	json_decref(event_of(&second.source, "all"));
	assert_int_equal(s->loop->fills, fills); /* they share a look */
	show_port(s, 0, true, false, IFF_UP);    /* not yet in Redis, which is no fault for a moment */
	json = event_of(&first.source, "news");
	assert_int_equal(ports_in(json), 1);
	assert_string_equal(state_of(json, 0), "down");
	json_decref(json);
	json = event_of(&first.source, "news");
	assert_string_equal(state_of(json, 0), "out of sync");
	json_decref(json);
	json = event_of(&first.source, "news");
	assert_int_equal(ports_in(json), 0);
	json_decref(json);
	json_decref(event_of(&second.source, "all")); /* it missed some */
	fixture_ports(s->loop, 3);
	json = event_of(&first.source, "all"); /* another port */
	assert_int_equal(ports_in(json), 3);
	json_decref(json);
	first.source.end(first.source.user);
	second.source.end(second.source.user);
}

static void pages_without_a_post(void **state)
{
	const struct site *s = *state;
	struct http_answer page = {.status = 500};

	pages_handle(&(struct http_request){.path = "/metrics", .post = true}, &page, s->pages);
	assert_int_equal(page.status, 405);
	free(page.body);
}

static void several_threads(void **state)
{
	struct site *s = *state;
	pthread_t threads[3];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, scrape, s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		(void)pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(page_of_liveness),
		TEST(page_of_readiness),
		TEST(page_of_health),
		TEST(page_of_status),
		TEST(status_with_strange_words),
		TEST(page_of_ports),
		TEST(a_port_with_a_strange_name),
		TEST(metrics_in_both_formats),
		TEST(the_server_is_reported),
		TEST(a_timestamp_stays),
		TEST(the_index_names_what_there_is),
		TEST(the_newest_configuration_is_shown),
		TEST(the_history_is_of_all_or_of_one),
		TEST(a_change_says_all_of_it),
		TEST(changes_are_watched),
		TEST(a_slow_watcher_learns_of_it),
		TEST(the_page_for_a_browser),
		TEST(the_text_shows_each_port),
		TEST(the_stream_of_the_page),
		TEST(pages_without_a_post),
		TEST(several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
