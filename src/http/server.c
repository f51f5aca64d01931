/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file, though a long one: what MHD calls, what is polled and who is dropped all work on the same lists of clients,
 * and no two of them could be read apart. What needs no list has files of its own: addresses, identity, stream,
 * content.
 */
#include "http/server.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/list.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/util.h"
#include "http/addresses.h"
#include "http/content.h"
#include "http/identity.h"
#include "http/pieces.h"
#include "http/progress.h"
#include "http/stream.h"
#include "log/log.h"

#define REQUEST_MAX_BYTES 8192 /* request line and headers, and the headers of the answer */
#define ACCEPT_BATCH 32        /* new clients of one address a turn */
#define STREAMS_MAX 256
#define CLIENTS_A_STREAM 4 /* one stream for this many clients */
#define HEAR_USEC (20 * USEC_PER_MSEC)
#define NO_CONTENT "default-src 'none'; frame-ancestors 'none'"
#define ALLOWED "GET, HEAD"
#define OPENED_MAX 512 /* the names of all addresses */
#define REST_USEC (100 * USEC_PER_MSEC)

/* One MHD daemon, without a thread or socket of its own. */
struct server {
	struct MHD_Daemon *mhd; /* NULL: not used */
	int epoll_fd;
};

enum { PLAIN, TLS, N_SERVERS };

struct client {
	struct list link; /* in arriving, waiting, streaming or dropped */
	struct http *http;
	int fd;         /* MHD closes it */
	uint64_t since; /* when its request began, or it last took a piece of a long answer */
	size_t body;    /* bytes of the request's body, which nobody reads */
	bool dropped, tls, trusted;
	bool local;                     /* by the Unix socket */
	bool head;                      /* its request is a HEAD */
	bool served;                    /* has its answer and sent no further request */
	bool refused;                   /* its certificate was refused and that was logged */
	char peer[ADDRESS_TEXT_MAX];    /* its address; "?" for a Unix socket */
	struct http_identity *identity; /* of a TLS client */
	struct stream *stream;          /* its present answer, or NULL */
	struct http_transport transport;
};

struct http {
	http_handle_fn handle;
	void *user;
	unsigned max_clients, n_clients, max_streams;
	uint64_t timeout_usec;
	bool tls, need_certificate;
	struct server servers[N_SERVERS];
	struct http_addresses addresses;
	struct http_identities identities;
	int wake; /* eventfd: the thread is to end, or there is one more listener */
	atomic_bool ending;
	struct followed {
		int fd; /* -1: nothing */
		void (*heard)(void *user);
		void *user;
	} followed;
	pthread_t thread;
	bool started;

	/* Owned by the thread: */
	struct list arriving; /* given to MHD, which has not announced them yet */
	struct list waiting;  /* by since */
	struct list streaming;
	struct list dropped; /* shut down, not yet closed by MHD */
	uint64_t hear_from;  /* the descriptor of http_follow() is not polled before: a storm rings again and again */
	uint64_t rest_until; /* no client is accepted before */
	uint64_t turned;     /* when the last turn ended, but for new clients */
	struct http_progress progress;
	struct http_stats stats;
};

static void count(_Atomic uint64_t *number)
{
	(void)atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

static void count_answer(struct http *h, unsigned status)
{
	count(&h->stats.answers[status / 100 < 6 ? status / 100 : 0]);
}

/* --- Clients --- */

static struct client *client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static struct client *arriving(struct http *h, int fd)
{
	for (struct list *at = h->arriving.next; at != &h->arriving; at = at->next) {
		struct client *c = container_of(at, struct client, link);

		if (c->fd == fd)
			return c;
	}
	return NULL;
}

static void forget(struct client *c)
{
	list_remove(&c->link);
	c->http->n_clients--;
	free(c);
}

/* MHD sees the hang-up in its next run and closes. */
static void drop(struct client *c)
{
	c->dropped = true;
	list_remove(&c->link);
	list_append(&c->http->dropped, &c->link);
	(void)shutdown(c->fd, SHUT_RDWR);
	if (c->stream)
		stream_drop(c->stream);
}

static struct client *oldest(struct http *h)
{
	return list_empty(&h->waiting) ? NULL : container_of(h->waiting.next, struct client, link);
}

/* Here and in drop_slow() those that were late before this turn, so after a run of MHD: it was not the client's fault
 * if this thread had other work, or no CPU. */
static void drop_late(struct http *h)
{
	struct client *c;

	while ((c = oldest(h)) && c->since + h->timeout_usec <= h->turned) {
		drop(c);
		count(c->served ? &h->stats.idle : &h->stats.late);
	}
}

static void evict_one(struct http *h)
{
	struct client *c = oldest(h);

	if (!c)
		return;
	drop(c);
	count(&h->stats.evicted);
	log_warning(KIND_HTTP_CLIENT_DROPPED,
		    "http.max_clients = %u are connected: dropped the one that has waited longest", h->max_clients);
}

static void wait_again(struct client *c)
{
	c->since = now_usec();
	list_remove(&c->link);
	list_append(&c->http->waiting, &c->link);
}

static void begin_request(struct client *c)
{
	c->body = 0;
	wait_again(c);
}

/* --- Streams --- */

static struct client *next_streaming(const struct http *h, const struct client *c)
{
	struct list *next = c ? c->link.next : h->streaming.next;

	return next == &h->streaming ? NULL : container_of(next, struct client, link);
}

/* After its stream has ended, and until MHD reports that, a client may have none. */
static uint64_t stream_due(const struct http *h, const struct client *c)
{
	return c->stream ? stream_deadline(c->stream, h->timeout_usec) : UINT64_MAX;
}

static void resume_streams(const struct http *h)
{
	uint64_t now = now_usec();

	for (struct client *c = next_streaming(h, NULL); c; c = next_streaming(h, c))
		if (c->stream && c->stream->suspended && stream_due(h, c) <= now)
			stream_resume(c->stream);
}

static void drop_slow(struct http *h)
{
	for (struct client *c = next_streaming(h, NULL), *next; c; c = next) {
		next = next_streaming(h, c);
		if (!c->stream || c->stream->suspended || stream_due(h, c) > h->turned)
			continue;
		drop(c);
		count(&h->stats.slow);
	}
}

static void ask_streams(struct http *h)
{
	h->followed.heard(h->followed.user);
	h->hear_from = now_usec() + HEAR_USEC;
	for (struct client *c = next_streaming(h, NULL); c; c = next_streaming(h, c))
		if (c->stream)
			stream_resume(c->stream);
}

/* MHD does not look at a suspended connection, so we do. In the order of the list; returns how many. */
static size_t poll_streams(const struct http *h, struct pollfd *fds)
{
	size_t n = 0;

	for (const struct client *c = next_streaming(h, NULL); c && n < STREAMS_MAX; c = next_streaming(h, c))
		fds[n++].fd = c->stream && c->stream->suspended ? c->fd : -1;
	return n;
}

/* Right after the poll: only then does the i-th entry belong to the i-th client of the list. */
static void drop_hung_up(struct http *h, const struct pollfd *fds, size_t n)
{
	struct client *c = next_streaming(h, NULL), *next;

	for (size_t i = 0; c && i < n; i++, c = next) {
		next = next_streaming(h, c);
		if (fds[i].revents)
			drop(c);
	}
}

/* --- TLS --- */

static int verify_client(gnutls_session_t session)
{
	struct client *c = gnutls_session_get_ptr(session);
	char problem[256];
	int r = http_tls_verify_client(session, problem, sizeof(problem));

	if (r == 0)
		return 0;
	c->refused = true;
	count(&c->http->stats.certificates_refused);
	log_warning(KIND_HTTP_CLIENT_REFUSED, "certificate of the client at %s refused: %s", c->peer, problem);
	return r;
}

/* The client's Finished ends the handshake. */
static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
		       const gnutls_datum_t *message)
{
	struct client *c = gnutls_session_get_ptr(session);

	(void)type;
	(void)when;
	(void)message;
	if (incoming)
		c->trusted = true;
	return 0;
}

static void begin_tls(struct client *c, gnutls_session_t session)
{
	c->tls = true;
	/* Without an identity the handshake fails: GnuTLS has no certificate to send. */
	c->identity = http_identity_enter(&c->http->identities, session);
	gnutls_session_set_ptr(session, c);
	http_progress_follow(session, &c->transport, c->fd, &c->http->progress);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, on_finished);
	if (c->http->need_certificate)
		http_tls_require_client(session, verify_client);
}

/* --- What MHD calls --- */

/* MHD 0.9.75 calls this in MHD_add_connection(), 1.0 in the next MHD_run(), when more clients may have been added. */
static void client_arrived(struct http *h, struct MHD_Connection *connection, void **context)
{
	int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	/* 1.0 returns every answer in the same memory, so fd is copied first. */
	const union MHD_ConnectionInfo *tls = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct client *c = arriving(h, fd);

	*context = c;
	count(&h->stats.accepted);
	count(&h->stats.open);
	begin_request(c);
	if (tls && tls->tls_session)
		begin_tls(c, tls->tls_session);
}

/* GnuTLS gives a client without a certificate no reason, so the log has it. */
static void handshake_failed(const struct client *c)
{
	count(&c->http->stats.handshakes_failed);
	if (c->http->need_certificate && !c->refused)
		log_warning(KIND_HTTP_CLIENT_REFUSED,
			    "TLS handshake with the client at %s failed: it sent no certificate on P-384, or does not "
			    "speak TLS 1.3 with AES-256-GCM and P-384",
			    c->peer);
}

static void client_left(struct http *h, struct client *c)
{
	if (c->tls && !c->trusted && !c->dropped)
		handshake_failed(c);
	if (c->identity)
		http_identity_leave(c->identity);
	stream_disown(c->stream);
	forget(c);
	(void)atomic_fetch_sub_explicit(&h->stats.open, 1, memory_order_relaxed);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	((struct http *)user)->progress.made++;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		client_arrived(user, connection, context);
	else
		client_left(user, *context);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct client *c = client_of(connection);

	(void)context;
	((struct http *)user)->progress.made++;
	stream_disown(c->stream);
	c->served = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
	if (!c->dropped)
		begin_request(c);
}

static bool add_headers(struct MHD_Response *response, const struct http_answer *answer, bool last)
{
	return MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
	       MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
	       MHD_add_response_header(response, "Referrer-Policy", "no-referrer") == MHD_YES &&
	       MHD_add_response_header(response, "Content-Security-Policy",
				       answer->policy ? answer->policy : NO_CONTENT) == MHD_YES &&
	       MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding") == MHD_YES &&
	       (!answer->content_type ||
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type) == MHD_YES) &&
	       (!answer->encoding ||
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, answer->encoding) == MHD_YES) &&
	       (answer->status != MHD_HTTP_METHOD_NOT_ALLOWED ||
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, ALLOWED) == MHD_YES) &&
	       (!last || MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES);
}

/* The client took a piece of its answer: it has its time again. */
static void piece_taken(void *user)
{
	struct client *c = user;

	c->http->progress.made++;
	if (!c->dropped)
		wait_again(c);
}

/* MHD sends it along with its head, in one call. */
static struct MHD_Response *small_response(struct http_answer *answer)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(answer->len, answer->body, MHD_RESPMEM_MUST_FREE);

	if (!response)
		free(answer->body);
	return response;
}

static struct MHD_Response *whole_response(struct client *c, struct http_answer *answer)
{
	if (answer->len <= PIECE_BYTES)
		return small_response(answer);
	return pieces_response(answer->body, answer->len, piece_taken, c);
}

/*
 * Makes a response with the headers of every answer, and its own; takes over the body or the source. NULL without
 * memory. MHD 0.9.75 ends the HEAD of a stream as if there had been a body, which would be the beginning of the next
 * answer.
 */
static struct MHD_Response *make_response(struct client *c, struct MHD_Connection *connection,
					  struct http_answer *answer)
{
	struct http *h = c->http;
	bool streams = answer->source.more != NULL;
	struct MHD_Response *response =
		streams ? stream_new(&answer->source, connection, &c->stream, &h->progress, &h->stats.streams)
			: whole_response(c, answer);

	if (!response)
		return NULL;
	if (add_headers(response, answer, streams && c->head))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

/* MHD_NO closes the connection. */
static enum MHD_Result send_answer(struct client *c, struct MHD_Connection *connection, struct http_answer *answer)
{
	struct MHD_Response *response = make_response(c, connection, answer);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	if (c->stream) {
		list_remove(&c->link);
		list_append(&c->http->streaming, &c->link);
	}
	if (result == MHD_YES)
		count_answer(c->http, answer->status);
	return result;
}

static void set_text(struct http_answer *answer, unsigned status, const char *text)
{
	*answer = (struct http_answer){.status = status, .content_type = "text/plain; charset=utf-8"};
	answer->body = strdup(text);
	answer->len = answer->body ? strlen(text) : 0;
}

static enum MHD_Result refuse_method(struct client *c, struct MHD_Connection *connection)
{
	struct http_answer answer;

	set_text(&answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	return send_answer(c, connection, &answer);
}

static enum MHD_Result refuse_stream(struct client *c, struct MHD_Connection *connection, struct http_answer *answer)
{
	answer->source.end(answer->source.user);
	count(&c->http->stats.streams_refused);
	set_text(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "as many streams are open as http.max_clients / 4 allows\n");
	return send_answer(c, connection, answer);
}

const char *http_argument(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_query; i++)
		if (strcmp(request->query[i].name, name) == 0)
			return request->query[i].value;
	return NULL;
}

static enum MHD_Result add_argument(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct http_request *request = user;

	(void)kind;
	request->query[request->n_query++] = (struct http_query){name, value ? value : ""};
	return request->n_query < HTTP_ARGUMENTS_MAX ? MHD_YES : MHD_NO;
}

/* A page may do something only for a client of the Unix socket, which its mode guards. */
static bool is_served(const struct client *c, const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ||
	       (c->local && strcmp(method, MHD_HTTP_METHOD_POST) == 0);
}

/* A body is ignored; an endless one must not keep the thread busy. */
static enum MHD_Result pass_over(struct client *c, size_t *size)
{
	c->body += *size;
	*size = 0;
	return c->body <= REQUEST_MAX_BYTES ? MHD_YES : MHD_NO;
}

/*
 * MHD calls this after the headers, for each part of the body, and once more at the end. An answer to the first call
 * closes the connection, which is right for unknown methods.
 */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **context)
{
	struct http_request request = {
		.path = http_target_path(path),
		.post = strcmp(method, MHD_HTTP_METHOD_POST) == 0,
	};
	struct http_answer answer = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
	struct client *c = client_of(connection);
	struct http *h = user;

	(void)version;
	(void)upload;
	if (!is_served(c, method))
		return refuse_method(c, connection);
	c->served = false;
	c->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	if (!*context || *upload_size > 0) {
		*context = h;
		return pass_over(c, upload_size);
	}
	request.accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	request.accept_encoding =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	(void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &request);
	h->handle(&request, &answer, h->user);
	if (answer.source.more && atomic_load(&h->stats.streams) >= h->max_streams)
		return refuse_stream(c, connection, &answer);
	return send_answer(c, connection, &answer);
}

/* --- The thread --- */

/* Without a free descriptor accept() fails, and poll() returns at once, until a client leaves: pause. */
static void rest(struct http *h, int error)
{
	h->rest_until = now_usec() + REST_USEC;
	count(&h->stats.not_accepted);
	log_warning(KIND_HTTP_NO_CLIENT, "no HTTP client can be accepted: %s", strerror(error));
}

static bool enter(struct http *h, int fd, const struct address *peer)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	c->http = h;
	c->fd = fd;
	c->local = peer->sa.any.sa_family == AF_UNIX;
	address_print(peer, c->peer, sizeof(c->peer));
	list_append(&h->arriving, &c->link);
	h->n_clients++;
	h->progress.made++;
	return true;
}

/* False if nobody waits to be accepted. */
static bool accept_one(struct http *h, const struct http_listener *l)
{
	struct address peer = {.len = sizeof(peer.sa)};
	int fd = accept4(l->fd, &peer.sa.any, &peer.len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			rest(h, errno);
		return false;
	}
	if (!enter(h, fd, &peer)) {
		(void)close(fd);
		rest(h, ENOMEM);
		return false;
	}
	/* accept4() returns the full length of an address that did not fit. */
	peer.len = MIN(peer.len, (socklen_t)sizeof(peer.sa));
	(void)MHD_add_connection(h->servers[l->tcp && h->tls ? TLS : PLAIN].mhd, fd, &peer.sa.any, peer.len);
	return true;
}

/* MHD has closed the sockets of those it did not announce. */
static void forget_arriving(struct http *h)
{
	while (!list_empty(&h->arriving))
		forget(container_of(h->arriving.next, struct client, link));
}

static void run_servers(struct http *h)
{
	for (size_t i = 0; i < N_SERVERS; i++)
		if (h->servers[i].mhd)
			(void)MHD_run(h->servers[i].mhd);
	forget_arriving(h);
}

static void accept_from(struct http *h, const struct http_listener *l)
{
	if (h->n_clients >= h->max_clients) {
		evict_one(h);
		run_servers(h);
	}
	for (unsigned i = 0; i < ACCEPT_BATCH && h->n_clients < h->max_clients; i++)
		if (!accept_one(h, l))
			return;
}

static uint64_t next_deadline(struct http *h, uint64_t now)
{
	const struct client *c = oldest(h);
	uint64_t deadline = c ? c->since + h->timeout_usec : UINT64_MAX;

	for (c = next_streaming(h, NULL); c; c = next_streaming(h, c))
		deadline = MIN(deadline, stream_due(h, c));
	if (h->hear_from > now)
		deadline = MIN(deadline, h->hear_from);
	return h->rest_until > 0 ? MIN(deadline, h->rest_until) : deadline;
}

/* MHD has no timeout set, so naming one means that it has, or believes it has, work left. */
static bool servers_have_work(const struct http *h)
{
	MHD_UNSIGNED_LONG_LONG msec;

	if (!list_empty(&h->arriving))
		return true;
	for (size_t i = 0; i < N_SERVERS; i++)
		if (h->servers[i].mhd && MHD_get_timeout(h->servers[i].mhd, &msec) == MHD_YES)
			return true;
	return false;
}

static int wait_msec(struct http *h, uint64_t now)
{
	int longest = servers_have_work(h) ? http_progress_wait_msec(&h->progress) : INT_MAX;
	uint64_t deadline = next_deadline(h, now);

	if (deadline == UINT64_MAX)
		return longest == INT_MAX ? -1 : longest;
	return deadline <= now ? 0 : (int)MIN((deadline - now) / USEC_PER_MSEC + 1, (uint64_t)longest);
}

enum {
	POLL_WAKE,
	POLL_FOLLOWED,
	POLL_SERVERS,
	POLL_LISTENERS = POLL_SERVERS + N_SERVERS,
	POLL_MAX = POLL_LISTENERS + HTTP_LISTENERS_MAX + STREAMS_MAX,
};

/*
 * What is polled: the fixed ones, one for each listener, one for each stream. No more, since poll() refuses more than
 * RLIMIT_NOFILE, also of those that it ignores.
 */
struct polled {
	struct pollfd fds[POLL_MAX];
	size_t n_listeners, n_streams;
};

/* poll() ignores negative descriptors. One look at the clock says both what is ignored, and until when. */
static void wait_for_work(struct http *h, struct polled *p)
{
	const uint64_t now = now_usec();
	struct pollfd *fds = p->fds;

	memset(fds, 0, sizeof(p->fds));
	p->n_listeners = atomic_load_explicit(&h->addresses.n_open, memory_order_acquire);
	fds[POLL_WAKE] = (struct pollfd){.fd = h->wake, .events = POLLIN};
	fds[POLL_FOLLOWED] = (struct pollfd){.fd = h->hear_from > now ? -1 : h->followed.fd, .events = POLLIN};
	for (size_t i = 0; i < N_SERVERS; i++)
		fds[POLL_SERVERS + i] =
			(struct pollfd){.fd = h->servers[i].mhd ? h->servers[i].epoll_fd : -1, .events = POLLIN};
	for (size_t i = 0; i < p->n_listeners; i++)
		fds[POLL_LISTENERS + i] =
			(struct pollfd){.fd = h->rest_until > 0 ? -1 : h->addresses.open[i].fd, .events = POLLIN};
	p->n_streams = poll_streams(h, fds + POLL_LISTENERS + p->n_listeners);
	/* EINVAL if RLIMIT_NOFILE was lowered below us: still notice the end. */
	if (poll(fds, POLL_LISTENERS + p->n_listeners + p->n_streams, wait_msec(h, now)) < 0)
		(void)poll(fds, 1, REST_USEC / USEC_PER_MSEC);
}

static void turn(struct http *h, const struct polled *p)
{
	const struct pollfd *fds = p->fds;

	if (h->rest_until > 0 && now_usec() >= h->rest_until)
		h->rest_until = 0;
	for (size_t i = 0; i < N_SERVERS; i++)
		h->progress.made += fds[POLL_SERVERS + i].revents != 0;
	drop_hung_up(h, fds + POLL_LISTENERS + p->n_listeners, p->n_streams);
	resume_streams(h);
	if (fds[POLL_FOLLOWED].revents)
		ask_streams(h);
	run_servers(h);
	drop_late(h);
	drop_slow(h);
	h->turned = now_usec();
	http_identities_sweep(&h->identities);
	for (size_t i = 0; i < p->n_listeners; i++)
		if (fds[POLL_LISTENERS + i].revents)
			accept_from(h, &h->addresses.open[i]);
}

static void *run(void *user)
{
	struct polled polled = {0};
	struct http *h = user;
	eventfd_t rung;

	thread_name_self("http");
	thread_step_back();
	for (;;) {
		wait_for_work(h, &polled);
		if (polled.fds[POLL_WAKE].revents)
			(void)eventfd_read(h->wake, &rung);
		if (h->ending)
			return NULL;
		turn(h, &polled);
	}
}

/* --- Start and end --- */

/* MHD reports requests that it refuses itself (400, 414, 431, ...) only in its log. */
static void on_log(void *user, const char *format, va_list args)
{
	static const char refusal[] = "Error processing request (HTTP response code is %u";

	if (strncmp(format, refusal, strlen(refusal)) == 0)
		count_answer(user, va_arg(args, unsigned));
}

/* MHD reads options in order: the logger first, so that it hears of faults in the others. */
static int start_server(struct http *h, struct server *s, unsigned flags, struct MHD_OptionItem *more)
{
	const union MHD_DaemonInfo *info;

	s->mhd = MHD_start_daemon(
		flags | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, h, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_CONNECTION_LIMIT,
		h->max_clients, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
	if (!s->mhd)
		return -ENOMEM;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	s->epoll_fd = info->epoll_fd;
	return 0;
}

static int start_servers(struct http *h)
{
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}},
			      tls[] = {
				      {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)http_tls_no_certificate},
				      {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)HTTP_TLS_PRIORITIES},
				      {MHD_OPTION_END, 0, NULL},
			      };
	int r = start_server(h, &h->servers[PLAIN], 0, none);

	if (r == 0 && h->tls)
		r = start_server(h, &h->servers[TLS], MHD_USE_TLS, tls);
	return r;
}

static void ring(const struct http *h)
{
	(void)eventfd_write(h->wake, 1);
}

static void note_addresses(struct http *h, const char *opened)
{
	h->stats.listening = h->addresses.n_open;
	h->stats.missing = h->addresses.n_missing;
	if (opened[0] != '\0')
		log_notice(KIND_HTTP_LISTENING, "HTTP on %s%s", opened,
			   h->need_certificate ? ", TCP with TLS and client certificates"
			   : h->tls            ? ", TCP with TLS"
					       : "");
}

void http_follow(struct http *h, int fd, void (*heard)(void *user), void *user)
{
	h->followed = (struct followed){fd, heard, user};
}

int http_start(struct http *h)
{
	int r;

	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->wake < 0)
		return -errno;
	r = thread_start(&h->thread, 0, run, h);
	h->started = r == 0;
	return r;
}

static struct http *alloc_http(const struct http_options *opt, http_handle_fn handle, void *user)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->handle = handle;
	h->user = user;
	h->max_clients = http_options_clients(opt->max_clients);
	h->max_streams = MIN(h->max_clients / CLIENTS_A_STREAM, STREAMS_MAX);
	h->timeout_usec = opt->timeout_secs * USEC_PER_SEC;
	h->tls = opt->cert != NULL;
	h->need_certificate = opt->ca != NULL;
	h->wake = h->followed.fd = -1;
	list_init(&h->arriving);
	list_init(&h->waiting);
	list_init(&h->streaming);
	list_init(&h->dropped);
	return h;
}

static int open_all(struct http *h, const struct http_options *opt, char *error, size_t size)
{
	char opened[OPENED_MAX];
	int r = start_servers(h);

	if (r < 0) {
		(void)snprintf(error, size, "%s", strerror(-r));
		return r;
	}
	http_addresses_open(&h->addresses, opt, opened, sizeof(opened));
	note_addresses(h, opened);
	return 0;
}

int http_check(const struct http_options *opt, char *error, size_t size)
{
	gnutls_certificate_credentials_t credentials;
	struct http_tls_digest digest;
	int r = http_options_check(opt, error, size);

	if (r < 0 || !opt->cert)
		return r;
	r = http_tls_load(&credentials, &digest, opt, error, size);
	if (r == 0)
		gnutls_certificate_free_credentials(credentials);
	return r;
}

int http_new(struct http **ret, const struct http_options *opt, http_handle_fn handle, void *user, char *error,
	     size_t size)
{
	struct http *h;
	int r;

	*ret = NULL;
	error[0] = '\0';
	r = http_options_check(opt, error, size);
	if (r < 0)
		return r;
	h = alloc_http(opt, handle, user);
	if (!h) {
		(void)snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	r = http_identities_init(&h->identities, opt, error, size);
	h->stats.expires = h->identities.digest.expires;
	if (r == 0)
		r = open_all(h, opt, error, size);
	if (r < 0)
		http_free(h);
	else
		*ret = h;
	return r;
}

void http_explain_missing(const struct http *h, char *out, size_t size)
{
	http_addresses_explain(&h->addresses, out, size);
}

const char *http_missing(const struct http *h, size_t i, bool *tcp)
{
	if (i >= h->addresses.n_missing)
		return NULL;
	*tcp = h->addresses.missing[i].tcp;
	return h->addresses.missing[i].name;
}

bool http_retry(struct http *h)
{
	char opened[OPENED_MAX];

	http_addresses_retry(&h->addresses, opened, sizeof(opened));
	if (opened[0] == '\0')
		return false;
	note_addresses(h, opened);
	ring(h);
	return true;
}

int http_renew(struct http *h, const struct http_options *opt, char *error, size_t size)
{
	int r = h->tls ? http_identities_renew(&h->identities, opt, error, size) : 0;

	if (r > 0)
		h->stats.expires = h->identities.digest.expires;
	return r;
}

/* MHD must not stop with a suspended connection. */
static void end_streams(struct http *h)
{
	struct client *c;

	while ((c = next_streaming(h, NULL)))
		drop(c);
	run_servers(h);
}

static void stop_thread(struct http *h)
{
	if (!h->started)
		return;
	h->ending = true;
	ring(h);
	(void)pthread_join(h->thread, NULL);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	stop_thread(h);
	end_streams(h);
	http_addresses_close(&h->addresses);
	for (size_t i = 0; i < N_SERVERS; i++)
		if (h->servers[i].mhd)
			MHD_stop_daemon(h->servers[i].mhd);
	forget_arriving(h);
	close_fd(&h->wake);
	http_identities_done(&h->identities);
	free(h);
}

const struct http_stats *http_stats(const struct http *h)
{
	return &h->stats;
}
