/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager hears if it does not always read. */
#include "host/notify.h"

#include <stdlib.h>

#include "log_catcher.h"
#include "patience.h"
#include "test.h"

struct fixture {
	struct log_catcher manager; /* its socket is that of the service manager */
	sd_event *event;
	struct notify *notify;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_manages(&fx->manager);
	assert_int_equal(sd_event_new(&fx->event), 0);
	assert_int_equal(notify_new(&fx->notify), 0);
	assert_int_equal(notify_attach(fx->notify, fx->event), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	notify_free(fx->notify);
	sd_event_unref(fx->event);
	catcher_manages_no_more(&fx->manager);
	free(fx);
	return 0;
}

/* Others talk to the manager, too, until its queue is full. */
static void fill(struct fixture *fx)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", fx->manager.path);
	while (sendto(fd, "X=1", 3, 0, (struct sockaddr *)&address, sizeof(address)) == 3)
		;
	(void)close(fd);
}

/* It reads all that was sent. */
static void drain(struct fixture *fx)
{
	assert_true(catcher_count(&fx->manager, "X=1") > 0);
}

static void hears(struct fixture *fx, const char *text)
{
	assert_true(catcher_next(&fx->manager));
	assert_string_equal(fx->manager.line, text);
}

/* The loop ends before it would try again. */
static void what_waited_goes_before_the_next(void **state)
{
	struct fixture *fx = *state;

	fill(fx);
	notify_send(fx->notify, "STATUS=1");
	drain(fx);
	notify_send(fx->notify, "STOPPING=1");
	hears(fx, "STATUS=1");
	hears(fx, "STOPPING=1");
}

static void what_waits_at_the_end_is_sent(void **state)
{
	struct fixture *fx = *state;

	fill(fx);
	notify_send(fx->notify, "STATUS=1");
	notify_send(fx->notify, "STOPPING=1");
	drain(fx);
	notify_detach(fx->notify);
	hears(fx, "STATUS=1");
	hears(fx, "STOPPING=1");
}

/* Each STATUS= replaces the one that waits; of others the oldest goes when there are too many. */
static void of_what_waits_the_last_words_count(void **state)
{
	struct fixture *fx = *state;

	fill(fx);
	notify_send(fx->notify, "READY=1");
	for (unsigned i = 1; i <= 100; i++)
		notify_send(fx->notify, "STATUS=%u", i);
	drain(fx);
	notify_detach(fx->notify);
	hears(fx, "READY=1");
	hears(fx, "STATUS=100");
	assert_false(catcher_next(&fx->manager));
}

static void too_much_is_forgotten_from_the_oldest_on(void **state)
{
	struct fixture *fx = *state;

	fill(fx);
	for (unsigned i = 1; i <= 100; i++)
		notify_send(fx->notify, "X_NUMBER=%u", i);
	drain(fx);
	notify_detach(fx->notify);
	assert_true(catcher_next(&fx->manager));
	assert_string_not_equal(fx->manager.line, "X_NUMBER=1");
	while (strcmp(fx->manager.line, "X_NUMBER=100") != 0)
		assert_true(catcher_next(&fx->manager));
	assert_false(catcher_next(&fx->manager));
}

/* The loop tries again once the manager has read. */
static void what_waits_is_sent_when_there_is_capacity(void **state)
{
	struct fixture *fx = *state;
	uint64_t deadline = patience_ends_usec();

	fill(fx);
	notify_send(fx->notify, "STATUS=1");
	drain(fx);
	while (!catcher_next(&fx->manager)) {
		assert_true(now_usec() < deadline);
		assert_true(sd_event_run(fx->event, 100 * USEC_PER_MSEC) >= 0);
	}
	assert_string_equal(fx->manager.line, "STATUS=1");
}

/* sd_notify(3) knows paths and abstract sockets; a service without a good one runs as without a manager. */
static void addresses_that_are_none(void **state)
{
	static const char *const addresses[] = {"", "/", "@", "relative", "vsock:2:1"};
	struct notify *notify = NULL;
	char kept[128], path[200];

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", getenv("NOTIFY_SOCKET"));
	(void)snprintf(path, sizeof(path), "/%0150d", 0);
	for (size_t i = 0; i <= ARRAY_SIZE(addresses); i++) {
		(void)setenv("NOTIFY_SOCKET", i < ARRAY_SIZE(addresses) ? addresses[i] : path, 1);
		assert_int_equal(notify_new(&notify), 0);
		assert_null(notify);
		notify_send(notify, "READY=1");
		assert_int_equal(notify_attach(notify, NULL), 0);
	}
	(void)setenv("NOTIFY_SOCKET", "@portsyncd-test-nobody", 1);
	assert_int_equal(notify_new(&notify), 0);
	assert_non_null(notify);
	notify_send(notify, "READY=1"); /* nobody hears it, and nobody misses it */
	notify_free(notify);
	(void)setenv("NOTIFY_SOCKET", kept, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_waited_goes_before_the_next),          TEST(what_waits_at_the_end_is_sent),
		TEST(of_what_waits_the_last_words_count),        TEST(too_much_is_forgotten_from_the_oldest_on),
		TEST(what_waits_is_sent_when_there_is_capacity), TEST(addresses_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
