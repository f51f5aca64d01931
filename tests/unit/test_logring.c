/* SPDX-License-Identifier: Apache-2.0 */
/* Meant for -Db_sanitize=thread too, see HACKING.md. */
#include "log/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"

#define PRODUCERS 4
#define RECORDS_EACH 20000

static struct logring ring;

static int start(void **state)
{
	(void)state;
	memset(&ring, 0, sizeof(ring));
	return 0;
}

static bool put(int number, bool audit)
{
	struct log_record *record = logring_claim(&ring, audit);

	if (!record)
		return false;
	record->line = number;
	logring_give(&ring, record);
	return true;
}

/* -1: nothing there. */
static int take(void)
{
	struct log_record *record = logring_peek(&ring);
	int number = record ? record->line : -1;

	if (record)
		logring_drop(&ring);
	return number;
}

static size_t resident_bytes(void *start, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char resident[sizeof(struct logring) / 4096 + 1] = {0};
	size_t used = 0;

	assert_int_equal(mincore(start, size, resident), 0);
	for (size_t i = 0; i <= (size - 1) / page; i++)
		used += resident[i] & 1;
	return used * page;
}

/* Few daemons ever fill it, and then most lines come one after another. */
static void a_ring_that_is_rarely_full_uses_little_memory(void **state)
{
	static _Alignas(65536) struct logring fresh;

	(void)state;
	(void)madvise(&fresh, sizeof(fresh), MADV_NOHUGEPAGE);
	for (int i = 0; i < 3 * LOG_RING_SLOTS; i++) {
		logring_give(&fresh, logring_claim(&fresh, false));
		logring_give(&fresh, logring_claim(&fresh, true));
		assert_non_null(logring_peek(&fresh));
		logring_drop(&fresh);
		assert_non_null(logring_peek(&fresh));
		logring_drop(&fresh);
	}
	assert_null(logring_peek(&fresh));
	assert_in_range(resident_bytes(&fresh, sizeof(fresh)), 1, sizeof(fresh) / 16);
}

static void in_order(void **state)
{
	(void)state;
	assert_int_equal(take(), -1);
	for (int round = 0; round < 3 * LOG_RING_SLOTS; round++) {
		assert_true(put(round, false));
		assert_true(put(round + 1, true));
		assert_int_equal(logring_used(&ring), 2);
		assert_int_equal(take(), round);
		assert_int_equal(take(), round + 1);
		assert_int_equal(take(), -1);
	}
}

static void capacity_for_audit(void **state)
{
	(void)state;
	for (int i = 0; i < LOG_RING_ORDINARY; i++)
		assert_true(put(i, false));
	assert_false(put(0, false));
	for (int i = LOG_RING_ORDINARY; i < LOG_RING_SLOTS; i++)
		assert_true(put(i, true));
	assert_false(put(0, true));
	assert_int_equal(take(), 0);
	assert_false(put(0, false));
	assert_true(put(LOG_RING_SLOTS, true));
	for (int i = 1; i <= LOG_RING_SLOTS; i++)
		assert_int_equal(take(), i);
	assert_true(put(0, false));
}

/* A record that was claimed but not given yet holds back later ones, and is not read. */
static void unfinished(void **state)
{
	struct log_record *first = logring_claim(&ring, false);

	(void)state;
	assert_true(put(2, false));
	assert_int_equal(take(), -1);
	first->line = 1;
	logring_give(&ring, first);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 2);
}

/* The number says who made it; the whole text reveals a record that two wrote at once. */
static void *produce(void *user)
{
	int *own = user;
	int producer = *own;

	*own = 0;
	for (int i = 0; i < RECORDS_EACH; i++) {
		struct log_record *record = logring_claim(&ring, i % 8 == 0);

		if (!record) {
			(*own)++; /* lost */
			sched_yield();
			continue;
		}
		record->ifindex = producer;
		record->line = i;
		memset(record->text, 'a' + producer, 64);
		logring_give(&ring, record);
	}
	return NULL;
}

static void check_record(const struct log_record *record, int last[PRODUCERS])
{
	char expected[64];

	assert_in_range(record->ifindex, 0, PRODUCERS - 1);
	assert_true(record->line > last[record->ifindex]);
	last[record->ifindex] = record->line;
	memset(expected, 'a' + record->ifindex, sizeof(expected));
	assert_memory_equal(record->text, expected, sizeof(expected));
}

/* The records of each writer come in its order, whole, and all but those that were reported lost. */
static void many_producers(void **state)
{
	pthread_t threads[PRODUCERS];
	int own[PRODUCERS], last[PRODUCERS], lost = 0, taken = 0;
	bool running = true;

	(void)state;
	for (int i = 0; i < PRODUCERS; i++) {
		own[i] = i;
		last[i] = -1;
		assert_int_equal(pthread_create(&threads[i], NULL, produce, &own[i]), 0);
	}
	while (running || logring_peek(&ring)) {
		const struct log_record *record = logring_peek(&ring);

		if (record) {
			check_record(record, last);
			logring_drop(&ring);
			taken++;
			continue;
		}
		running = false;
		for (int i = 0; i < PRODUCERS; i++)
			if (threads[i] && pthread_tryjoin_np(threads[i], NULL) == 0)
				threads[i] = 0;
			else if (threads[i])
				running = true;
	}
	for (int i = 0; i < PRODUCERS; i++)
		lost += own[i];
	assert_int_equal(taken + lost, PRODUCERS * RECORDS_EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_that_is_rarely_full_uses_little_memory),
		cmocka_unit_test_setup(in_order, start),
		cmocka_unit_test_setup(capacity_for_audit, start),
		cmocka_unit_test_setup(unfinished, start),
		cmocka_unit_test_setup(many_producers, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
