/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of the last changes: all is read in order, or counted as lost, and never half of one change. */
#include "ports/changes.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/util.h"

#define KEPT 1024
#define STORM 300000

/* Every part follows from the number, so that a mixture of two is seen. */
static struct change numbered(uint64_t number)
{
	const struct row before = {{1, number % 2, 1, (int64_t)number}},
			 after = {{1, 0, number % 3 == 0, (int64_t)number + 1}};
	struct change change = {
		.number = number,
		.at_usec = number * 3,
		.latency_usec = (uint32_t)number,
		.kind = number % CHANGE_KINDS,
		.fields = number % 16,
		.before = row_pack(&before),
		.after = row_pack(&after),
	};

	(void)snprintf(change.port, sizeof(change.port), "E%u", (unsigned)number);
	return change;
}

static bool is_numbered(const struct change *change)
{
	const struct change want = numbered(change->number);

	return change->at_usec == want.at_usec && change->latency_usec == want.latency_usec &&
	       change->kind == want.kind && change->fields == want.fields && strcmp(change->port, want.port) == 0 &&
	       change->before.bits == want.before.bits && change->after.bits == want.after.bits;
}

static void add(struct changes *c, uint64_t from, uint64_t to)
{
	for (uint64_t number = from; number < to; number++) {
		struct change change = numbered(number);

		changes_add(c, &change);
	}
}

static struct changes *new_changes(size_t kept)
{
	struct changes *c = changes_new(kept);

	assert_non_null(c);
	return c;
}

static void what_was_added_is_read_in_order(void **state)
{
	struct changes *c = new_changes(KEPT);
	uint64_t next = 0, lost = 0;
	struct change got[8];

	(void)state;
	assert_int_equal(changes_read(c, &next, got, ARRAY_SIZE(got), &lost), 0);
	add(c, 0, 10);
	assert_int_equal(changes_read(c, &next, got, ARRAY_SIZE(got), &lost), 8);
	for (uint64_t i = 0; i < 8; i++)
		assert_true(got[i].number == i && is_numbered(&got[i]));
	assert_int_equal(changes_read(c, &next, got, ARRAY_SIZE(got), &lost), 2);
	assert_int_equal(got[1].number, 9);
	assert_int_equal(changes_read(c, &next, got, ARRAY_SIZE(got), &lost), 0);
	assert_int_equal(next, changes_end(c));
	assert_int_equal(lost, 0);
	changes_free(c);
}

static void only_so_many_are_kept(void **state)
{
	static const size_t kept[] = {0, 3, KEPT, KEPT + 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		struct changes *c = new_changes(kept[i]);

		assert_int_equal(changes_begin(c), 0);
		add(c, 0, 5 * KEPT);
		assert_int_equal(changes_kept(c), kept[i]);
		assert_int_equal(changes_begin(c), 5 * KEPT - kept[i]);
		/* All of them can be read. */
		for (uint64_t next = changes_begin(c), lost = 0; next < changes_end(c);) {
			struct change got;

			assert_int_equal(changes_read(c, &next, &got, 1, &lost), 1);
			assert_int_equal(lost, 0);
		}
		changes_free(c);
	}
	changes_free(NULL);
}

static void no_more_is_kept_than_a_file_takes(void **state)
{
	struct changes *c = new_changes(CHANGES_KEPT_MAX + 1);

	(void)state;
	assert_int_equal(changes_kept(c), CHANGES_KEPT_MAX);
	changes_free(c);
}

static void who_is_too_slow_learns_how_many_he_missed(void **state)
{
	struct changes *c = new_changes(KEPT);
	uint64_t next = 0, lost = 7;
	struct change got;

	(void)state;
	add(c, 0, KEPT + 5);
	assert_int_equal(changes_read(c, &next, &got, 1, &lost), 1);
	assert_int_equal(got.number, 5);
	assert_int_equal(lost, 7 + 5);
	assert_int_equal(next, 6);
	changes_free(c);
}

static eventfd_t rung(int fd)
{
	eventfd_t times = 0;

	(void)eventfd_read(fd, &times);
	return times;
}

static void a_listener_is_rung_for_once_until_he_hears(void **state)
{
	int fd cleanup(close_fd) = eventfd(0, EFD_NONBLOCK);
	struct changes *c = new_changes(KEPT);

	(void)state;
	add(c, 0, 1);
	assert_int_equal(rung(fd), 0);
	changes_listen(c, fd);
	add(c, 1, 4);
	assert_int_equal(rung(fd), 1);
	add(c, 4, 5);
	assert_int_equal(rung(fd), 0);
	changes_heard(c);
	add(c, 5, 7);
	assert_int_equal(rung(fd), 1);
	changes_heard(c);
	changes_listen(c, -1);
	add(c, 7, 8);
	assert_int_equal(rung(fd), 0);
	changes_free(c);
}

struct reader {
	struct changes *c;
	int fd;
	atomic_bool started;
	uint64_t seen, lost, torn, disorder, next;
};

static void *read_all(void *user)
{
	struct reader *r = user;
	uint64_t before = 0;

	atomic_store(&r->started, true);
	while (r->next < STORM) {
		struct change got[3];
		size_t n = changes_read(r->c, &r->next, got, ARRAY_SIZE(got), &r->lost);

		for (size_t i = 0; i < n; i++) {
			r->torn += !is_numbered(&got[i]);
			r->disorder += got[i].number < before || got[i].number + 1 > r->next;
			before = got[i].number;
		}
		r->seen += n;
	}
	return NULL;
}

/* Always the oldest, which is overwritten next. */
static void *read_the_oldest(void *user)
{
	struct reader *r = user;
	uint64_t end = 0;

	atomic_store(&r->started, true);
	while (end < STORM) {
		uint64_t next = end - MIN(end, (uint64_t)KEPT);
		struct change got;

		r->seen += changes_read(r->c, &next, &got, 1, &r->lost);
		r->torn += !is_numbered(&got);
		end = changes_end(r->c);
	}
	return NULL;
}

static struct reader storm_for(void *(*read)(void *user))
{
	struct reader r = {.c = new_changes(KEPT)};
	pthread_t thread;

	add(r.c, 0, KEPT + 100);
	assert_int_equal(pthread_create(&thread, NULL, read, &r), 0);
	while (!atomic_load(&r.started))
		continue;
	add(r.c, KEPT + 100, STORM);
	assert_int_equal(pthread_join(thread, NULL), 0);
	changes_free(r.c);
	return r;
}

static void all_is_read_or_counted_as_lost(void **state)
{
	struct reader r = storm_for(read_all);

	(void)state;
	assert_int_equal(r.torn, 0);
	assert_int_equal(r.disorder, 0);
	assert_true(r.lost >= 100);
	assert_int_equal(r.seen + r.lost, STORM);
}

static void a_reader_that_is_overtaken_never_gets_half_a_change(void **state)
{
	struct reader r = storm_for(read_the_oldest);

	(void)state;
	assert_int_equal(r.torn, 0);
	assert_true(r.seen > 0);
}

static void *read_when_rung(void *user)
{
	struct reader *r = user;

	changes_listen(r->c, r->fd);
	atomic_store(&r->started, true);
	while (r->next < STORM) {
		struct change got[64];
		eventfd_t times;
		size_t n;

		(void)eventfd_read(r->fd, &times);
		changes_heard(r->c);
		while ((n = changes_read(r->c, &r->next, got, ARRAY_SIZE(got), &r->lost)) > 0)
			r->seen += n;
	}
	return NULL;
}

/* Were one ring missed, the last change would never be read. */
static void no_ring_is_missed(void **state)
{
	struct reader r = {.c = new_changes(KEPT), .fd = eventfd(0, 0)};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, read_when_rung, &r), 0);
	while (!atomic_load(&r.started))
		continue;
	add(r.c, 0, STORM);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r.seen + r.lost, STORM);
	close_fd(&r.fd);
	changes_free(r.c);
}

#ifndef __SANITIZE_THREAD__ /* which has memory of its own for each byte, that comes with its first use */
static long page_faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_minflt;
}

/* Its memory exists before the loop adds. */
static void no_change_waits_for_a_page(void **state)
{
	const size_t kept = 16384, pages = kept * sizeof(struct change) / 4096;
	struct changes *c = new_changes(kept);
	long before = page_faults();

	(void)state;
	add(c, 1, kept + 1);
	assert_in_range(page_faults() - before, 0, pages / 2);
	changes_free(c);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(no_change_waits_for_a_page),
#endif
		cmocka_unit_test(what_was_added_is_read_in_order),
		cmocka_unit_test(only_so_many_are_kept),
		cmocka_unit_test(no_more_is_kept_than_a_file_takes),
		cmocka_unit_test(who_is_too_slow_learns_how_many_he_missed),
		cmocka_unit_test(a_listener_is_rung_for_once_until_he_hears),
		cmocka_unit_test(all_is_read_or_counted_as_lost),
		cmocka_unit_test(a_reader_that_is_overtaken_never_gets_half_a_change),
		cmocka_unit_test(no_ring_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
