/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What supervisord says of its program portsyncd. tests/system/test_supervisor.py has the real one; here it is
 * simulated where it is absent, odd, or refuses. Its configuration file is the test's.
 */
#include "ctl/supervisor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answering.h"
#include "base/util.h"
#include "scratch.h"
#include "test.h"

#define TEXT_BYTES 2048
#define MEMBER(name, type, value)                                                                                      \
	"<member>\n<name>" name "</name>\n<value><" type ">" value "</" type "></value>\n</member>\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<?xml version='1.0'?><methodResponse>"
#define EXITED                                                                                                         \
	OK MEMBER("name", "string", "portsyncd") MEMBER("start", "int", "1792000000")                                  \
		MEMBER("stop", "int", "1792000100") MEMBER("statename", "string", "EXITED")                            \
			MEMBER("exitstatus", "int", "2") MEMBER("spawnerr", "string", "")

static struct {
	char text[TEXT_BYTES]; /* of supervisord.conf; "": it is not there */
} played;

struct fixture {
	char folder[SCRATCH_BYTES], socket[SCRATCH_BYTES + 8];
	struct answering server;
};

/* Its name where offsets have 64 bits (-D_FILE_OFFSET_BITS=64). */
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	if (strcmp(path, "/etc/supervisor/supervisord.conf") != 0)
		return __real_fopen64(path, mode);
	return played.text[0] != '\0' ? fmemopen(played.text, strlen(played.text), "r") : NULL;
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_make(fx->folder);
	(void)snprintf(fx->socket, sizeof(fx->socket), "%s/s", fx->folder);
	(void)snprintf(played.text, sizeof(played.text), "[unix_http_server]\nfile = %s ; the socket\n", fx->socket);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	answering_end(&fx->server, fx->socket);
	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

static void serve(struct fixture *fx, const char *answer, size_t times)
{
	answering_end(&fx->server, fx->socket);
	answering_start(&fx->server, fx->socket, "supervisord", answer, times);
}

static void assert_text(const json_t *object, const char *key, const char *text)
{
	const char *found = json_string_value(json_object_get(object, key));

	assert_non_null(found);
	assert_string_equal(found, text);
}

static json_int_t number_of(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static void a_program_that_ended_says_when_and_how(void **state)
{
	struct fixture *fx = *state;
	char request[TEXT_BYTES] = "";
	json_t *found;

	serve(fx, EXITED, 1);
	found = supervisor_ask();
	assert_text(found, "state", "EXITED");
	assert_text(found, "error", "");
	assert_int_equal(number_of(found, "since"), 1792000100);
	assert_int_equal(number_of(found, "status"), 2);
	json_decref(found);
	assert_true(read(fx->server.requests, request, sizeof(request) - 1) > 0);
	assert_non_null(strstr(request, "POST /RPC2 HTTP/1.0\r\n"));
	assert_non_null(strstr(request, "supervisor.getProcessInfo"));
	assert_null(strstr(request, "Authorization"));
}

static void one_that_runs_says_since_when(void **state)
{
	json_t *found;

	serve(*state,
	      OK MEMBER("start", "int", "1792000000") MEMBER("stop", "int", "0")
		      MEMBER("statename", "string", "RUNNING") MEMBER("exitstatus", "int", "0"),
	      1);
	found = supervisor_ask();
	assert_text(found, "state", "RUNNING");
	assert_int_equal(number_of(found, "since"), 1792000000);
	json_decref(found);
}

/* Why it could not be started; the text goes to a terminal. */
static void one_that_does_not_start_says_why(void **state)
{
	json_t *found;

	serve(*state,
	      OK MEMBER("statename", "string", "FATAL") MEMBER("spawnerr", "string", "can't find command\x1b[2J"), 1);
	found = supervisor_ask();
	assert_text(found, "state", "FATAL");
	assert_non_null(strstr(json_string_value(json_object_get(found, "error")), "can't find command"));
	assert_null(strchr(json_string_value(json_object_get(found, "error")), '\x1b'));
	assert_true(json_is_null(json_object_get(found, "since")));
	assert_true(json_is_null(json_object_get(found, "status")));
	json_decref(found);
}

static void the_password_of_its_file_goes_with_the_question(void **state)
{
	struct fixture *fx = *state;
	char request[TEXT_BYTES] = "";

	(void)snprintf(played.text, sizeof(played.text),
		       "; a comment\n[supervisord]\nfile=/nowhere\n[unix_http_server]\nusername = dummy\n"
		       "file=%s   \npassword\t=\tdummy ;secret\nfiles=/elsewhere\n[rpcinterface]\nfile=/wrong\n",
		       fx->socket);
	serve(fx, EXITED, 1);
	json_decref(supervisor_ask());
	assert_true(read(fx->server.requests, request, sizeof(request) - 1) > 0);
	assert_non_null(strstr(request, "\r\nAuthorization: Basic ZHVtbXk6ZHVtbXk=\r\n"));
}

static void where_it_is_not_there_nothing_is_known(void **state)
{
	struct fixture *fx = *state;
	int len;

	assert_null(supervisor_ask()); /* nobody listens */
	played.text[0] = '\0';
	assert_null(supervisor_ask());
	(void)snprintf(played.text, sizeof(played.text), "[supervisord]\nfile=%s\n", fx->socket);
	assert_null(supervisor_ask());
	len = snprintf(played.text, sizeof(played.text), "[unix_http_server]\nfile=/");
	memset(played.text + len, 'x', 200); /* more than a socket's path has */
	played.text[len + 200] = '\0';
	assert_null(supervisor_ask());
}

/* It has no program of that name, or is something else. */
static void an_answer_that_is_none_is_nothing(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\n\r\n<methodResponse><fault><value><struct>" MEMBER("faultCode", "int", "10")
			MEMBER("faultString", "string", "BAD_NAME: portsyncd"),
		"HTTP/1.1 401 Unauthorized\r\n\r\n",
		OK "<name>statename</name>",
		OK "<name>statename</name><value><string",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		serve(*state, answers[i], 1);
		assert_null(supervisor_ask());
	}
}

static void an_answer_without_end_is_given_up(void **state)
{
	serve(*state, EXITED, 1000000);
	assert_null(supervisor_ask());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_that_ended_says_when_and_how), TEST(one_that_runs_says_since_when),
		TEST(one_that_does_not_start_says_why),       TEST(the_password_of_its_file_goes_with_the_question),
		TEST(where_it_is_not_there_nothing_is_known), TEST(an_answer_that_is_none_is_nothing),
		TEST(an_answer_without_end_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
