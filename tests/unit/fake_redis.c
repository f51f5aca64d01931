/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_redis.h"

void fake_hang_up(struct fake_redis *f)
{
	f->reading = sd_event_source_disable_unref(f->reading);
	if (f->client >= 0)
		(void)close(f->client);
	f->client = -1;
	f->len = 0;
}

void fake_send_bytes(struct fake_redis *f, const void *bytes, size_t len)
{
	assert_int_equal(send(f->client, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT), len);
}

void fake_send(struct fake_redis *f, const char *text)
{
	fake_send_bytes(f, text, strlen(text));
}

void fake_forget(struct fake_redis *f, size_t n)
{
	memmove(f->in, f->in + n, f->len - n);
	f->len -= n;
}

void fake_check_setup(struct fake_redis *f)
{
	size_t len = strlen(f->setup);

	if (f->set_up || f->len < len)
		return;
	assert_memory_equal(f->in, f->setup, len);
	fake_forget(f, len);
	f->set_up = true;
	fake_send(f, f->setup_answer);
}

int fake_on_bytes(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct fake_redis *f = user;
	ssize_t n;

	(void)source;
	(void)events;
	if (f->cap - f->len < 65536) {
		f->cap = f->cap * 2 + 65536;
		f->in = realloc(f->in, f->cap);
		assert_non_null(f->in);
	}
	n = recv(fd, f->in + f->len, 65536, MSG_DONTWAIT);
	if (n <= 0) {
		fake_hang_up(f);
		return 0;
	}
	f->len += (size_t)n;
	fake_check_setup(f);
	return 0;
}

int fake_on_connection(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct fake_redis *f = user;

	(void)source;
	(void)events;
	fake_hang_up(f);
	f->client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->client >= 0);
	f->connections++;
	f->set_up = false;
	if (f->last_words) {
		fake_send(f, f->last_words);
		fake_hang_up(f);
		return 0;
	}
	assert_true(sd_event_add_io(f->event, &f->reading, f->client, EPOLLIN, fake_on_bytes, f) >= 0);
	return 0;
}

void fake_listen_on(struct fake_redis *f, struct sockaddr *address, socklen_t len)
{
	f->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_int_equal(bind(f->listener, address, len), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_true(sd_event_add_io(f->event, &f->accepting, f->listener, EPOLLIN, fake_on_connection, f) >= 0);
}

void fake_listen(struct fake_redis *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)unlink(f->path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	fake_listen_on(f, (struct sockaddr *)&address, sizeof(address));
}

void fake_listen_tcp(struct fake_redis *f)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	fake_listen_on(f, (struct sockaddr *)&address, sizeof(address));
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &len), 0);
	f->port = ntohs(address.sin_port);
}

void fake_init(struct fake_redis *f, sd_event *event)
{
	*f = (struct fake_redis){.event = event, .listener = -1, .client = -1};
	f->setup = SETUP_0;
	f->setup_answer = SETUP_0_ANSWER;
	scratch_make(f->folder);
	(void)snprintf(f->path, sizeof(f->path), "%s/sock", f->folder);
}

void fake_stop_listening(struct fake_redis *f)
{
	f->accepting = sd_event_source_disable_unref(f->accepting);
	if (f->listener >= 0)
		(void)close(f->listener);
	f->listener = -1;
	(void)unlink(f->path);
}

void fake_done(struct fake_redis *f)
{
	fake_hang_up(f);
	fake_stop_listening(f);
	scratch_remove(f->folder);
	free(f->in);
}

void fake_pause(struct fake_redis *f, bool pause)
{
	assert_true(sd_event_source_set_enabled(f->reading, pause ? SD_EVENT_OFF : SD_EVENT_ON) >= 0);
}

bool fake_got(const struct fake_redis *f, const char *text)
{
	return f->len >= strlen(text);
}

void fake_expect(struct fake_redis *f, const char *text)
{
	RUN_UNTIL(f->event, fake_got(f, text));
	assert_int_equal(f->len, strlen(text));
	assert_memory_equal(f->in, text, f->len);
	f->len = 0;
}
