/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager hears that does not always read. */
#include "host/notify.h"

#include <stdlib.h>

#include "log_catcher.h"
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

/* Others talk to the manager, too, until it has no room. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_waited_goes_before_the_next),
		TEST(what_waits_at_the_end_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
