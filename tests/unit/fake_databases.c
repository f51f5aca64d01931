/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_databases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "test.h"

void databases_hang_up(struct fake_client *c)
{
	c->source = sd_event_source_disable_unref(c->source);
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

void databases_tell(struct fake_client *c, const char *text)
{
	size_t len = strlen(text), most = c->of->most ? *c->of->most - c->heard : len;
	ssize_t n;

	if (c->fd < 0)
		return;
	n = send(c->fd, text, MIN(len, most), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0 || errno != EPIPE)
		assert_int_equal(n, MIN(len, most));
	c->heard += MIN(len, most);
	if (len > most)
		databases_hang_up(c);
}

/* The number behind '*' or '$', up to the end of its line; -1: that is not there yet. */
static long take_number(const char **at)
{
	const char *end = strstr(*at, "\r\n");
	long n;

	if (!end)
		return -1;
	n = strtol(*at + 1, NULL, 10);
	*at = end + 2;
	return n;
}

/* The bytes of the first command, whose words are taken; 0: not all of it is there. */
static size_t take_command(struct fake_client *c)
{
	const char *at = c->in;
	long n = take_number(&at);

	c->words = 0;
	for (long i = 0; i < n; i++) {
		long len = take_number(&at);

		if (len < 0 || len + 2 > c->in + c->len - at)
			return 0;
		if (c->words < FAKE_WORDS)
			(void)snprintf(c->word[c->words++], FAKE_WORD_BYTES, "%.*s", (int)len, at);
		at += len + 2;
	}
	return n < 0 ? 0 : (size_t)(at - c->in);
}

static void subscribe(struct fake_client *c)
{
	char text[2 * FAKE_WORD_BYTES];

	memcpy(c->pattern, c->word[1], sizeof(c->pattern));
	(void)snprintf(text, sizeof(text), "*3\r\n$10\r\npsubscribe\r\n$%zu\r\n%s\r\n:1\r\n", strlen(c->pattern),
		       c->pattern);
	databases_tell(c, text);
}

static void answer_fields(struct fake_client *c)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "*%zu\r\n", c->words - 2);
	databases_tell(c, text);
	for (size_t i = 2; i < c->words; i++)
		databases_tell(c, "$-1\r\n");
}

static void answer(struct fake_client *c)
{
	static const struct {
		const char *command, *answer;
	} empty[] = {
		{"SELECT", "+OK\r\n"}, {"AUTH", "+OK\r\n"},   {"PING", "+PONG\r\n"},
		{"EXISTS", ":0\r\n"},  {"HLEN", ":0\r\n"},    {"DEL", ":0\r\n"},
		{"HGET", "$-1\r\n"},   {"HGETALL", "*0\r\n"}, {"SCAN", "*2\r\n$1\r\n0\r\n*0\r\n"},
		{"PUBLISH", ":0\r\n"},
	};
	const char *said;

	if (strcmp(c->word[0], "SELECT") == 0)
		c->database = (unsigned)strtoul(c->word[1], NULL, 10);
	if (strcmp(c->word[0], "AUTH") == 0)
		(void)snprintf(c->auth, sizeof(c->auth), "%.40s%s%.40s", c->word[1], c->words > 2 ? " " : "",
			       c->words > 2 ? c->word[2] : "");
	said = c->of->says ? c->of->says(c) : NULL;
	if (said) {
		databases_tell(c, said);
		return;
	}
	if (strcmp(c->word[0], "PSUBSCRIBE") == 0) {
		subscribe(c);
		return;
	}
	if (strcmp(c->word[0], "HMGET") == 0) {
		answer_fields(c);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
		if (strcmp(c->word[0], empty[i].command) == 0) {
			databases_tell(c, empty[i].answer);
			return;
		}
	databases_tell(c, ":1\r\n");
}

static int on_bytes(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct fake_client *c = user;
	ssize_t n = recv(fd, c->in + c->len, sizeof(c->in) - 1 - c->len, MSG_DONTWAIT);

	(void)source;
	(void)events;
	if (n <= 0) {
		databases_hang_up(c);
		return 0;
	}
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	for (size_t used; c->len > 0 && (used = take_command(c)) > 0;) {
		answer(c);
		c->len -= used;
		memmove(c->in, c->in + used, c->len + 1);
	}
	return 0;
}

static void forget_who_left(struct fake_databases *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->clients[i]->fd >= 0)
			f->clients[kept++] = f->clients[i];
		else
			free(f->clients[i]);
	f->n = kept;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct fake_databases *f = user;
	struct fake_client *c = calloc(1, sizeof(*c));

	(void)source;
	(void)events;
	assert_non_null(c);
	if (f->n == FAKE_CLIENTS)
		forget_who_left(f);
	assert_true(f->n < FAKE_CLIENTS);
	f->clients[f->n++] = c;
	c->of = f;
	c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c->fd >= 0);
	assert_true(sd_event_add_io(f->event, &c->source, c->fd, EPOLLIN, on_bytes, c) >= 0);
	return 0;
}

void databases_listen(struct fake_databases *f, sd_event *event, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	f->event = event;
	f->path = path;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listener, FAKE_CLIENTS), 0);
	assert_true(sd_event_add_io(event, &f->accepting, f->listener, EPOLLIN, on_connection, f) >= 0);
}

void databases_end(struct fake_databases *f)
{
	if (!f->path)
		return;
	f->accepting = sd_event_source_disable_unref(f->accepting);
	(void)close(f->listener);
	(void)unlink(f->path);
	for (size_t i = 0; i < f->n; i++) {
		databases_hang_up(f->clients[i]);
		free(f->clients[i]);
	}
	*f = (struct fake_databases){0};
}

struct fake_client *databases_find(const struct fake_databases *f, unsigned database, const char *pattern)
{
	for (size_t i = 0; i < f->n; i++) {
		struct fake_client *c = f->clients[i];

		if (c->fd >= 0 && c->database == database && strcmp(c->pattern, pattern) == 0)
			return c;
	}
	return NULL;
}
