/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server by itself, with fixed pages, for tests/system/test_http.py. Arguments are name=value: listen (again
 * and again), unix, cert, key, ca, clients, timeout. Says "ready" and serves until SIGTERM; the exit status is 1 and
 * stderr says why when it cannot.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		 ",\"evicted\":%" PRIu64 ",\"late\":%" PRIu64 ",\"idle\":%" PRIu64 ",\"not_accepted\":%" PRIu64
		 ",\"handshakes_failed\":%" PRIu64 ",\"certificates_refused\":%" PRIu64 "}\n",
		 s->answers[2], s->answers[4], s->accepted, s->open, s->evicted, s->late, s->idle, s->not_accepted,
		 s->handshakes_failed, s->certificates_refused);
}

static void set_big(struct http_answer *answer)
{
	answer->body = malloc(BIG_BYTES);
	if (!answer->body)
		return;
	memset(answer->body, 'x', BIG_BYTES);
	answer->len = BIG_BYTES;
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
	if (http_new(&server, &opt, handle, NULL, error, sizeof(error)) < 0 || http_start(server) < 0) {
		(void)fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	(void)printf("ready %s\n", error);
	(void)fflush(stdout);
	(void)sigwait(&end, &received);
	http_free(server);
	return EXIT_SUCCESS;
}
