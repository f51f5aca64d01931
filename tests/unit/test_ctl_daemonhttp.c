/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What portsyncctl says about a daemon that is absent, hung, another version, or no daemon at all. A thread simulates
 * it: it accepts a connection, answers, and hangs up.
 */
#include "ctl/daemonhttp.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl/follow.h"
#include "scratch.h"
#include "test.h"

#define OK "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define SILENCE NULL
#define REQUEST_BYTES 512

struct fixture {
	struct ctl ctl;
	char folder[SCRATCH_BYTES];
	int listener;
	bool serves;
	pthread_t thread;
	const char *const *answers;
	size_t n;
	char request[REQUEST_BYTES]; /* the last one */
	unsigned hellos, changes, lost;
	char version[32];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	config_defaults(&fx->ctl.config);
	scratch_make(fx->folder);
	(void)snprintf(fx->ctl.config.http_unix_socket, sizeof(fx->ctl.config.http_unix_socket), "%s/http", fx->folder);
	fx->listener = -1;
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	if (fx->serves)
		assert_int_equal(pthread_join(fx->thread, NULL), 0);
	close_fd(&fx->listener);
	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

static void listen_there(struct fixture *fx)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, fx->ctl.config.http_unix_socket, strlen(fx->ctl.config.http_unix_socket));
	fx->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fx->listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fx->listener, 4), 0);
}

/* Reads the head of a request; nothing else is sent. */
static void read_request(struct fixture *fx, int fd)
{
	size_t len = 0;

	memset(fx->request, 0, sizeof(fx->request));
	while (len < REQUEST_BYTES - 1 && !strstr(fx->request, "\r\n\r\n")) {
		ssize_t n = recv(fd, fx->request + len, REQUEST_BYTES - 1 - len, 0);

		if (n <= 0)
			return;
		len += (size_t)n;
	}
}

static void *serve(void *user)
{
	struct fixture *fx = user;
	char rest;

	for (size_t i = 0; i < fx->n; i++) {
		int fd = accept(fx->listener, NULL, NULL);

		read_request(fx, fd);
		if (fx->answers[i] != SILENCE)
			(void)send(fd, fx->answers[i], strlen(fx->answers[i]), MSG_NOSIGNAL);
		else
			(void)recv(fd, &rest, 1, 0); /* until the other end has enough */
		(void)close(fd);
	}
	return NULL;
}

static void serve_answers(struct fixture *fx, const char *const *answers, size_t n)
{
	listen_there(fx);
	fx->answers = answers;
	fx->n = n;
	fx->serves = true;
	assert_int_equal(pthread_create(&fx->thread, NULL, serve, fx), 0);
}

#define SERVE(fx, ...)                                                                                                 \
	static const char *const answers[] = {__VA_ARGS__};                                                            \
	serve_answers(fx, answers, ARRAY_SIZE(answers))

static void assert_reported(const struct fixture *fx, const char *message, const char *remedy)
{
	assert_int_equal(fx->ctl.error.code, CTL_NO_DAEMON);
	if (!strstr(fx->ctl.error.message, message))
		fail_msg("\"%s\" is not in: %s", message, fx->ctl.error.message);
	if (!strstr(fx->ctl.error.remedy, remedy))
		fail_msg("\"%s\" is not in: %s", remedy, fx->ctl.error.remedy);
}

static void no_document(struct fixture *fx, const char *message, const char *remedy)
{
	json_t *json = json_null();

	assert_int_equal(daemonhttp_json(&fx->ctl, "/ports", JSON_ARRAY, "ports", &json), -1);
	assert_null(json);
	assert_reported(fx, message, remedy);
}

/* --- a page --- */

static void a_page(void **state)
{
	struct fixture *fx = *state;
	json_t *json;

	SERVE(fx, OK "{\"ports\": []}");
	assert_int_equal(daemonhttp_json(&fx->ctl, "/ports", JSON_ARRAY, "ports", &json), 0);
	assert_true(json_is_array(json_object_get(json, "ports")));
	json_decref(json);
	assert_ptr_equal(strstr(fx->request, "GET /ports HTTP/1.0\r\n"), fx->request);
}

static void a_page_that_is_posted_to(void **state)
{
	struct fixture *fx = *state;
	struct text body;
	unsigned status;

	SERVE(fx, "HTTP/1.1 202 Accepted\r\n\r\nsoon");
	assert_int_equal(daemonhttp_post(&fx->ctl, "/recording", &body, &status), 0);
	assert_int_equal(status, 202);
	assert_true(body.len == 4 && memcmp(body.data, "soon", 4) == 0);
	free(body.data);
	assert_ptr_equal(strstr(fx->request, "POST /recording HTTP/1.0\r\n"), fx->request);
}

static void nobody_is_there(void **state)
{
	struct fixture *fx = *state;

	no_document(fx, "does not exist", "systemctl");
	listen_there(fx);
	(void)close(fx->listener); /* as one that was killed leaves it */
	fx->listener = -1;
	no_document(fx, "nothing listens", "systemctl");
	fx->ctl.config.http_unix_socket[0] = '\0';
	no_document(fx, "http.unix_socket is empty", "--socket");
	memset(fx->ctl.config.http_unix_socket, 'x', 200);
	no_document(fx, "File name too long", "");
	fx->ctl.config.http_unix_socket[0] = '\0';
}

static void one_that_says_nothing(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, SILENCE);
	no_document(fx, "does not answer: nothing at ", "stopped (T)");
}

static void another_version(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, "HTTP/1.0 404 Not Found\r\n\r\nno such page\n", "HTTP/1.0 503 Service Unavailable\r\n\r\n");
	no_document(fx, "answers /ports with status 404", "older version");
	no_document(fx, "answers /ports with status 503", "");
}

static void no_daemon_at_all(void **state)
{
	static const char html[] = OK "<html>";
	struct fixture *fx = *state;

	SERVE(fx, "-ERR unknown command\r\n\r\n", "", "HTTP/1.0 200 OK\r\n", html, OK);
	no_document(fx, "Protocol error", "");
	no_document(fx, "closed the connection before its answer was complete", "doctor");
	no_document(fx, "closed the connection before its answer was complete", "doctor");
	no_document(fx, "is not JSON: ", "");
	no_document(fx, "is not JSON: ", "");
}

/* A part of a recording would be taken for all of it. */
static void an_answer_that_breaks_off(void **state)
{
	struct fixture *fx = *state;
	struct text body;
	unsigned status;

	SERVE(fx, "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nfour",
	      "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfour");
	assert_int_equal(daemonhttp_get(&fx->ctl, "/recording", &body, &status), -1);
	assert_reported(fx, "closed the connection before its answer was complete", "doctor");
	assert_int_equal(daemonhttp_get(&fx->ctl, "/recording", &body, &status), 0);
	assert_int_equal(body.len, 4);
	free(body.data);
}

static void a_page_without_what_it_is_read_for(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, OK "{}", OK "[]", OK "{\"ports\": 5}", OK "{\"ports\": [{}, 5]}");
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		no_document(fx, "answer to /ports does not have \"ports\"", "another version");
}

static void a_head_without_an_end(void **state)
{
	struct fixture *fx = *state;
	static char head[65536];
	static const char *const answers[] = {head};
	const char *begin = "HTTP/1.0 200 ";

	memset(head, 'x', sizeof(head) - 1);
	for (size_t i = 0; begin[i]; i++)
		head[i] = begin[i];
	serve_answers(fx, answers, 1);
	no_document(fx, "Protocol error", "");
}

static void a_target_that_no_request_holds(void **state)
{
	struct fixture *fx = *state;
	static char target[8192];
	struct text body;
	unsigned status;

	SERVE(fx, "");
	memset(target, 'x', sizeof(target) - 1);
	assert_int_equal(daemonhttp_get(&fx->ctl, target, &body, &status), -1);
	assert_reported(fx, "File name too long", "");
	assert_null(body.data);
}

/* --- the stream of changes --- */

static void on_hello(const char *version, void *user)
{
	struct fixture *fx = user;

	fx->hellos++;
	(void)snprintf(fx->version, sizeof(fx->version), "%s", version);
}

static bool on_change(json_t *change, void *user)
{
	struct fixture *fx = user;

	fx->changes++;
	return strcmp(json_string_value(json_object_get(change, "port")), "Ethernet9") != 0;
}

static void on_lost(long long lost, void *user)
{
	((struct fixture *)user)->lost += (unsigned)lost;
}

static const struct follow_ops ops = {.hello = on_hello, .change = on_change, .lost = on_lost};

/* Until it is no more. */
static enum follow_outcome follow_to_the_end(struct fixture *fx)
{
	struct follow *f = follow_open(&fx->ctl, &ops, fx);
	enum follow_outcome outcome;

	if (!f)
		fail_msg("%s", fx->ctl.error.message);
	while ((outcome = follow_read(f)) == FOLLOW_MORE) {
		struct pollfd more = {.fd = follow_fd(f), .events = POLLIN};

		assert_int_equal(poll(&more, 1, follow_patience_ms(f)), 1);
	}
	follow_close(f);
	return outcome;
}

static void changes_until_no_more_are_wanted(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx,
	      OK "{\"hello\": {\"version\": \"1.2\"}}\n{}\n{\"port\": \"Ethernet0\"}\n{\"lost\": 3}\n{\"newer\": 1}\n"
		 "{\"port\": \"Ethernet9\"}\n{\"port\": \"Ethernet0\"}\n");
	assert_int_equal(follow_to_the_end(fx), FOLLOW_ENDED);
	assert_int_equal(fx->hellos, 1);
	assert_string_equal(fx->version, "1.2");
	assert_int_equal(fx->changes, 2);
	assert_int_equal(fx->lost, 3);
}

static void lines_of_something_else(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, OK "{\"hello\": {}}\n[1, 2]\n", OK "{\"port\"\n");
	assert_int_equal(follow_to_the_end(fx), FOLLOW_FAILED);
	assert_reported(fx, "sent what is not a line of changes", "");
	assert_string_equal(fx->version, "?");
	assert_int_equal(follow_to_the_end(fx), FOLLOW_FAILED);
	assert_reported(fx, "sent what is not a line of changes", "");
}

/* The daemon has ended, or only the stream: the user learns which. */
static void the_stream_ends(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, OK "{}\n{\"cut", "HTTP/1.0 200 OK\r\n\r\n", OK);
	assert_int_equal(follow_to_the_end(fx), FOLLOW_FAILED);
	assert_reported(fx, "has closed the stream: it was restarted", "");
	assert_int_equal(pthread_cancel(fx->thread), 0);
	assert_int_equal(pthread_join(fx->thread, NULL), 0);
	fx->serves = false;
	close_fd(&fx->listener);
	fx->listener = -1;
	assert_int_equal(unlink(fx->ctl.config.http_unix_socket), 0);
	assert_null(follow_open(&fx->ctl, &ops, fx));
	assert_reported(fx, "does not exist", "systemctl");
}

static void the_daemon_ends(void **state)
{
	struct fixture *fx = *state;
	struct follow *f;
	enum follow_outcome outcome;

	SERVE(fx, OK "{}\n");
	f = follow_open(&fx->ctl, &ops, fx);
	assert_non_null(f);
	assert_int_equal(pthread_join(fx->thread, NULL), 0);
	fx->serves = false;
	close_fd(&fx->listener);
	fx->listener = -1;
	while ((outcome = follow_read(f)) == FOLLOW_MORE)
		;
	assert_int_equal(outcome, FOLLOW_FAILED);
	assert_reported(fx, "has ended: there are no more changes", "doctor");
	follow_close(f);
}

static void no_stream(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, "HTTP/1.0 404 Not Found\r\n\r\n");
	assert_null(follow_open(&fx->ctl, &ops, fx));
	assert_reported(fx, "answers /watch with status 404", "older version");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page),
		TEST(a_page_that_is_posted_to),
		TEST(nobody_is_there),
		TEST(one_that_says_nothing),
		TEST(another_version),
		TEST(no_daemon_at_all),
		TEST(an_answer_that_breaks_off),
		TEST(a_page_without_what_it_is_read_for),
		TEST(a_head_without_an_end),
		TEST(a_target_that_no_request_holds),
		TEST(changes_until_no_more_are_wanted),
		TEST(lines_of_something_else),
		TEST(the_stream_ends),
		TEST(the_daemon_ends),
		TEST(no_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
