/* SPDX-License-Identifier: Apache-2.0 */
/* The flight recorder's ring, alone and with a reader in another thread; meant for -Db_sanitize=thread too. */
#include "recorder/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "test.h"

#define RING RECORDER_MIN_BYTES
#define DATAGRAM 1400
#define LENGTHS 300
#define COPIES 20
#define MANY (8 * RING / DATAGRAM)

static int copy_now(struct recorder_copy *copy)
{
	recorder_publish();
	return recorder_copy(copy);
}

static int setup(void **state)
{
	(void)state;
	return recorder_start(RING);
}

static int teardown(void **state)
{
	(void)state;
	recorder_stop();
	return 0;
}

/* Its number, and bytes that follow from it. */
static void fill(uint32_t out[DATAGRAM / 4], uint32_t number)
{
	for (size_t i = 0; i < DATAGRAM / 4; i++)
		out[i] = number + (uint32_t)i;
}

static void put_datagram(uint32_t number)
{
	uint32_t bytes[DATAGRAM / 4];

	fill(bytes, number);
	recorder_datagram(RECORDER_EVENTS, bytes, sizeof(bytes));
}

static void put_checkpoint(unsigned ports, bool dumping)
{
	recorder_checkpoint_begins(dumping ? 1 : 3, dumping ? "dumping" : "synced", dumping);
	for (unsigned i = 0; i < ports; i++) {
		struct recorder_port port = {.ifindex = (int)i + 1, .mtu = 9100};

		(void)snprintf(port.name, sizeof(port.name), "Ethernet%u", i);
		recorder_port(&port);
	}
	recorder_checkpoint_ends();
}

/* After the datagram, where it was put as the loop does. */
static unsigned decisions_of(uint32_t number)
{
	return 1 + number % 4;
}

static void put_as_the_loop(uint32_t number)
{
	static const char port[IFNAMSIZ] = "Ethernet0";

	recorder_publish();
	recorder_time(number);
	put_datagram(number);
	recorder_owed(port, 1);
	for (unsigned i = 1; i < decisions_of(number); i++)
		recorder_sent(port, 1, RECORDER_NO_ROW);
	if (recorder_checkpoint_due(false))
		put_checkpoint(4, false);
	recorder_turn_ends();
}

/* The datagram's number, after a look at its bytes. */
static uint32_t number_of(const struct recorder_entry *entry)
{
	uint32_t expected[DATAGRAM / 4], number;

	assert_int_equal(entry->len, DATAGRAM);
	memcpy(&number, entry->data, sizeof(number));
	fill(expected, number);
	assert_memory_equal(entry->data, expected, DATAGRAM);
	return number;
}

/*
 * Every datagram is whole, and none is missing between the first and the last, nor a decision on one. Returns how many
 * datagrams there were.
 */
static size_t check_copy(struct recorder_copy *copy, uint32_t *last)
{
	const struct recorder_entry *entry = recorder_next(copy);
	size_t n = 0;
	unsigned decisions = 0;

	assert_non_null(entry);
	if (copy->whole)
		assert_int_equal(entry->kind, RECORDER_ENTRY_CHECKPOINT);
	for (; entry; entry = recorder_next(copy)) {
		uint32_t number;

		decisions += entry->kind == RECORDER_ENTRY_DECISION;
		if (entry->kind != RECORDER_ENTRY_DATAGRAM)
			continue;
		number = number_of(entry);
		if (n++ > 0) {
			assert_int_equal(number, *last + 1);
			assert_true(decisions == 0 || decisions == decisions_of(*last));
		}
		*last = number;
		decisions = 0;
	}
	return n;
}

static void off_does_nothing(void **state)
{
	struct recorder_copy copy;

	(void)state;
	recorder_datagram(RECORDER_EVENTS, "x", 1);
	recorder_owed("Ethernet0\0\0\0\0\0\0", 1);
	recorder_trigger(RECORDER_WHY_DRIFT, "nobody listens");
	assert_false(recorder_is_triggered());
	assert_false(recorder_checkpoint_due(false));
	assert_int_equal(recorder_copy(&copy), -ENODATA);
	assert_int_equal(recorder_figures().bytes, 0);
}

static void empty_has_nothing(void **state)
{
	struct recorder_copy copy;

	(void)state;
	assert_int_equal(recorder_copy(&copy), -ENODATA);
	assert_true(recorder_checkpoint_due(false));
}

static void entries_come_back(void **state)
{
	static const char port[IFNAMSIZ] = "Ethernet0";
	const struct recorder_row row = {.mtu = 9100, .state = 1, .oper = 0, .admin = 1};
	const struct recorder_decision *decision;
	const struct recorder_entry *entry;
	struct recorder_copy copy;

	(void)state;
	put_checkpoint(2, false);
	recorder_time(5);
	recorder_datagram(RECORDER_ANSWER, "abc", 3);
	recorder_time(6);
	recorder_sent(port, 6, row);
	recorder_lost(RECORDER_OVERRUN);
	recorder_connection("STATE_DB", false, "gone");
	assert_int_equal(copy_now(&copy), 0);
	assert_true(copy.whole);
	for (int i = 0; i < 4; i++)
		entry = recorder_next(&copy);
	assert_int_equal(entry->kind, RECORDER_ENTRY_END);
	entry = recorder_next(&copy);
	assert_int_equal(entry->kind, RECORDER_ENTRY_DATAGRAM);
	assert_int_equal(entry->detail, RECORDER_ANSWER);
	assert_int_equal(entry->nsec, 5);
	assert_int_equal(entry->len, 3);
	assert_memory_equal(entry->data, "abc", 3);
	entry = recorder_next(&copy);
	decision = (const void *)entry->data;
	assert_int_equal(entry->kind, RECORDER_ENTRY_DECISION);
	assert_int_equal(entry->detail, RECORDER_SENT);
	assert_int_equal(entry->nsec, 6);
	assert_string_equal(decision->port, "Ethernet0");
	assert_int_equal(decision->fields, 6);
	assert_int_equal(decision->row.mtu, 9100);
	assert_int_equal(decision->row.oper, 0);
	entry = recorder_next(&copy);
	assert_int_equal(entry->kind, RECORDER_ENTRY_LOST);
	entry = recorder_next(&copy);
	assert_int_equal(entry->kind, RECORDER_ENTRY_CONNECTION);
	assert_string_equal((const char *)entry->data, "STATE_DB: gone");
	assert_null(recorder_next(&copy));
	recorder_copy_free(&copy);
}

#define ALL_FIELDS 63U
#define DECISIONS 40

static void assert_decision(struct recorder_copy *copy, uint64_t nsec, enum recorder_act act, const char *port,
			    unsigned fields)
{
	const struct recorder_entry *entry = recorder_next(copy);
	const struct recorder_decision *decision;

	assert_non_null(entry);
	decision = (const void *)entry->data;
	assert_int_equal(entry->kind, RECORDER_ENTRY_DECISION);
	assert_int_equal(entry->nsec, nsec);
	assert_int_equal(entry->detail, act);
	assert_string_equal(decision->port, port);
	assert_int_equal(decision->fields, fields);
	if (act == RECORDER_SENT)
		assert_int_equal(decision->row.mtu, fields);
	else
		assert_int_equal(decision->row.mtu, -1);
}

static void assert_datagram(struct recorder_copy *copy, const char *bytes)
{
	const struct recorder_entry *entry = recorder_next(copy);

	assert_non_null(entry);
	assert_int_equal(entry->kind, RECORDER_ENTRY_DATAGRAM);
	assert_int_equal(entry->len, strlen(bytes));
	assert_memory_equal(entry->data, bytes, strlen(bytes));
}

static struct recorder_row row_with(unsigned mtu)
{
	return (struct recorder_row){.mtu = (int32_t)mtu, .state = 1, .oper = -2, .admin = -1};
}

static void decisions_come_back_in_their_order(void **state)
{
	static const char shortest[IFNAMSIZ] = "E", longest[IFNAMSIZ] = "Ethernet0123456";
	struct recorder_copy copy;

	(void)state;
	recorder_owed(longest, ALL_FIELDS); /* of no datagram */
	recorder_datagram(RECORDER_EVENTS, "first", 5);
	recorder_owed(longest, 0);
	recorder_owed(shortest, 2);
	recorder_datagram(RECORDER_EVENTS, "second", 6);
	recorder_time(7);
	recorder_owed(shortest, 3); /* later than the datagram */
	recorder_datagram(RECORDER_EVENTS, "third", 5);
	recorder_sent(longest, ALL_FIELDS, row_with(ALL_FIELDS));
	recorder_owed(shortest, 4);
	recorder_time(8);
	recorder_owed(shortest, 5);
	recorder_turn_ends();
	recorder_owed(shortest, 6);
	assert_int_equal(copy_now(&copy), 0);
	for (int i = 0; i < 2; i++, recorder_rewind(&copy)) {
		assert_decision(&copy, 0, RECORDER_OWED, longest, ALL_FIELDS);
		assert_datagram(&copy, "first");
		assert_decision(&copy, 0, RECORDER_OWED, longest, 0);
		assert_decision(&copy, 0, RECORDER_OWED, shortest, 2);
		assert_datagram(&copy, "second");
		assert_decision(&copy, 7, RECORDER_OWED, shortest, 3);
		assert_datagram(&copy, "third");
		assert_decision(&copy, 7, RECORDER_SENT, longest, ALL_FIELDS);
		assert_decision(&copy, 7, RECORDER_OWED, shortest, 4);
		assert_decision(&copy, 8, RECORDER_OWED, shortest, 5);
		assert_decision(&copy, 8, RECORDER_OWED, shortest, 6);
	}
	recorder_copy_free(&copy);
}

/* Of each act any number one behind the other. */
static void many_decisions_come_back(void **state)
{
	struct recorder_copy copy;

	(void)state;
	for (unsigned n = 1; n <= DECISIONS; n++) {
		char port[IFNAMSIZ] = "";

		(void)snprintf(port, sizeof(port), "Ethernet%u", n);
		for (unsigned i = 0; i < n; i++)
			recorder_owed(port, n);
		for (unsigned i = 0; i < n; i++)
			recorder_sent(port, n, row_with(n));
		for (unsigned i = 0; i < n; i++)
			recorder_acked(port, n);
	}
	assert_int_equal(copy_now(&copy), 0);
	for (unsigned n = 1; n <= DECISIONS; n++) {
		char port[IFNAMSIZ] = "";

		(void)snprintf(port, sizeof(port), "Ethernet%u", n);
		for (unsigned i = 0; i < n; i++)
			assert_decision(&copy, 0, RECORDER_OWED, port, n);
		for (unsigned i = 0; i < n; i++)
			assert_decision(&copy, 0, RECORDER_SENT, port, n);
		for (unsigned i = 0; i < n; i++)
			assert_decision(&copy, 0, RECORDER_ACKED, port, n);
	}
	assert_null(recorder_next(&copy));
	recorder_copy_free(&copy);
}

/* From memory of just that length, so that valgrind and AddressSanitizer see a look behind it. */
static void every_length_comes_back(void **state)
{
	const struct recorder_entry *entry;
	struct recorder_copy copy;

	(void)state;
	for (size_t len = 0; len < LENGTHS; len++) {
		unsigned char *bytes = malloc(len + !len);

		assert_non_null(bytes);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)(len + i + 1);
		recorder_datagram(RECORDER_EVENTS, bytes, len);
		free(bytes);
	}
	assert_int_equal(copy_now(&copy), 0);
	for (size_t len = 0; len < LENGTHS; len++) {
		entry = recorder_next(&copy);
		assert_non_null(entry);
		assert_int_equal(entry->len, len);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(entry->data[i], (unsigned char)(len + i + 1));
	}
	assert_null(recorder_next(&copy));
	recorder_copy_free(&copy);
}

static void a_copy_holds_most_of_the_ring_and_ends_with_the_newest(void **state)
{
	struct recorder_copy copy;
	uint32_t last;

	(void)state;
	put_checkpoint(4, false);
	for (uint32_t i = 0; i < MANY; i++) {
		put_as_the_loop(i);
		if (i % 97 != 0)
			continue;
		assert_int_equal(copy_now(&copy), 0);
		assert_true(copy.whole);
		assert_true(check_copy(&copy, &last) >= (size_t)MIN(i + 1, RING * 3 / 4 / DATAGRAM));
		assert_int_equal(last, i);
		recorder_copy_free(&copy);
	}
}

/* A checkpoint made during a dump lacks what the dump's rows said before it. */
static void a_checkpoint_amid_a_dump_is_the_last_resort(void **state)
{
	const struct recorder_entry *entry;
	struct recorder_copy copy;
	uint32_t number = 0;

	(void)state;
	put_checkpoint(1, false);
	while (!recorder_checkpoint_due(true))
		put_datagram(number++);
	assert_true(recorder_checkpoint_due(false));
	put_checkpoint(1, true);
	assert_int_equal(copy_now(&copy), 0);
	entry = recorder_next(&copy);
	assert_string_equal((const char *)entry->data, "synced");
	recorder_copy_free(&copy);
	for (size_t i = 0; i < RING / DATAGRAM * 3 / 4; i++)
		put_datagram(number++);
	put_checkpoint(1, true);
	assert_int_equal(copy_now(&copy), 0);
	assert_true(copy.whole);
	assert_true(copy.len > RING / 2); /* the older of the two */
	entry = recorder_next(&copy);
	assert_string_equal((const char *)entry->data, "dumping");
	recorder_copy_free(&copy);
}

static void without_a_checkpoint_it_begins_where_an_entry_does(void **state)
{
	struct recorder_copy copy;
	uint32_t last;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		put_datagram(i);
	assert_int_equal(copy_now(&copy), 0);
	assert_false(copy.whole);
	assert_true(check_copy(&copy, &last) > 0);
	assert_int_equal(last, MANY - 1);
	recorder_copy_free(&copy);
}

static void what_is_too_long_is_noted(void **state)
{
	static unsigned char bytes[RING / 2];
	const struct recorder_entry *entry;
	struct recorder_copy copy;

	(void)state;
	recorder_datagram(RECORDER_DUMP, bytes, sizeof(bytes));
	assert_int_equal(copy_now(&copy), 0);
	entry = recorder_next(&copy);
	assert_int_equal(entry->kind, RECORDER_ENTRY_NOTE);
	assert_non_null(strstr((const char *)entry->data, "524288 bytes"));
	recorder_copy_free(&copy);
}

static void the_first_trigger_waits(void **state)
{
	char text[RECORDER_TEXT_MAX];
	enum recorder_why why;

	(void)state;
	recorder_trigger(RECORDER_WHY_LOST, "overrun %d", 1);
	recorder_trigger(RECORDER_WHY_DRIFT, "Ethernet0");
	assert_true(recorder_is_triggered());
	recorder_take_trigger(&why, text);
	assert_int_equal(why, RECORDER_WHY_LOST);
	assert_string_equal(text, "overrun 1");
	assert_false(recorder_is_triggered());
}

static atomic_bool enough;

static void *read_on(void *user)
{
	_Atomic size_t *copies = user;

	while (!atomic_load(&enough)) {
		struct recorder_copy copy;
		uint32_t last;
		int r = recorder_copy(&copy);

		if (r == -EAGAIN)
			continue;
		assert_int_equal(r, 0);
		(void)check_copy(&copy, &last);
		recorder_copy_free(&copy);
		(void)atomic_fetch_add(copies, 1);
	}
	return NULL;
}

static void a_reader_never_sees_what_is_half_written(void **state)
{
	_Atomic size_t copies = 0;
	pthread_t reader;
	uint32_t number = 0;

	(void)state;
	put_checkpoint(4, false);
	put_datagram(number++);
	assert_int_equal(pthread_create(&reader, NULL, read_on, &copies), 0);
	for (size_t i = 0; i < MANY || atomic_load(&copies) < COPIES; i++)
		put_as_the_loop(number++);
	atomic_store(&enough, true);
	assert_int_equal(pthread_join(reader, NULL), 0);
}

/* --- a writer that overtakes each copy --- */

#define PAGE 4096U

/* When a copy comes to its second page, the writer writes a quarter of the ring; the first page tells the next try. */
static struct {
	unsigned char *first; /* NULL: nobody overtakes */
	bool wanted;
	uint32_t number;
	unsigned overtaken;
} race;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static void guard(size_t page, bool on)
{
	assert_int_equal(mprotect(race.first + page * PAGE, PAGE, on ? PROT_NONE : PROT_READ | PROT_WRITE), 0);
}

void *__wrap_malloc(size_t size)
{
	unsigned char *bytes = __real_malloc(size);

	if (!race.wanted || size != RING || !bytes)
		return bytes;
	race.first = bytes + (PAGE - (uintptr_t)bytes % PAGE);
	guard(1, true);
	return bytes;
}

static void overtake(int number, siginfo_t *info, void *context)
{
	size_t page = ((size_t)((unsigned char *)info->si_addr - race.first)) / PAGE;

	(void)context;
	if (!race.first || page > 1) {
		(void)signal(number, SIG_DFL);
		return;
	}
	guard(page, false);
	guard(!page, true);
	if (page == 0)
		return;
	race.overtaken++;
	for (size_t i = 0; i < RING / 4 / DATAGRAM; i++)
		put_as_the_loop(race.number++);
}

static void what_was_overtaken_is_left_out(void **state)
{
	const struct sigaction action = {.sa_sigaction = overtake, .sa_flags = SA_SIGINFO};
	struct sigaction before;
	struct recorder_copy copy;
	uint32_t last;
	size_t n;

	(void)state;
	race.number = 0;
	put_checkpoint(4, false);
	while (race.number < MANY)
		put_as_the_loop(race.number++);
	recorder_publish();
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	race.wanted = true;
	assert_int_equal(recorder_copy(&copy), 0);
	race.wanted = false;
	guard(0, false);
	guard(1, false);
	race.first = NULL;
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_true(race.overtaken > 0);
	assert_true(copy.whole);
	n = check_copy(&copy, &last);
	assert_int_equal(last, MANY - 1);
	assert_in_range(n, MANY / 8 / 2, MANY / 8 * 3 / 4); /* half of the ring at least */
	recorder_copy_free(&copy);
}

#ifndef __SANITIZE_THREAD__ /* which has memory of its own for each byte, that comes with its first use */
static long page_faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_minflt;
}

/* What the loop wrote before stays. */
static void no_entry_waits_for_a_page(void **state)
{
	const size_t bytes = 8 * RING, datagrams = 7 * RING / (DATAGRAM + 100);
	struct recorder_copy copy;
	uint32_t last = 0;
	long before;

	(void)state;
	recorder_stop();
	assert_int_equal(recorder_start(bytes), 0);
	put_checkpoint(4, false);
	put_as_the_loop(0);
	recorder_settle();
	before = page_faults();
	for (uint32_t i = 1; i < datagrams; i++)
		put_as_the_loop(i);
	assert_in_range(page_faults() - before, 0, 1);
	assert_int_equal(copy_now(&copy), 0);
	assert_int_equal(check_copy(&copy, &last), datagrams);
	assert_int_equal(last, datagrams - 1);
	recorder_copy_free(&copy);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_does_nothing),
		TEST(empty_has_nothing),
		TEST(entries_come_back),
		TEST(decisions_come_back_in_their_order),
		TEST(many_decisions_come_back),
		TEST(every_length_comes_back),
		TEST(a_copy_holds_most_of_the_ring_and_ends_with_the_newest),
		TEST(a_checkpoint_amid_a_dump_is_the_last_resort),
		TEST(without_a_checkpoint_it_begins_where_an_entry_does),
		TEST(what_is_too_long_is_noted),
		TEST(the_first_trigger_waits),
		TEST(what_was_overtaken_is_left_out),
#ifndef __SANITIZE_THREAD__
		TEST(no_entry_waits_for_a_page),
#endif
		TEST(a_reader_never_sees_what_is_half_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
