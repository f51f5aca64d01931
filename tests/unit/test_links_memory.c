/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model when memory is refused. meson.build puts __wrap_malloc() and __wrap_calloc() in the place of
 * malloc() and calloc().
 */
#include "links_fixture.h"

#include <errno.h>

#include "test.h"

#define ALWAYS SIZE_MAX

static size_t granted = ALWAYS; /* calls that still succeed */

static bool grant(void)
{
	if (granted == 0)
		return false;
	granted -= granted != ALWAYS;
	return true;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return grant() ? __real_calloc(n, size) : NULL;
}

void *__wrap_malloc(size_t size)
{
	return grant() ? __real_malloc(size) : NULL;
}

static int teardown_memory(void **state)
{
	granted = ALWAYS;
	return teardown(state);
}

static void a_model_is_made_whole_or_not_at_all(void **state)
{
	struct links *l = NULL;
	size_t calls = 0;

	(void)state;
	for (; !l; calls++) {
		granted = calls;
		l = links_new(100);
	}
	assert_true(calls > 4);
	granted = ALWAYS;
	seen(l, 1, "Ethernet0");
	has_link(l, "Ethernet0", 1);
	links_free(l);
}

/* The reconciliation sees no_memory and has all links read again. */
static void a_link_without_memory_is_counted_and_taken_later(void **state)
{
	struct links *l = *state;

	granted = 0;
	seen(l, 1, "Ethernet0");
	assert_null(links_find(l, "Ethernet0"));
	assert_int_equal(links_stats(l)->no_memory, 1);
	assert_int_equal(links_stats(l)->present, 0);
	granted = ALWAYS;
	seen(l, 1, "Ethernet0");
	has_link(l, "Ethernet0", 1);
	dirty_are(l, "Ethernet0");
}

/* A renamed link that finds no memory under its new name has left the old one all the same. */
static void a_rename_without_memory_ends_the_old_name(void **state)
{
	struct links *l = *state;
	char name[IFNAMSIZ];

	for (int i = 1; i <= 64; i++) {
		(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i % 100);
		seen(l, i, name);
	}
	granted = 0;
	seen(l, 1, "Ethernet400");
	has_link(l, "Ethernet1", 0);
	assert_true(owes_delete(l, "Ethernet1"));
	assert_null(links_find(l, "Ethernet400"));
	assert_int_equal(links_stats(l)->no_memory, 1);
}

/* A dump that ran short of memory has failed: what it said and did not say is void. */
static void a_dump_without_memory_fails(void **state)
{
	struct links *l = *state;

	seen(l, 1, "Ethernet0");
	seen(l, 2, "Ethernet4");
	seen(l, 3, "Ethernet8");
	links_dump_begin(l);
	granted = 0;
	row(l, 2, "Ethernet4");
	gone(l, 1, "Ethernet0");
	assert_int_equal(links_dump_commit(l), -ENOMEM);
	has_link(l, "Ethernet0", 0);
	has_link(l, "Ethernet4", 2);
	has_link(l, "Ethernet8", 3);

	granted = ALWAYS;
	links_dump_begin(l);
	row(l, 2, "Ethernet4");
	assert_int_equal(links_dump_commit(l), 0);
	has_link(l, "Ethernet4", 2);
	has_link(l, "Ethernet8", 0);
}

/* The same when there is memory for the rows, but not for the ports that they make. */
static void a_dump_without_memory_for_ports_fails(void **state)
{
	struct links *l = *state;
	char name[IFNAMSIZ];

	links_dump_begin(l);
	for (int i = 1; i <= 65; i++) {
		(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i % 100);
		row(l, i, name);
	}
	granted = 1;
	assert_int_equal(links_dump_commit(l), -ENOMEM);
	assert_int_equal(links_stats(l)->present, 64);

	granted = ALWAYS;
	links_dump_begin(l);
	for (int i = 1; i <= 65; i++) {
		(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i % 100);
		row(l, i, name);
	}
	assert_int_equal(links_dump_commit(l), 0);
	assert_int_equal(links_stats(l)->present, 65);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_model_is_made_whole_or_not_at_all, setup, teardown_memory),
		cmocka_unit_test_setup_teardown(a_link_without_memory_is_counted_and_taken_later, setup,
						teardown_memory),
		cmocka_unit_test_setup_teardown(a_rename_without_memory_ends_the_old_name, setup, teardown_memory),
		cmocka_unit_test_setup_teardown(a_dump_without_memory_fails, setup, teardown_memory),
		cmocka_unit_test_setup_teardown(a_dump_without_memory_for_ports_fails, setup, teardown_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
