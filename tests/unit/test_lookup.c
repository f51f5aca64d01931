/* SPDX-License-Identifier: Apache-2.0 */
/* Host names are looked up while the loop goes on: each waiter hears once how it ended, and before that if it takes
 * long. */
#include "redis/lookup.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_redis.h"
#include "patience.h"
#include "test.h"

#define WAITERS 9 /* one more than there can be names */

struct waiting {
	struct lookup_waiter waiter;
	struct endpoint endpoint;
	struct fixture *fx;
	unsigned found, failed, late;
	bool ask_again;
	char why[128];
};

struct fixture {
	sd_event *event;
	struct lookup *lookup;
	struct waiting waiting[WAITERS];
};

static void on_outcome(enum lookup_outcome outcome, const char *why, void *user)
{
	struct waiting *w = user;

	w->found += outcome == LOOKUP_FOUND;
	w->failed += outcome == LOOKUP_FAILED;
	w->late += outcome == LOOKUP_LATE;
	if (why)
		(void)snprintf(w->why, sizeof(w->why), "%s", why);
	if (w->ask_again) {
		w->ask_again = false;
		assert_int_equal(lookup_ask(w->fx->lookup, &w->waiter), 0);
	}
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_true(sd_event_new(&fx->event) >= 0);
	assert_int_equal(lookup_new(&fx->lookup, fx->event), 0);
	for (size_t i = 0; i < WAITERS; i++) {
		struct waiting *w = &fx->waiting[i];

		w->fx = fx;
		w->waiter = (struct lookup_waiter){.endpoint = &w->endpoint, .fn = on_outcome, .user = w};
		list_init(&w->waiter.link);
	}
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	lookup_free(fx->lookup);
	sd_event_unref(fx->event);
	free(fx);
	return 0;
}

static void ask(struct fixture *fx, size_t which, const char *host)
{
	struct waiting *w = &fx->waiting[which];

	assert_int_equal(endpoint_tcp(&w->endpoint, host, 6379), 0);
	assert_int_equal(w->endpoint.n, 0); /* it is a name */
	assert_int_equal(lookup_ask(fx->lookup, &w->waiter), 0);
}

static void a_name_has_addresses(void **state)
{
	struct fixture *fx = *state;
	const struct endpoint *found = &fx->waiting[0].endpoint;

	assert_int_equal(lookup_start(fx->lookup), 0);
	ask(fx, 0, "localhost");
	ask(fx, 1, "localhost"); /* it is asked once, and both hear of it */
	fx->waiting[0].ask_again = true;
	RUN_UNTIL(fx->event, fx->waiting[0].found == 2 && fx->waiting[1].found > 0);
	assert_int_equal(fx->waiting[1].found, 1);
	assert_int_equal(fx->waiting[0].failed, 0);
	assert_true(found->n > 0);
	for (size_t i = 0; i < found->n; i++) {
		const struct sockaddr_storage *at = &found->addresses[i].storage;

		assert_true(at->ss_family == AF_INET || at->ss_family == AF_INET6);
		assert_int_equal(ntohs(((const struct sockaddr_in *)at)->sin_port), 6379); /* where IPv6 has it, too */
	}
}

/* ".invalid" is nobody's (RFC 6761), whether or not there is a name server. */
static void a_name_that_nobody_has(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(lookup_start(fx->lookup), 0);
	ask(fx, 0, "redis.invalid");
	RUN_UNTIL(fx->event, fx->waiting[0].failed > 0);
	assert_int_equal(fx->waiting[0].found, 0);
	assert_non_null(strstr(fx->waiting[0].why, "its host name cannot be looked up: "));
	assert_int_equal(fx->waiting[0].endpoint.n, 0);
}

/* As with a name server that does not answer: here nobody asks it yet. */
static void what_lasts_is_reported(void **state)
{
	struct fixture *fx = *state;

	ask(fx, 0, "localhost");
	ask(fx, 1, "redis.invalid");
	RUN_UNTIL(fx->event, fx->waiting[0].late > 0);
	assert_int_equal(fx->waiting[1].late, 1);
	assert_string_equal(fx->waiting[0].why, "its host name is still being looked up");
	assert_int_equal(lookup_start(fx->lookup), 0);
	RUN_UNTIL(fx->event, fx->waiting[0].found > 0 && fx->waiting[1].failed > 0);
	assert_int_equal(fx->waiting[0].late, 1);
}

static void who_waits_no_more_hears_nothing(void **state)
{
	struct fixture *fx = *state;

	ask(fx, 0, "localhost");
	ask(fx, 1, "localhost");
	lookup_cancel(&fx->waiting[0].waiter);
	assert_int_equal(lookup_start(fx->lookup), 0);
	RUN_UNTIL(fx->event, fx->waiting[1].found > 0);
	assert_int_equal(fx->waiting[0].found, 0);
	assert_int_equal(fx->waiting[0].late, 0);
}

static void there_is_an_end_to_names(void **state)
{
	struct fixture *fx = *state;
	char host[WAITERS][16];

	for (size_t i = 0; i + 1 < WAITERS; i++) {
		(void)snprintf(host[i], sizeof(host[i]), "redis%zu", i);
		ask(fx, i, host[i]);
	}
	assert_int_equal(endpoint_tcp(&fx->waiting[WAITERS - 1].endpoint, "one-more", 6379), 0);
	assert_int_equal(lookup_ask(fx->lookup, &fx->waiting[WAITERS - 1].waiter), -ENOSPC);
}

/* The leak sanitizer no longer sees what a thread that is about to end has to free. A name server may let it wait
 * longer than we do. */
#ifdef __SANITIZE_ADDRESS__
static int threads_have_ended(void **state)
{
	uint64_t deadline = patience_ends_usec();
	struct stat tasks; /* has two links and one a thread */

	(void)state;
	while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3 && now_usec() < deadline)
		(void)usleep(10 * USEC_PER_MSEC);
	return 0;
}
#else
#define threads_have_ended NULL
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_has_addresses),     TEST(a_name_that_nobody_has),
		TEST(what_lasts_is_reported),   TEST(who_waits_no_more_hears_nothing),
		TEST(there_is_an_end_to_names),
	};

	return cmocka_run_group_tests(tests, NULL, threads_have_ended);
}
