/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/daemonhttp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl/wait.h"
#include "redis/endpoint.h"

#define READ_BYTES 65536
#define REQUEST_BYTES 1024
#define HEAD_MAX 16384
#define ANY_LENGTH SIZE_MAX
#define LENGTH "\r\nContent-Length:"
#define START_SERVICE "systemctl status portsyncd; in SONiC: docker exec swss supervisorctl status portsyncd"

struct head {
	unsigned status;
	size_t length; /* of the body; ANY_LENGTH: it ends where the daemon closes */
};

struct daemonhttp {
	int fd;
	struct text bytes; /* that were received */
	size_t at;         /* where the next line begins in them */
	bool closed;
};

/* --- connecting --- */

static int give_up(struct ctl *ctl, int error)
{
	const char *path = ctl->config.http_unix_socket;

	switch (-error) {
	case ENOENT:
		return ctl_set_error(ctl, CTL_NO_DAEMON, START_SERVICE,
				     "portsyncd does not run, or has another socket: %s does not exist", path);
	case ECONNREFUSED:
		return ctl_set_error(ctl, CTL_NO_DAEMON, START_SERVICE,
				     "portsyncd does not run: nothing listens at "
				     "%s",
				     path);
	case EAGAIN:
	case ETIMEDOUT:
		return ctl_set_error(ctl, CTL_NO_DAEMON, "is the process stopped (T), or the machine overloaded?",
				     "portsyncd does not answer: nothing at %s for %.0f s", path,
				     wait_answer_seconds());
	case EPIPE:
		return ctl_set_error(ctl, CTL_NO_DAEMON, "portsyncctl doctor says whether it still runs",
				     "portsyncd at %s has closed the connection before its answer was complete", path);
	default:
		return ctl_set_error(ctl, CTL_NO_DAEMON, NULL, "portsyncd at %s: %s", path, strerror(-error));
	}
}

static int refuse_access(struct ctl *ctl, const struct endpoint_address *address)
{
	char why[512];

	(void)endpoint_explain(address, -EACCES, why, sizeof(why));
	why[strcspn(why, ";")] = '\0'; /* the remedy after it is Redis' */
	(void)ctl_set_error(ctl, CTL_NO_DAEMON, "run it as root, or as a member of the socket's group",
			    "portsyncd at %s: %s", ctl->config.http_unix_socket, why);
	ctl->error.denied = true;
	return -1;
}

/* A connected socket; or -1, ctl_fail() is due. */
static int open_socket(struct ctl *ctl)
{
	struct endpoint endpoint;
	int fd;

	if (ctl->config.http_unix_socket[0] == '\0')
		return ctl_set_error(ctl, CTL_NO_DAEMON, "--socket names it", "http.unix_socket is empty");
	fd = endpoint_unix(&endpoint, ctl->config.http_unix_socket);
	if (fd == 0)
		fd = endpoint_connect(&endpoint.addresses[0], NULL);
	if (fd == -EACCES)
		return refuse_access(ctl, &endpoint.addresses[0]);
	return fd < 0 ? give_up(ctl, fd) : fd;
}

static int send_request(int fd, const char *method, const char *target)
{
	char request[REQUEST_BYTES];
	int len = snprintf(request, sizeof(request), "%s %s HTTP/1.0\r\nHost: portsyncd\r\n\r\n", method, target);

	if ((size_t)len >= sizeof(request))
		return -ENAMETOOLONG;
	/* So short a request fits into a Unix socket at once. */
	return send(fd, request, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -EAGAIN;
}

/* --- reading --- */

/* 1: there are more bytes; 0: the other end has closed; -EAGAIN; another negative errno. */
static int receive(int fd, struct text *bytes)
{
	ssize_t n;

	if (bytes->len > DAEMONHTTP_BODY_MAX)
		return -EMSGSIZE;
	text_reserve(bytes, READ_BYTES);
	if (bytes->failed)
		return -ENOMEM;
	n = recv(fd, bytes->data + bytes->len, READ_BYTES, MSG_DONTWAIT);
	if (n > 0)
		bytes->len += (size_t)n;
	return n < 0 ? -errno : n > 0;
}

/* The same, but waits for bytes. */
static int await_bytes(int fd, struct text *bytes)
{
	uint64_t deadline = wait_deadline();
	int r;

	do {
		r = wait_fd(fd, POLLIN, deadline);
		if (r == 0)
			r = receive(fd, bytes);
	} while (r == -EAGAIN || r == -EINTR);
	return r;
}

/* Bytes of the head, its empty line included; 0: it is not complete. */
static size_t head_length(const struct text *bytes)
{
	const char *end = bytes->len ? memmem(bytes->data, bytes->len, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - bytes->data) + 4 : 0;
}

/* Reads the head, and drops it. 0 or negative errno. */
static int read_head(int fd, struct text *bytes, struct head *ret)
{
	const char *length;
	size_t len;
	int r = 1;

	while ((len = head_length(bytes)) == 0 && r > 0)
		r = bytes->len > HEAD_MAX ? -EPROTO : await_bytes(fd, bytes);
	if (len == 0)
		return r < 0 ? r : -EPIPE;
	bytes->data[len - 1] = '\0';
	if (sscanf(bytes->data, "HTTP/1.%*1u %3u ", &ret->status) != 1)
		return -EPROTO;
	length = strcasestr(bytes->data, LENGTH);
	ret->length = length ? strtoul(length + strlen(LENGTH), NULL, 10) : ANY_LENGTH;
	bytes->len -= len;
	memmove(bytes->data, bytes->data + len, bytes->len);
	return 0;
}

/* 0 or negative errno. */
static int read_body(int fd, struct text *body, const struct head *head)
{
	int r;

	while ((r = await_bytes(fd, body)) > 0)
		;
	return r == 0 && head->length != ANY_LENGTH && body->len < head->length ? -EPIPE : r;
}

static int ask(struct ctl *ctl, const char *method, const char *target, struct text *body, unsigned *status)
{
	int fd cleanup(close_fd) = open_socket(ctl), r;
	struct head head;

	*body = (struct text){0};
	if (fd < 0)
		return -1;
	r = send_request(fd, method, target);
	if (r == 0)
		r = read_head(fd, body, &head);
	if (r == 0)
		r = read_body(fd, body, &head);
	if (r == 0) {
		*status = head.status;
		return 0;
	}
	free(body->data);
	*body = (struct text){0};
	return give_up(ctl, r);
}

int daemonhttp_get(struct ctl *ctl, const char *target, struct text *body, unsigned *status)
{
	return ask(ctl, "GET", target, body, status);
}

int daemonhttp_post(struct ctl *ctl, const char *target, struct text *body, unsigned *status)
{
	return ask(ctl, "POST", target, body, status);
}

static int refuse_status(struct ctl *ctl, const char *target, unsigned status)
{
	return ctl_set_error(ctl, CTL_NO_DAEMON, status == 404 ? "is the daemon of an older version?" : NULL,
			     "portsyncd answers %s with status %u", target, status);
}

static bool is_as_expected(const json_t *value, json_type type)
{
	bool good = value && json_typeof(value) == type;

	for (size_t i = 0; good && i < json_array_size(value); i++)
		good = json_is_object(json_array_get(value, i));
	return good;
}

/* One of another version, or no portsyncd. */
static int refuse_page(struct ctl *ctl, const char *target, const char *member, json_t *page)
{
	json_decref(page);
	return ctl_set_error(ctl, CTL_NO_DAEMON, "is the daemon of another version?",
			     "portsyncd's answer to %s does not have \"%s\" as it should be", target, member);
}

int daemonhttp_json(struct ctl *ctl, const char *target, json_type type, const char *member, json_t **ret)
{
	json_t *page = NULL;
	struct text body;
	unsigned status = 0;
	json_error_t error;

	*ret = NULL;
	if (daemonhttp_get(ctl, target, &body, &status) < 0)
		return -1;
	if (status == 200)
		page = json_loadb(body.data, body.len, 0, &error);
	free(body.data);
	if (status != 200)
		return refuse_status(ctl, target, status);
	if (!page)
		return ctl_set_error(ctl, CTL_NO_DAEMON, NULL, "portsyncd's answer to %s is not JSON: %s", target,
				     error.text);
	if (!is_as_expected(json_object_get(page, member), type))
		return refuse_page(ctl, target, member, page);
	*ret = page;
	return 0;
}

/* --- streams --- */

struct daemonhttp *daemonhttp_open(struct ctl *ctl, const char *target)
{
	struct daemonhttp *stream = calloc(1, sizeof(*stream));
	struct head head;
	int r;

	if (!stream) {
		(void)ctl_set_error(ctl, CTL_NO_DAEMON, NULL, "no memory");
		return NULL;
	}
	stream->fd = open_socket(ctl);
	if (stream->fd >= 0) {
		r = send_request(stream->fd, "GET", target);
		if (r == 0)
			r = read_head(stream->fd, &stream->bytes, &head);
		if (r == 0 && head.status == 200)
			return stream;
		(void)(r < 0 ? give_up(ctl, r) : refuse_status(ctl, target, head.status));
	}
	daemonhttp_close(stream);
	return NULL;
}

void daemonhttp_close(struct daemonhttp *stream)
{
	if (!stream)
		return;
	close_fd(&stream->fd);
	free(stream->bytes.data);
	free(stream);
}

int daemonhttp_fd(const struct daemonhttp *stream)
{
	return stream->fd;
}

/* Takes a whole line, if there is one. */
static bool take_line(struct daemonhttp *stream, const char **line)
{
	struct text *bytes = &stream->bytes;
	char *end = bytes->len > stream->at ? memchr(bytes->data + stream->at, '\n', bytes->len - stream->at) : NULL;

	if (!end)
		return false;
	*line = bytes->data + stream->at;
	*end = '\0';
	stream->at = (size_t)(end - bytes->data) + 1;
	return true;
}

static void drop_taken(struct daemonhttp *stream)
{
	struct text *bytes = &stream->bytes;

	bytes->len -= stream->at;
	if (bytes->len > 0)
		memmove(bytes->data, bytes->data + stream->at, bytes->len);
	stream->at = 0;
}

int daemonhttp_line(struct daemonhttp *stream, const char **line)
{
	int r = 1;

	while (!take_line(stream, line)) {
		drop_taken(stream);
		r = stream->closed ? 0 : receive(stream->fd, &stream->bytes);
		stream->closed |= r == 0;
		if (r == -EAGAIN || r == -EINTR)
			return 0;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
	}
	return 1;
}
