/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no real client; the rest is in tests/system/test_http.py and test_http_tls.py. */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/util.h"
#include "http/pieces.h"
#include "log_catcher.h"
#include "patience.h"
#include "scratch.h"
#include "test.h"

#define NO_ADDRESS "is not an address; allowed: 127.0.0.1:10187, [::1]:10187"
#define PAGE "hello\n"
#define LONG_BYTES 200000 /* of page /long, which is given in pieces */

/* What another thread does. */
#define AWAIT(condition)                                                                                               \
	for (uint64_t until_ = patience_ends_usec(); !(condition); (void)poll(NULL, 0, 1))                             \
	assert_true(now_usec() < until_)

struct fixture {
	struct log_catcher catcher;
	char folder[SCRATCH_BYTES], path[96]; /* where the Unix socket is to be */
	char address[32];                     /* on a loopback address of this process alone */
	char error[512];
	struct http *http;
	unsigned handled;
};

static const struct {
	const char *text;
	bool loopback;
} addresses[] = {
	{"127.0.0.1:10187", true},
	{"127.255.255.254:1", true},
	{"[::1]:65535", true},
	{"0.0.0.0:10187", false},
	{"126.255.255.255:1", false},
	{"128.0.0.1:1", false},
	{"[::]:10187", false},
	{"[::2]:10187", false},
	{"[fe80::1]:10187", false},
	{"10.0.0.1:09090", false},
	{"[2001:db8::127.0.0.1]:1", false},
};

static void addresses_it_listens_on(void **state)
{
	struct address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		assert_int_equal(address_parse(addresses[i].text, &address), 0);
		assert_int_equal(address_is_loopback(&address), addresses[i].loopback);
	}
}

static const char *const no_addresses[] = {
	"",
	":",
	":10187",
	"10187",
	"127.0.0.1",
	"127.0.0.1:",
	"127.0.0.1:0",
	"127.0.0.1:65536",
	"127.0.0.1:+1",
	"127.0.0.1: 1",
	"127.0.0.1:1 ",
	" 127.0.0.1:1",
	"127.1:10187",
	"0x7f.0.0.1:1",
	"localhost:10187",
	"::1:10187",
	"[::1]",
	"[::1]10187",
	"[::1]:",
	"[]:10187",
	"[:10187",
	"[::1:10187",
	"[127.0.0.1]:10187",
	"[::ffff:127.0.0.1]:10187",
	"[::1%lo]:10187",
	"127.0.0.1:000001",
	"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee]:1",
};

static void what_is_no_address(void **state)
{
	struct address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no_addresses); i++)
		assert_int_equal(address_parse(no_addresses[i], &address), -EINVAL);
}

static struct http_options options(const struct fixture *fx)
{
	return (struct http_options){
		.listen = {fx->address}, .n_listen = 1, .unix_socket = fx->path, .max_clients = 4, .timeout_secs = 10};
}

static void assert_refused(struct fixture *fx, const struct http_options *opt, const char *text)
{
	assert_int_equal(http_options_check(opt, fx->error, sizeof(fx->error)), -EINVAL);
	assert_string_equal(fx->error, text);
	assert_int_equal(http_check(opt, fx->error, sizeof(fx->error)), -EINVAL);
	assert_string_equal(fx->error, text);
}

static void options_that_do_not_fit(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);

	assert_int_equal(http_check(&opt, fx->error, sizeof(fx->error)), 0);
	opt.cert = "/c";
	assert_refused(fx, &opt, "http.cert, http.key: one is set without the other; allowed: both or neither");
	opt.cert = NULL;
	opt.key = "/k";
	assert_refused(fx, &opt, "http.cert, http.key: one is set without the other; allowed: both or neither");
	opt.key = NULL;
	opt.ca = "/a";
	assert_refused(fx, &opt, "http.ca: set without http.cert and http.key; allowed: all three");
	opt.ca = NULL;
	opt.listen[0] = "there\n:1";
	assert_refused(fx, &opt, "http.listen: \"there\\x0a:1\" " NO_ADDRESS);
	opt.n_listen = 0;
	assert_int_equal(http_check(&opt, fx->error, sizeof(fx->error)), 0);
	opt.unix_socket = NULL;
	assert_refused(fx, &opt, "http.listen, http.unix_socket: both are empty; allowed: one of them");
}

/* Files are not read for the first verdict; an address that would need more is refused before they are. */
static void addresses_for_other_machines(void **state)
{
	static const char text[] = "http.listen: 192.0.2.1:1 can be reached from other machines and asks for no client "
				   "certificate; allowed: set http.cert, http.key and http.ca, or listen on 127.0.0.1 "
				   "and [::1] only";
	struct fixture *fx = *state;
	struct http_options opt = options(fx);

	opt.listen[opt.n_listen++] = "192.0.2.1:1";
	assert_refused(fx, &opt, text);
	opt.cert = opt.key = "/does/not/exist";
	assert_refused(fx, &opt, text);
	assert_int_equal(http_new(&fx->http, &opt, NULL, NULL, fx->error, sizeof(fx->error)), -EINVAL);
	assert_string_equal(fx->error, text);
	assert_null(fx->http);
	opt.ca = "/does/not/exist";
	assert_int_equal(http_options_check(&opt, fx->error, sizeof(fx->error)), 0);
	assert_int_equal(http_check(&opt, fx->error, sizeof(fx->error)), -ENOENT);
}

/* What a request for it brought, a line each. */
static void list_query(const struct http_request *request, struct http_answer *answer)
{
	FILE *out = open_memstream(&answer->body, &answer->len);

	assert_non_null(out);
	(void)fprintf(out, "%s port=%s none=%s\n", request->post ? "POST" : "GET", http_argument(request, "port"),
		      http_argument(request, "none") ? "is there" : "is not");
	for (size_t i = 0; i < request->n_query; i++)
		(void)fprintf(out, "%s=%s\n", request->query[i].name, request->query[i].value);
	assert_int_equal(fclose(out), 0);
	answer->status = 200;
}

/* No piece of it is like another. */
static char *long_body(void)
{
	char *body = calloc(1, LONG_BYTES + 1);

	assert_non_null(body);
	for (size_t i = 0; i < LONG_BYTES; i += 8)
		(void)snprintf(body + i, 9, "%07zu,", i);
	return body;
}

static void handle(const struct http_request *request, struct http_answer *answer, void *user)
{
	struct fixture *fx = user;

	fx->handled++;
	if (strcmp(request->path, "/nothing") == 0)
		return;
	if (strcmp(request->path, "/query") == 0) {
		list_query(request, answer);
		return;
	}
	answer->status = 200;
	if (strcmp(request->path, "/long") == 0) {
		answer->body = long_body();
		answer->len = LONG_BYTES;
		return;
	}
	answer->body = strdup(PAGE);
	answer->len = strlen(PAGE);
}

static int start(struct fixture *fx, const struct http_options *opt)
{
	int r = http_new(&fx->http, opt, handle, fx, fx->error, sizeof(fx->error));

	if (r < 0)
		return r;
	http_explain_missing(fx->http, fx->error, sizeof(fx->error));
	return http_start(fx->http);
}

static void stop(struct fixture *fx)
{
	http_free(fx->http);
	fx->http = NULL;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The whole answer, up to where the server closes. Closes fd, returns the answer's length. */
static size_t ask_by(int fd, const char *method, const char *path, char *answer, size_t size)
{
	char request[256];
	ssize_t n;
	size_t at = 0;

	(void)snprintf(request, sizeof(request),
		       "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", method, path);
	assert_int_equal(write_all(fd, request, strlen(request)), 0);
	while ((n = read(fd, answer + at, size - 1 - at)) > 0)
		at += (size_t)n;
	answer[at] = '\0';
	assert_int_equal(close(fd), 0);
	return at;
}

static size_t ask_method(const struct fixture *fx, const char *method, const char *path, char *answer, size_t size)
{
	return ask_by(connect_unix(fx->path), method, path, answer, size);
}

static size_t ask(const struct fixture *fx, const char *path, char *answer, size_t size)
{
	return ask_method(fx, "GET", path, answer, size);
}

static void pages_are_the_handlers(void **state)
{
	static const char *const headers[] = {
		"\r\nCache-Control: no-store\r\n",
		"\r\nX-Content-Type-Options: nosniff\r\n",
		"\r\nReferrer-Policy: no-referrer\r\n",
		"\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
		"\r\nVary: Accept, Accept-Encoding\r\n",
	};
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	const struct http_stats *stats;
	char answer[1024];

	assert_int_equal(start(fx, &opt), 0);
	assert_string_equal(fx->error, "");
	ask(fx, "/a%2fb%0a", answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\n" PAGE));
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		assert_non_null(strstr(answer, headers[i]));
	assert_null(strstr(answer, "\r\nAllow: "));
	ask(fx, "/nothing", answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 500 "));
	stats = http_stats(fx->http);
	assert_int_equal(stats->accepted, 2);
	assert_int_equal(stats->answers[2], 1);
	assert_int_equal(stats->answers[5], 1);
	stop(fx);
	assert_int_equal(fx->handled, 2);
}

static void arguments_of_a_query(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	char answer[4096], many[100] = "/query?";

	assert_int_equal(start(fx, &opt), 0);
	ask(fx, "/query?port=Ethernet0&port=b%20%26&x&=y&port%3D=1", answer, sizeof(answer));
	assert_non_null(strstr(answer, "\r\n\r\nGET port=Ethernet0 none=is not\n"
				       "port=Ethernet0\nport=b &\nx=\n=y\nport==1\n"));
	for (unsigned i = 0; i < HTTP_ARGUMENTS_MAX + 1; i++)
		(void)strcat(many, "a=b&");
	ask(fx, many, answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	stop(fx);
}

static int connect_tcp(const struct fixture *fx)
{
	struct address address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(address_parse(fx->address, &address), 0);
	assert_int_equal(connect(fd, &address.sa.any, address.len), 0);
	return fd;
}

/* The Unix socket has a POST for pages that take one; TCP has none. */
static void a_post(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	char answer[1024];
	unsigned handled;

	assert_int_equal(start(fx, &opt), 0);
	ask_method(fx, "POST", "/query?port=1", answer, sizeof(answer));
	assert_non_null(strstr(answer, "\r\n\r\nPOST port=1 none=is not\n"));
	ask_method(fx, "PUT", "/query?port=1", answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 405 "));
	assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
	handled = fx->handled;
	ask_by(connect_tcp(fx), "POST", "/query?port=1", answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 405 "));
	stop(fx);
	assert_int_equal(fx->handled, handled);
}

static void post_too_long_a_body(const struct fixture *fx)
{
	static const char head[] = "POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
	char rest[1000] = {0};
	size_t sent = 0;
	int fd = connect_unix(fx->path);

	assert_int_equal(write_all(fd, head, sizeof(head) - 1), 0);
	while (sent < 1000000 && send(fd, rest, sizeof(rest), MSG_NOSIGNAL) > 0)
		sent += sizeof(rest);
	assert_true(sent < 1000000);
	assert_int_equal(close(fd), 0);
}

/* An endless one must not keep the thread busy. Without the limit most clients can send theirs, but not all. */
static void a_body_that_is_too_long(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);

	assert_int_equal(start(fx, &opt), 0);
	for (unsigned i = 0; i < 8; i++)
		post_too_long_a_body(fx);
	stop(fx);
	assert_int_equal(fx->handled, 0);
}

/* --- clients that arrive when libmicrohttpd 1.0 lets them --- */

enum MHD_Result __real_MHD_add_connection(struct MHD_Daemon *daemon, MHD_socket fd, const struct sockaddr *address,
					  socklen_t len);
enum MHD_Result __wrap_MHD_add_connection(struct MHD_Daemon *daemon, MHD_socket fd, const struct sockaddr *address,
					  socklen_t len);
enum MHD_Result __real_MHD_run(struct MHD_Daemon *daemon);
enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon);

/* Of the thread of HTTP while there is one; test_http.c is linked with --wrap. */
static struct late {
	bool on;
	unsigned lost; /* so many are closed without a word, as when memory ran out */
	size_t n, most;
	struct MHD_Daemon *daemon;
	MHD_socket fds[8];
	struct sockaddr address;
	socklen_t len;
} late;

enum MHD_Result __wrap_MHD_add_connection(struct MHD_Daemon *daemon, MHD_socket fd, const struct sockaddr *address,
					  socklen_t len)
{
	if (!late.on)
		return __real_MHD_add_connection(daemon, fd, address, len);
	late.daemon = daemon;
	late.address = *address;
	late.len = MIN(len, (socklen_t)sizeof(late.address));
	late.fds[late.n++] = fd;
	late.most = MAX(late.most, late.n);
	return MHD_YES;
}

/* The last one first: no order of theirs may matter. */
enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon)
{
	while (late.n > 0 && daemon == late.daemon) {
		MHD_socket fd = late.fds[--late.n];

		if (late.lost == 0) {
			(void)__real_MHD_add_connection(daemon, fd, &late.address, late.len);
		} else {
			(void)close(fd);
			late.lost--;
		}
	}
	return __real_MHD_run(daemon);
}

static void expect_page(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	char answer[1024];
	ssize_t n;
	size_t at = 0;

	assert_int_equal(write_all(fd, request, sizeof(request) - 1), 0);
	while ((n = read(fd, answer + at, sizeof(answer) - 1 - at)) > 0)
		at += (size_t)n;
	answer[at] = '\0';
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	assert_int_equal(close(fd), 0);
}

static void clients_arrive_late(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	int fds[4];

	late = (struct late){.on = true};
	assert_int_equal(http_new(&fx->http, &opt, handle, fx, fx->error, sizeof(fx->error)), 0);
	/* They wait in the queue of the socket, so all are accepted in one turn. */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_unix(fx->path);
	assert_int_equal(http_start(fx->http), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		expect_page(fds[i]);
	stop(fx);
	assert_int_equal(late.most, ARRAY_SIZE(fds));
	late = (struct late){0};
}

/* A client that MHD drops before it arrived is counted no longer. */
static void a_client_that_never_arrives(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	char byte;

	late = (struct late){.on = true, .lost = 2 * opt.max_clients};
	assert_int_equal(start(fx, &opt), 0);
	for (unsigned i = 0; i < 2 * opt.max_clients; i++) {
		int fd = connect_unix(fx->path);

		assert_int_equal(read(fd, &byte, 1), 0);
		assert_int_equal(close(fd), 0);
	}
	expect_page(connect_unix(fx->path));
	assert_int_equal(http_stats(fx->http)->evicted, 0);
	stop(fx);
	late = (struct late){0};
}

/* --- what is refused to the server --- */

enum refused { ACCEPT, CLIENT_MEMORY, ANSWER, REFUSABLE };

/* What the last answer in pieces gave to MHD. */
static struct pieces {
	MHD_ContentReaderCallback read;
	void *user;
} pieces;

/* For each, how many calls are still granted before one is refused; negative: all are. */
static _Atomic int granted[REFUSABLE] = {-1, -1, -1};

static atomic_bool no_descriptor; /* every accept4() is refused */

static bool is_refused(enum refused what)
{
	return atomic_load(&granted[what]) >= 0 && atomic_fetch_sub(&granted[what], 1) == 0;
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
struct MHD_Response *__real_MHD_create_response_from_buffer(size_t len, void *body, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t len, void *body, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__real_MHD_create_response_from_callback(uint64_t len, size_t piece,
							      MHD_ContentReaderCallback read, void *user,
							      MHD_ContentReaderFreeCallback end);
struct MHD_Response *__wrap_MHD_create_response_from_callback(uint64_t len, size_t piece,
							      MHD_ContentReaderCallback read, void *user,
							      MHD_ContentReaderFreeCallback end);
enum MHD_Result __real_MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value);
enum MHD_Result __wrap_MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value);
enum MHD_Result __real_MHD_queue_response(struct MHD_Connection *connection, unsigned status,
					  struct MHD_Response *response);
enum MHD_Result __wrap_MHD_queue_response(struct MHD_Connection *connection, unsigned status,
					  struct MHD_Response *response);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (!is_refused(ACCEPT) && !atomic_load(&no_descriptor))
		return __real_accept4(fd, address, len, flags);
	errno = EMFILE;
	return -1;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_refused(CLIENT_MEMORY) ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
	return is_refused(ANSWER) ? NULL : __real_malloc(size);
}

struct MHD_Response *__wrap_MHD_create_response_from_callback(uint64_t len, size_t piece,
							      MHD_ContentReaderCallback read, void *user,
							      MHD_ContentReaderFreeCallback end)
{
	pieces = (struct pieces){read, user};
	return is_refused(ANSWER) ? NULL : __real_MHD_create_response_from_callback(len, piece, read, user, end);
}

struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t len, void *body, enum MHD_ResponseMemoryMode mode)
{
	return is_refused(ANSWER) ? NULL : __real_MHD_create_response_from_buffer(len, body, mode);
}

enum MHD_Result __wrap_MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value)
{
	return is_refused(ANSWER) ? MHD_NO : __real_MHD_add_response_header(response, name, value);
}

enum MHD_Result __wrap_MHD_queue_response(struct MHD_Connection *connection, unsigned status,
					  struct MHD_Response *response)
{
	return is_refused(ANSWER) ? MHD_NO : __real_MHD_queue_response(connection, status, response);
}

/* Its client sees the connection close, and may ask again. Returns the length of the first answer that it gets. */
static size_t ask_until_made(struct fixture *fx, const char *path, char *answer, size_t size)
{
	struct http_options opt = options(fx);
	size_t len;
	int n = 0;

	assert_int_equal(start(fx, &opt), 0);
	for (;; n++) {
		atomic_store(&granted[ANSWER], n);
		len = ask(fx, path, answer, size);
		if (len > 0)
			break;
	}
	atomic_store(&granted[ANSWER], -1);
	assert_true(n > 5);
	stop(fx);
	assert_int_equal(fx->handled, n + 1);
	return len;
}

static void an_answer_that_cannot_be_made_is_none(void **state)
{
	char answer[1024];

	(void)ask_until_made(*state, "/", answer, sizeof(answer));
	assert_non_null(strstr(answer, "\r\n\r\n" PAGE));
}

static void a_long_answer_comes_whole_or_not_at_all(void **state)
{
	static char answer[LONG_BYTES + 1024];
	size_t len = ask_until_made(*state, "/long", answer, sizeof(answer));
	char *body cleanup(free_ptr) = long_body();
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	assert_int_equal(len - (size_t)(end + 4 - answer), LONG_BYTES);
	assert_memory_equal(end + 4, body, LONG_BYTES);
}

static void count_taken(void *user)
{
	++*(unsigned *)user;
}

/* So its client, which reads slowly, has its time again. */
static void each_piece_that_is_taken_is_reported(void **state)
{
	char *body = long_body(), out[PIECE_BYTES];
	unsigned taken = 0;
	struct MHD_Response *response = pieces_response(body, LONG_BYTES, count_taken, &taken);

	(void)state;
	assert_non_null(response);
	assert_int_equal(pieces.read(pieces.user, 0, out, sizeof(out)), sizeof(out));
	assert_int_equal(taken, 1);
	assert_int_equal(pieces.read(pieces.user, sizeof(out), out, 100), 100);
	assert_memory_equal(out, body + PIECE_BYTES, 100);
	assert_int_equal(taken, 2);
	assert_int_equal(pieces.read(pieces.user, LONG_BYTES - 7, out, sizeof(out)), 7);
	assert_int_equal(taken, 3);
	assert_int_equal(pieces.read(pieces.user, LONG_BYTES, out, sizeof(out)), MHD_CONTENT_READER_END_OF_STREAM);
	assert_int_equal(taken, 3);
	MHD_destroy_response(response);
}

/* The client waits in the queue of the socket meanwhile. */
static void without_a_descriptor_a_client_waits(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);

	assert_int_equal(start(fx, &opt), 0);
	atomic_store(&granted[ACCEPT], 0);
	expect_page(connect_unix(fx->path));
	assert_int_equal(http_stats(fx->http)->not_accepted, 1);
	stop(fx);
}

/* Else the thread would ask the kernel for it without a pause, for as long as the client waits. */
static void without_a_descriptor_the_thread_rests(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	uint64_t began;
	int fd;

	assert_int_equal(start(fx, &opt), 0);
	atomic_store(&no_descriptor, true);
	began = now_usec();
	fd = connect_unix(fx->path);
	AWAIT(http_stats(fx->http)->not_accepted >= 4);
	assert_true(now_usec() - began >= 3 * 100 * USEC_PER_MSEC);
	atomic_store(&no_descriptor, false);
	expect_page(fd);
	stop(fx);
}

/* A client that said nothing for timeout_secs, and one that asked nothing more. */
static void who_says_nothing_has_to_go(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	const struct http_stats *stats;
	int silent, served;
	char bytes[1024];

	opt.timeout_secs = 1;
	assert_int_equal(start(fx, &opt), 0);
	stats = http_stats(fx->http);
	silent = connect_unix(fx->path);
	assert_int_equal(read(silent, bytes, sizeof(bytes)), 0);
	AWAIT(stats->late + stats->idle == 1);
	assert_int_equal(stats->late, 1);
	served = connect_unix(fx->path);
	assert_int_equal(write_all(served, request, sizeof(request) - 1), 0);
	while (read(served, bytes, sizeof(bytes)) > 0)
		;
	AWAIT(stats->late + stats->idle == 2);
	assert_int_equal(stats->idle, 1);
	assert_int_equal(stats->answers[2], 1);
	assert_int_equal(close(silent), 0);
	assert_int_equal(close(served), 0);
	stop(fx);
}

static void without_memory_a_client_is_sent_away(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	char byte;
	int fd;

	assert_int_equal(start(fx, &opt), 0);
	atomic_store(&granted[CLIENT_MEMORY], 0);
	fd = connect_unix(fx->path);
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_int_equal(close(fd), 0);
	expect_page(connect_unix(fx->path));
	assert_int_equal(http_stats(fx->http)->not_accepted, 1);
	stop(fx);
}

/* With clients there, too. */
static void the_end_leaves_nothing_behind(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	int fd;
	char byte;

	http_free(NULL);
	assert_int_equal(start(fx, &opt), 0);
	fd = connect_unix(fx->path);
	stop(fx);
	assert_true(read(fd, &byte, 1) <= 0); /* a reset, if it was not accepted yet */
	assert_int_equal(close(fd), 0);
	assert_int_equal(access(fx->path, F_OK), -1);
	assert_int_equal(start(fx, &opt), 0);
}

/* Two servers of the same addresses: the second has nothing until the first ends. */
static void addresses_that_are_taken(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	struct http *first;
	char expected[512], answer[1024], name[16]; /* test_http, but under an emulator */

	assert_int_equal(start(fx, &opt), 0);
	first = fx->http;
	assert_int_equal(start(fx, &opt), 0);
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	(void)snprintf(expected, sizeof(expected), "%s: in use by %s, process %d, %s: in use by %s, process %d",
		       fx->address, name, getpid(), fx->path, name, getpid());
	assert_string_equal(fx->error, expected);
	assert_int_equal(http_stats(fx->http)->missing, 2);
	assert_false(http_retry(fx->http));
	http_free(first);
	assert_true(http_retry(fx->http));
	assert_int_equal(http_stats(fx->http)->missing, 0);
	assert_int_equal(http_stats(fx->http)->listening, 2);
	ask(fx, "/a", answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
}

static void a_file_in_the_place_of_the_socket_stays(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	int fd = open(fx->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	assert_true(fd >= 0 && close(fd) == 0);
	assert_int_equal(start(fx, &opt), 0);
	assert_non_null(strstr(fx->error, "/http.sock: File exists"));
	stop(fx);
	assert_int_equal(lstat(fx->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* Somebody has taken over our name: it is theirs. */
static void a_socket_of_another_process_stays(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);

	assert_int_equal(start(fx, &opt), 0);
	assert_int_equal(unlink(fx->path), 0);
	assert_int_equal(close(open(fx->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	stop(fx);
	assert_int_equal(access(fx->path, F_OK), 0);
}

static void a_folder_that_cannot_be_made(void **state)
{
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/not/there/http.sock", fx->folder);
	opt.unix_socket = path;
	opt.n_listen = 0;
	assert_int_equal(start(fx, &opt), 0);
	assert_non_null(strstr(fx->error, "http.sock: No such file or directory"));
}

/* --- what is followed --- */

#define LOOKS 6    /* at the clock, more than in a turn of the thread */
#define SETTLED 40 /* looks after which nothing but the clock keeps it awake */

/* The clock stands still, but for half a second at the last of so many looks: then the pause after a bell is over. */
static _Atomic uint64_t stopped_at; /* 0: it goes */
static _Atomic int looks, looks_left;

uint64_t __real_now_usec(void);
uint64_t __wrap_now_usec(void);

uint64_t __wrap_now_usec(void)
{
	if (atomic_load(&stopped_at) == 0)
		return __real_now_usec();
	atomic_fetch_add(&looks, 1);
	if (atomic_load(&looks_left) > 0 && atomic_fetch_sub(&looks_left, 1) == 1)
		atomic_fetch_add(&stopped_at, USEC_PER_SEC / 2);
	return atomic_load(&stopped_at);
}

static void await_looks(int patience_msec)
{
	int enough = atomic_load(&looks) + SETTLED;

	for (int i = 0; atomic_load(&looks) < enough; i++) {
		assert_true(i < patience_msec);
		(void)poll(NULL, 0, 1);
	}
}

static struct {
	int fd;
	_Atomic unsigned rung;
	unsigned said;
} bell;

static void ring(void)
{
	atomic_fetch_add(&bell.rung, 1);
	assert_int_equal(eventfd_write(bell.fd, 1), 0);
}

static void hear(void *user)
{
	eventfd_t count;

	(void)user;
	(void)eventfd_read(bell.fd, &count);
}

static uint64_t say_rung(struct text *out, void *user)
{
	(void)user;
	for (; bell.said < atomic_load(&bell.rung); bell.said++)
		text_put(out, ".");
	return UINT64_MAX;
}

static void end_of_bells(void *user)
{
	(void)user;
}

static void handle_bells(const struct http_request *request, struct http_answer *answer, void *user)
{
	(void)request;
	(void)user;
	answer->status = 200;
	answer->source = (struct http_source){say_rung, end_of_bells, NULL};
}

/* Up to this text of the answer. */
static void expect(int fd, const char *text, int patience_msec)
{
	size_t matched = 0;

	while (text[matched]) {
		struct pollfd client = {.fd = fd, .events = POLLIN};
		char byte;

		assert_int_equal(poll(&client, 1, patience_msec), 1);
		assert_int_equal(read(fd, &byte, 1), 1);
		matched = byte == text[matched] ? matched + 1 : byte == text[0];
	}
}

/* Whenever in a turn the pause ends. */
static void a_bell_in_the_pause_is_heard_after_it(void **state)
{
	static const char request[] = "GET /bells HTTP/1.0\r\n\r\n";
	const int patience = (int)((patience_ends_usec() - now_usec()) / USEC_PER_MSEC);
	struct fixture *fx = *state;
	struct http_options opt = options(fx);
	int client;

	bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(bell.fd >= 0);
	assert_int_equal(http_new(&fx->http, &opt, handle_bells, fx, fx->error, sizeof(fx->error)), 0);
	http_follow(fx->http, bell.fd, hear, NULL);
	assert_int_equal(http_start(fx->http), 0);
	client = connect_unix(fx->path);
	assert_int_equal(write_all(client, request, strlen(request)), 0);
	expect(client, "\r\n\r\n", patience);
	atomic_store(&stopped_at, now_usec());
	for (int last = 1; last <= LOOKS; last++) {
		atomic_store(&looks_left, 1);
		ring();
		expect(client, ".", patience);
		await_looks(patience);
		atomic_store(&looks_left, last);
		ring();
		expect(client, ".", patience);
	}
	atomic_store(&stopped_at, 0);
	stop(fx);
	assert_int_equal(close(client) + close(bell.fd), 0);
}

static int setup(void **state)
{
	static struct fixture fx;
	unsigned pid = (unsigned)getpid();

	memset(&fx, 0, sizeof(fx));
	catcher_start(&fx.catcher, LOG_DEBUG);
	scratch_make(fx.folder);
	(void)snprintf(fx.path, sizeof(fx.path), "%s/http.sock", fx.folder);
	(void)snprintf(fx.address, sizeof(fx.address), "127.%u.%u.%u:10187", 32 + pid / 65536 % 32, pid / 256 % 256,
		       pid % 256);
	*state = &fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	http_free(fx->http);
	catcher_stop(&fx->catcher);
	scratch_remove(fx->folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_it_listens_on),
		TEST(what_is_no_address),
		TEST(options_that_do_not_fit),
		TEST(addresses_for_other_machines),
		TEST(pages_are_the_handlers),
		TEST(arguments_of_a_query),
		TEST(a_post),
		TEST(a_body_that_is_too_long),
		TEST(clients_arrive_late),
		TEST(a_client_that_never_arrives),
		TEST(an_answer_that_cannot_be_made_is_none),
		TEST(a_long_answer_comes_whole_or_not_at_all),
		TEST(each_piece_that_is_taken_is_reported),
		TEST(without_a_descriptor_a_client_waits),
		TEST(without_a_descriptor_the_thread_rests),
		TEST(who_says_nothing_has_to_go),
		TEST(without_memory_a_client_is_sent_away),
		TEST(the_end_leaves_nothing_behind),
		TEST(addresses_that_are_taken),
		TEST(a_file_in_the_place_of_the_socket_stays),
		TEST(a_socket_of_another_process_stays),
		TEST(a_folder_that_cannot_be_made),
		TEST(a_bell_in_the_pause_is_heard_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
