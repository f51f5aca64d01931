/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait for the file that says where Redis is: what operator, service manager and clients learn meanwhile, and how
 * it ends. What happens during the wait happens in its looks for the file.
 */
#include "daemon/await.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/connections.h"
#include "daemon_fixture.h"

#define NOT_KNOWN "it is not known yet where Redis is, so it is not contacted: "
#define AWAITED                                                                                                        \
	"; that file is awaited. On a system without SONiC set [database] redis_unix_socket "                          \
	"or redis_host"
#define GRACE_USEC (5 * USEC_PER_SEC)
#define GOOD                                                                                                           \
	"{\"INSTANCES\": {\"redis\": {\"unix_socket_path\": \"/x/redis.sock\"}}, \"DATABASES\": {"                     \
	"\"APPL_DB\": {\"id\": 0, \"separator\": \":\", \"instance\": \"redis\"}, "                                    \
	"\"CONFIG_DB\": {\"id\": 4, \"separator\": \"|\", \"instance\": \"redis\"}, "                                  \
	"\"STATE_DB\": {\"id\": 6, \"separator\": \"|\", \"instance\": \"redis\"}}, \"VERSION\": \"1.0\"}"

static struct {
	struct fixture *fx;
	void (*at_look)(struct fixture *fx, unsigned look); /* before it; the first one is number 1 */
	unsigned looks;
} awaiting;

int __real_connections_read(struct daemon *d, char *error, size_t size);
int __wrap_connections_read(struct daemon *d, char *error, size_t size);

int __wrap_connections_read(struct daemon *d, char *error, size_t size)
{
	awaiting.at_look(awaiting.fx, ++awaiting.looks);
	return __real_connections_read(d, error, size);
}

static int setup(void **state)
{
	struct fixture *fx = daemon_begin();

	fx->daemon.event = sd_event_unref(fx->daemon.event); /* the wait has its own */
	fx->config.redis_unix_socket[0] = '\0';
	(void)snprintf(fx->config.database_config, sizeof(fx->config.database_config), "%s/databases.json",
		       fx->log.folder);
	awaiting.fx = fx;
	awaiting.looks = 0;
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	daemon_end(*state);
	return 0;
}

/* Of the folder of the log. */
static void put(const struct fixture *fx, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", fx->log.folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Nothing of the wait is left: what is built now has its place. */
static int load(struct fixture *fx, void (*at_look)(struct fixture *fx, unsigned look))
{
	const struct daemon *d = &fx->daemon;
	int r;

	awaiting.at_look = at_look;
	r = connections_load(&fx->daemon);
	assert_true(!d->event && !d->awaited && !d->status_page && !d->judge && !d->single_asked);
	assert_true(!d->signals[0] && !d->signals[1]);
	return r;
}

/* The next line that holds text. */
static const char *line_with(struct log_catcher *k, const char *text)
{
	do
		assert_true(catcher_next(k));
	while (!strstr(k->line, text));
	return k->line;
}

static void it_comes_later(struct fixture *fx, unsigned look)
{
	if (look == 3)
		put(fx, "databases.json", GOOD);
}

static void a_file_that_comes_ends_the_wait(void **state)
{
	struct fixture *fx = *state;
	char text[2 * PATH_MAX];

	assert_int_equal(load(fx, it_comes_later), 0);
	assert_int_equal(awaiting.looks, 3);
	assert_string_equal(fx->daemon.state_db.unix_socket, "/x/redis.sock");
	assert_int_equal(fx->daemon.state_db.number, 6);
	(void)snprintf(text, sizeof(text), NOT_KNOWN "%s: No such file or directory" AWAITED,
		       fx->config.database_config);
	assert_non_null(line_with(&fx->log, text));
	assert_true(catcher_next(&fx->log)); /* once, and then at once */
	assert_non_null(strstr(fx->log.line, "the file that says where Redis is exists now"));
	assert_false(catcher_next(&fx->log));
	/* A unit that others wait for is not kept from being up. */
	(void)snprintf(text, sizeof(text),
		       "READY=1\nSTATUS=waits for the file that says where Redis is: %s: No such file or directory",
		       fx->config.database_config);
	assert_true(catcher_next(&fx->manager));
	assert_string_equal(fx->manager.line, text);
	assert_false(catcher_next(&fx->manager));
}

static void it_is_stopped(struct fixture *fx, unsigned look)
{
	(void)fx;
	if (look == 1)
		assert_int_equal(kill(getpid(), SIGTERM), 0);
}

static void it_is_interrupted(struct fixture *fx, unsigned look)
{
	(void)fx;
	if (look == 1)
		assert_int_equal(kill(getpid(), SIGINT), 0);
}

static void a_stop_ends_it_too(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(load(fx, it_is_stopped), -ECANCELED);
	assert_true(fx->daemon.stopping);
	assert_int_equal(fx->daemon.status, EXIT_SUCCESS);
	assert_non_null(line_with(&fx->log, "stopping on SIGTERM"));
	assert_non_null(line_with(&fx->manager, "STOPPING=1"));
	awaiting.looks = 0;
	assert_int_equal(load(fx, it_is_interrupted), -ECANCELED);
	assert_non_null(line_with(&fx->log, "stopping on SIGINT"));
}

static void it_is_written_in_steps(struct fixture *fx, unsigned look)
{
	put(fx, "databases.json", look == 1 ? "{\"INSTANCES\": {" : GOOD);
}

static void half_a_file_is_no_fault(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(load(fx, it_is_written_in_steps), 0);
	assert_int_equal(awaiting.looks, 2);
	assert_int_equal(fx->daemon.status, EXIT_SUCCESS);
}

static uint64_t bad_since;

/* It is gone once more between. */
static void it_is_bad_twice(struct fixture *fx, unsigned look)
{
	if (look == 3) {
		assert_int_equal(unlink(fx->config.database_config), 0);
		return;
	}
	if (look == 4)
		bad_since = now_usec();
	put(fx, "databases.json", "[]");
}

/* Only one that stays so: the next start would find it as well. */
static void a_bad_file_ends_the_daemon(void **state)
{
	struct fixture *fx = *state;
	const char *line;

	assert_int_equal(load(fx, it_is_bad_twice), -EINVAL);
	assert_true(awaiting.looks > 4);
	assert_true(now_usec() - bad_since >= GRACE_USEC);
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
	assert_non_null(line_with(&fx->log, NOT_KNOWN)); /* missing */
	line = line_with(&fx->log, NOT_KNOWN);           /* bad */
	assert_non_null(strstr(line, "databases.json: "));
	assert_null(strstr(line, "allowed: ")); /* it may be half written */
	line = line_with(&fx->log, "allowed: ");
	assert_null(strstr(line, NOT_KNOWN));
}

static void they_come_one_after_the_other(struct fixture *fx, unsigned look)
{
	if (look == 2)
		put(fx, "global.json",
		    "{\"INCLUDES\":[{\"namespace\":\"asic0\",\"include\":\"asic0.json\"}],\"VERSION\":\"1.0\"}");
	if (look == 4)
		put(fx, "asic0.json", GOOD);
}

/* Of an ASIC: each file is named while it is the one that is missing. */
static void the_file_that_names_the_file(void **state)
{
	struct fixture *fx = *state;

	(void)snprintf(fx->config.namespace_name, sizeof(fx->config.namespace_name), "asic0");
	(void)snprintf(fx->config.database_global, sizeof(fx->config.database_global), "%s/global.json",
		       fx->log.folder);
	assert_int_equal(load(fx, they_come_one_after_the_other), 0);
	assert_non_null(strstr(line_with(&fx->log, NOT_KNOWN), "/global.json: "));
	assert_non_null(strstr(line_with(&fx->log, NOT_KNOWN), "/asic0.json: "));
	assert_int_equal(catcher_count(&fx->log, NOT_KNOWN), 0);
	assert_non_null(strstr(line_with(&fx->manager, "STATUS="), "/global.json: "));
	assert_non_null(strstr(line_with(&fx->manager, "STATUS="), "/asic0.json: "));
}

static struct {
	int fd;
	size_t len;
	char text[4096];
} client;

static void a_client_asks(struct fixture *fx, unsigned look)
{
	if (look == 1)
		client.fd = daemon_ask(fx->config.http_unix_socket, "/healthz");
	else if (daemon_heard(client.fd, client.text, sizeof(client.text), &client.len))
		put(fx, "databases.json", GOOD);
	assert_true(look < 60);
}

static void clients_learn_what_is_awaited(void **state)
{
	struct fixture *fx = *state;

	(void)daemon_serves(fx);
	client.len = 0;
	assert_int_equal(load(fx, a_client_asks), 0);
	assert_non_null(strstr(client.text, "databases.json: No such file or directory"));
	(void)close(client.fd);
}

static void another_daemon_asks(struct fixture *fx, unsigned look)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address);

	if (look == 1) {
		client.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(getsockname(fx->daemon.single, (struct sockaddr *)&address, &len), 0);
		assert_int_equal(connect(client.fd, (struct sockaddr *)&address, len), 0);
	} else if (daemon_heard(client.fd, client.text, sizeof(client.text), &client.len)) {
		put(fx, "databases.json", GOOD);
	}
	assert_true(look < 60);
}

/* Whoever asks who holds the daemon's name is answered, also during the wait. */
static void a_second_daemon_is_answered(void **state)
{
	struct fixture *fx = *state;
	const struct sockaddr_un any = {.sun_family = AF_UNIX};

	client.len = 0;
	fx->daemon.single = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fx->daemon.single, (const struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	assert_int_equal(listen(fx->daemon.single, 1), 0);
	assert_int_equal(load(fx, another_daemon_asks), 0);
	(void)close(client.fd);
	(void)close(fx->daemon.single);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_comes_ends_the_wait), TEST(a_stop_ends_it_too),
		TEST(half_a_file_is_no_fault),         TEST(a_bad_file_ends_the_daemon),
		TEST(the_file_that_names_the_file),    TEST(clients_learn_what_is_awaited),
		TEST(a_second_daemon_is_answered),
	};

	daemon_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
