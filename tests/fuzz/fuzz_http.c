/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/metrics/page src/metrics/feed.c src/metrics/live.c src/http/server.c */
/*
 * The pages for any path and any Accept header, as libmicrohttpd passes them on: the first line of the input, and the
 * rest. The input also names two ports, so that a path can lead to an odd name.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/pages.h"
#include "metrics/prometheus.h"
#include "snapshot_fixture.h"

static struct fixture_loop *loop;
static struct pages *pages;

/* The exchange's other side is a thread, as in the daemon. */
int LLVMFuzzerInitialize(const int *argc, char ***argv);

int LLVMFuzzerInitialize(const int *argc, char ***argv)
{
	static const struct health_limits limits = {.stall_nsec = 10 * NSEC_PER_SEC, .max_latency_nsec = NSEC_PER_SEC};

	(void)argc;
	(void)argv;
	loop = snapshot_fixture_new();
	fixture_ports(loop, 3);
	pages = pages_new(loop->exchange, &limits, "/proc");
	if (!pages || pages_set_changes(pages, changes_new(16)) < 0)
		abort();
	fixture_start(loop);
	return 0;
}

static char *copy(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* A valid name of a link: any byte but NUL, '/' and blank (dev_valid_name()). */
static void name_port(struct snapshot_port *port, const char *text)
{
	size_t len = strcspn(text, "/ \t\n\v\f\r");

	if (len == 0)
		return;
	len = MIN(len, sizeof(port->name) - 1);
	memset(port->name, 0, sizeof(port->name));
	memcpy(port->name, text, len);
}

static void name_ports(const char *path, const char *accept)
{
	if (strncmp(path, "/ports/", 7) == 0)
		name_port(&loop->ports[1], path + 7);
	name_port(&loop->ports[2], accept);
}

static void check_json(const char *text, size_t len)
{
	json_t *json = json_loadb(text, len, 0, NULL);

	if (!json)
		abort();
	json_decref(json);
}

/* The beginning of a stream: an event of /live, a line of /watch. */
static void check_stream(const struct http_source *source, const char *type)
{
	static const char head[] = "event: all\ndata: ";
	size_t skipped = strcmp(type, "text/event-stream") == 0 ? sizeof(head) - 1 : 0;
	struct text text = {0};

	if (source->more(&text, source->user) == HTTP_STREAM_ENDS || text.failed || text.len <= skipped)
		abort();
	if (memcmp(text.data, head, skipped) != 0)
		abort();
	check_json(text.data + skipped, text.len - skipped);
	source->end(source->user);
	free(text.data);
}

static bool is_known(unsigned status)
{
	static const unsigned known[] = {200, 400, 404, 405, 409, 503};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (status == known[i])
			return true;
	return false;
}

/* For any request: an answer with a known status, valid JSON, and a body of the declared length. */
static void check_answer(const struct http_answer *answer)
{
	if (!is_known(answer->status) || !answer->content_type)
		abort();
	if (answer->source.more) {
		check_stream(&answer->source, answer->content_type);
		return;
	}
	if (!answer->body || memchr(answer->body, '\0', answer->len))
		abort();
	if (strcmp(answer->content_type, "application/json") == 0)
		check_json(answer->body, answer->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t path_size = end ? (size_t)(end - data) : size;
	char *path cleanup(free_ptr) = copy(data, path_size);
	char *accept cleanup(free_ptr) = end ? copy(end + 1, size - path_size - 1) : NULL;
	struct http_request request = {.path = path, .accept = accept};
	struct http_answer answer = {.status = 500};

	name_ports(path, accept ? accept : "");
	(void)prometheus_wants_open(accept);
	pages_handle(&request, &answer, pages);
	check_answer(&answer);
	free(answer.body);
	return 0;
}
