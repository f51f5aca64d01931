/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server alone, with fixed pages and streams, for tests/system/test_http.py. Arguments are name=value:
 * listen (again and again), unix, cert, key, ca, clients, timeout. Says "ready" and serves until SIGTERM; the exit
 * status is 1 and stderr says why when it cannot.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/util.h"
#include "http/server.h"

#define BIG_BYTES (1 << 20)

static struct http *server;

PRINTF_LIKE(2, 3) static void set_text(struct http_answer *answer, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&answer->body, format, args);
	va_end(args);
	if (len < 0)
		return;
	answer->len = (size_t)len;
	answer->content_type = "text/plain; charset=utf-8";
}

static void set_stats(struct http_answer *answer)
{
	const struct http_stats *s = http_stats(server);

	set_text(answer,
		 "{\"2xx\":%" PRIu64 ",\"4xx\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"open\":%" PRIu64
		 ",\"streams\":%" PRIu64 ",\"streams_refused\":%" PRIu64 ",\"slow\":%" PRIu64 ",\"evicted\":%" PRIu64
		 ",\"late\":%" PRIu64 ",\"idle\":%" PRIu64 ",\"not_accepted\":%" PRIu64
		 ",\"handshakes_failed\":%" PRIu64 ",\"certificates_refused\":%" PRIu64 "}\n",
		 s->answers[2], s->answers[4], s->accepted, s->open, s->streams, s->streams_refused, s->slow,
		 s->evicted, s->late, s->idle, s->not_accepted, s->handshakes_failed, s->certificates_refused);
}

static void set_big(struct http_answer *answer)
{
	answer->body = malloc(BIG_BYTES);
	if (!answer->body)
		return;
	memset(answer->body, 'x', BIG_BYTES);
	answer->len = BIG_BYTES;
}

/* --- streams --- */

struct source {
	unsigned reported; /* of rings */
	unsigned lines;
};

static unsigned rings;
static int ring_fd;

static void heard_rings(void *user)
{
	eventfd_t count;

	(void)user;
	(void)eventfd_read(ring_fd, &count);
}

/* A line for each /ring so far, "ring 1"; streams and rings may come in any order. */
static uint64_t put_rings(struct text *out, void *user)
{
	struct source *s = user;

	while (s->reported < rings) {
		text_put(out, "ring ");
		text_number(out, ++s->reported);
		text_put(out, "\n");
	}
	return UINT64_MAX;
}

#define TICK_USEC (10 * USEC_PER_MSEC)
#define TICKS 3

/* Three lines, by the clock; then the end. */
static uint64_t put_ticks(struct text *out, void *user)
{
	struct source *s = user;

	text_put(out, "tick\n");
	return ++s->lines == TICKS ? HTTP_STREAM_ENDS : now_usec() + TICK_USEC;
}

/* There is always more. */
static uint64_t put_flood(struct text *out, void *user)
{
	(void)user;
	text_reserve(out, BIG_BYTES / 16);
	for (unsigned i = 0; i < BIG_BYTES / 16 / 16; i++)
		text_put(out, "a line of bytes\n");
	return now_usec();
}

static void set_stream(struct http_answer *answer, uint64_t (*more)(struct text *out, void *user))
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->reported = rings;
	answer->content_type = "text/plain; charset=utf-8";
	answer->source = (struct http_source){more, free, s};
}

static void ring(struct http_answer *answer)
{
	rings++;
	(void)eventfd_write(ring_fd, 1);
	set_text(answer, "%u\n", rings);
}

static void handle(const struct http_request *request, struct http_answer *answer, void *user)
{
	(void)user;
	answer->status = 200;
	if (strcmp(request->path, "/hello") == 0) {
		set_text(answer, "hello %s\n", request->accept ? request->accept : "-");
	} else if (strcmp(request->path, "/stats") == 0) {
		set_stats(answer);
	} else if (strcmp(request->path, "/big") == 0) {
		set_big(answer);
	} else if (strcmp(request->path, "/ring") == 0) {
		ring(answer);
	} else if (strcmp(request->path, "/rings") == 0) {
		set_stream(answer, put_rings);
	} else if (strcmp(request->path, "/ticks") == 0) {
		set_stream(answer, put_ticks);
	} else if (strcmp(request->path, "/flood") == 0) {
		set_stream(answer, put_flood);
	} else {
		answer->status = 404;
		set_text(answer, "no such page\n");
	}
}

static void take_option(struct http_options *opt, const char *name, const char *value)
{
	if (strcmp(name, "listen") == 0 && opt->n_listen < ADDRESS_LIST_MAX)
		opt->listen[opt->n_listen++] = value;
	else if (strcmp(name, "unix") == 0)
		opt->unix_socket = value;
	else if (strcmp(name, "cert") == 0)
		opt->cert = value;
	else if (strcmp(name, "key") == 0)
		opt->key = value;
	else if (strcmp(name, "ca") == 0)
		opt->ca = value;
	else if (strcmp(name, "clients") == 0)
		opt->max_clients = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(name, "timeout") == 0)
		opt->timeout_secs = (unsigned)strtoul(value, NULL, 10);
}

static int serve(const struct http_options *opt, char *error, size_t size)
{
	int r = http_new(&server, opt, handle, NULL, error, size);

	if (r < 0)
		return r;
	ring_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	http_follow(server, ring_fd, heard_rings, NULL);
	return http_start(server);
}

int main(int argc, char *argv[])
{
	struct http_options opt = {.max_clients = 64, .timeout_secs = 10};
	char error[512];
	sigset_t end;
	int received;

	for (int i = 1; i < argc; i++) {
		char *sign = strchr(argv[i], '=');

		if (!sign)
			return EXIT_FAILURE;
		*sign = '\0';
		take_option(&opt, argv[i], sign + 1);
	}
	(void)sigemptyset(&end);
	(void)sigaddset(&end, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &end, NULL);
	if (serve(&opt, error, sizeof(error)) < 0) {
		(void)fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	http_explain_missing(server, error, sizeof(error));
	(void)printf("ready %s\n", error);
	(void)fflush(stdout);
	(void)sigwait(&end, &received);
	http_free(server);
	return EXIT_SUCCESS;
}
