/* SPDX-License-Identifier: Apache-2.0 */
#include "conn_fixture.h"

void on_ready(void *user)
{
	struct fixture *x = user;

	assert_true(conn_ready(x->conn));
	x->ready++;
}

void on_lost(void *user)
{
	struct fixture *x = user;

	assert_false(conn_ready(x->conn));
	assert_int_equal(conn_in_flight(x->conn), 0);
	x->lost++;
}

struct fixture *fixture_new(const char *label, int log_level, size_t own_size)
{
	static const struct conn_ops counting = {.ready = on_ready, .lost = on_lost};
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->own = calloc(1, own_size);
	assert_non_null(x->own);
	assert_true(sd_event_new(&x->event) >= 0);
	fake_init(&x->server, x->event);
	catcher_start(&x->log, log_level);
	x->ops = &counting;
	access_init(&x->access, NULL, "", NULL, NULL);
	x->opt = (struct conn_options){
		.label = label,
		.access = &x->access,
		.unix_socket = x->server.path,
		.timeout_usec = 60 * USEC_PER_SEC,
		.retry_initial_ms = 1,
		.retry_max_ms = 8,
		.max_in_flight = 8,
	};
	return x;
}

void fixture_free(struct fixture *x)
{
	fake_done(&x->server);
	catcher_stop(&x->log);
	sd_event_unref(x->event);
	free(x->own);
	free(x);
}

struct fixture *conn_begin(void **state, size_t own_size)
{
	struct fixture *x = fixture_new("TEST_DB", LOG_NOTICE, own_size);

	*state = x;
	return x;
}

int conn_end(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	fixture_free(x);
	return 0;
}

void open_conn(struct fixture *x)
{
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), 0);
}

void connect_now(struct fixture *x)
{
	fake_listen(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, x->ready == 1);
}

void reconnect(struct fixture *x)
{
	unsigned int before = x->ready;

	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->ready > before);
	assert_int_equal(x->ready, before + 1);
}

void stay_away(struct fixture *x)
{
	unsigned int before = x->lost;

	fake_stop_listening(&x->server);
	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->lost > before);
	assert_int_equal(x->lost, before + 1);
}

void expect_and_answer(struct fixture *x, const char *command, const char *answer)
{
	fake_expect(&x->server, command);
	fake_send(&x->server, answer);
}

void on_echo(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	(void)reply;
	(void)item;
	(void)cookie;
	((struct fixture *)user)->echoes++;
}

void expect_silence(struct fixture *x)
{
	const struct resp_arg argv[] = {RESP_STR("PING")};
	unsigned int before = x->echoes;

	assert_int_equal(conn_command(x->conn, on_echo, x, NULL, 0, 1, argv), 0);
	conn_flush(x->conn);
	expect_and_answer(x, PING, "+PONG\r\n");
	RUN_UNTIL(x->event, x->echoes > before);
}

size_t take_capacity(struct fixture *x)
{
	const struct resp_arg argv[] = {RESP_STR("PING")};
	size_t n = conn_capacity(x->conn);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(conn_command(x->conn, on_echo, x, NULL, 0, 1, argv), 0);
	conn_flush(x->conn);
	return n;
}

void give_capacity(struct fixture *x, size_t n)
{
	char pings[256] = "";

	for (size_t i = 0; i < n; i++)
		memcpy(pings + i * strlen(PING), PING, sizeof(PING));
	fake_expect(&x->server, pings);
	for (size_t i = 0; i < n; i++)
		fake_send(&x->server, "+PONG\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
}
