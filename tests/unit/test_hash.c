/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "test.h"

#define ENTRIES 1000

struct entry {
	struct hash_node node;
	unsigned int number;
};

static int setup(void **state)
{
	static struct hash h;

	*state = &h;
	return hash_init(&h, 0);
}

static int teardown(void **state)
{
	hash_done(*state);
	return 0;
}

static unsigned int count_key(const struct hash *h, uint32_t key)
{
	unsigned int n = 0;

	for (const struct hash_node *at = hash_first(h, key); at; at = hash_next(at)) {
		assert_int_equal(at->key, key);
		n++;
	}
	return n;
}

static void finds_what_was_added(void **state)
{
	static struct entry entries[ENTRIES];
	struct hash *h = *state;

	for (unsigned int i = 0; i < ENTRIES; i++) {
		entries[i].number = i;
		hash_add(h, &entries[i].node, hash_int(i));
	}
	assert_int_equal(h->count, ENTRIES);
	/* It has grown with them. */
	assert_true(h->size >= ENTRIES);
	for (unsigned int i = 0; i < ENTRIES; i++) {
		struct hash_node *node = hash_first(h, hash_int(i));

		assert_non_null(node);
		assert_int_equal(container_of(node, struct entry, node)->number, i);
	}
	assert_null(hash_first(h, hash_int(ENTRIES)));
}

static void equal_keys_stand_side_by_side(void **state)
{
	struct hash *h = *state;
	struct entry entries[100];

	/* 16 shares a bucket with 0 as long as there are 16. */
	for (unsigned int i = 0; i < 100; i++)
		hash_add(h, &entries[i].node, i % 3 * 16);
	assert_int_equal(count_key(h, 0), 34);
	assert_int_equal(count_key(h, 16), 33);
	assert_int_equal(count_key(h, 32), 33);
	assert_int_equal(count_key(h, 48), 0);
	for (unsigned int i = 0; i < 100; i += 3)
		hash_del(h, &entries[i].node);
	assert_int_equal(count_key(h, 0), 0);
	assert_int_equal(count_key(h, 16), 33);
	assert_int_equal(h->count, 66);
}

static void deleting_a_stranger_is_harmless(void **state)
{
	struct hash *h = *state;
	struct entry in, out = {.node.key = 7};

	hash_add(h, &in.node, 7);
	hash_del(h, &out.node);
	assert_int_equal(h->count, 1);
	assert_ptr_equal(hash_first(h, 7), &in.node);
	hash_clear(h);
	assert_int_equal(h->count, 0);
	assert_null(hash_first(h, 7));
	hash_add(h, &in.node, 7);
	assert_int_equal(count_key(h, 7), 1);
}

/* The published FNV-1a vectors. */
static void fnv_vectors(void **state)
{
	(void)state;
	assert_int_equal(hash_bytes("", 0), 0x811c9dc5);
	assert_int_equal(hash_bytes("a", 1), 0xe40c292c);
	assert_int_equal(hash_bytes("foobar", 6), 0xbf9cf968);
}

static void neighbours_spread(void **state)
{
	unsigned int used[64] = {0};

	(void)state;
	for (uint32_t i = 0; i < 4096; i++)
		used[hash_int(i) & 63]++;
	for (unsigned int i = 0; i < 64; i++)
		assert_in_range(used[i], 32, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_what_was_added),
		TEST(equal_keys_stand_side_by_side),
		TEST(deleting_a_stranger_is_harmless),
		cmocka_unit_test(fnv_vectors),
		cmocka_unit_test(neighbours_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
