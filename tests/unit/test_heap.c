/* SPDX-License-Identifier: Apache-2.0 */
/* What malloc(3) does with the kernel's memory. The sanitizers bring an allocator of their own. */
#include "host/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ports/links.h"
#include "test.h"

#define PARTS 16
#define PART_BYTES ((size_t)40 << 10)
#define TEXT_BYTES ((size_t)600 << 10) /* /metrics of many ports */
#define COPY_BYTES ((size_t)20 << 20)
#define PAGES_MAX 512

static uintptr_t page_bytes(void)
{
	return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static int look(uintptr_t page, size_t len, unsigned char *pages)
{
	return mincore((void *)page, len, pages); /* NOLINT(performance-no-int-to-ptr) */
}

/* How many of the pages that a block has alone are in memory; it may have been freed. */
static size_t resident(uintptr_t block, size_t size)
{
	uintptr_t page = page_bytes(), first = (block / page + 1) * page, end = (block + size) / page * page;
	unsigned char pages[PAGES_MAX] = {0};
	size_t n = 0;

	assert_true((end - first) / page <= PAGES_MAX);
	assert_int_equal(look(first, end - first, pages), 0);
	for (size_t i = 0; i < (end - first) / page; i++)
		n += pages[i] & 1;
	return n;
}

static void what_is_not_used_is_not_touched(void **state)
{
	char *part[PARTS];
	size_t touched = 0;

	(void)state;
	for (size_t i = 0; i < PARTS; i++) {
		part[i] = calloc(1, PART_BYTES);
		assert_non_null(part[i]);
		assert_int_equal(part[i][PART_BYTES / 2], 0);
	}
	/* The first may lie in what was left of the heap. */
	for (size_t i = 1; i < PARTS; i++)
		touched += resident((uintptr_t)part[i], PART_BYTES);
	assert_in_range(touched, 0, 3 * PARTS); /* the page read above, and those of malloc()'s own heads */
	for (size_t i = 0; i < PARTS; i++)
		free(part[i]);
}

static void a_large_copy_goes_back_at_once(void **state)
{
	char *copy = malloc(COPY_BYTES);
	uintptr_t at = (uintptr_t)copy;
	unsigned char page;

	(void)state;
	assert_non_null(copy);
	memset(copy, 1, COPY_BYTES);
	free(copy);
	assert_int_equal(look(at / page_bytes() * page_bytes(), 1, &page), -1);
	assert_int_equal(errno, ENOMEM);
}

static void a_text_stays_for_the_next(void **state)
{
	char *text = malloc(TEXT_BYTES);
	uintptr_t at = (uintptr_t)text;
	size_t pages;

	(void)state;
	assert_non_null(text);
	memset(text, 1, TEXT_BYTES);
	pages = resident(at, TEXT_BYTES);
	free(text);
	assert_int_equal(resident(at, TEXT_BYTES), pages);
}

/* In bytes. */
static size_t resident_set(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	size_t pages;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%*u %zu", &pages), 1);
	(void)fclose(statm);
	return pages * page_bytes();
}

static void a_port_takes_memory_when_it_comes(void **state)
{
	const size_t reserve = 16384;
	size_t before = resident_set();
	struct links *l = links_new(reserve);

	(void)state;
	assert_non_null(l);
	assert_true(resident_set() < before + reserve * sizeof(struct port) / 8);
	assert_non_null(links_get(l, "Ethernet0"));
	links_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_used_is_not_touched),
		cmocka_unit_test(a_large_copy_goes_back_at_once),
		cmocka_unit_test(a_text_stays_for_the_next),
		cmocka_unit_test(a_port_takes_memory_when_it_comes),
	};

	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* pages are counted */
	memory_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
