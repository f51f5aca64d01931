/* SPDX-License-Identifier: Apache-2.0 */
#include "http/content.h"

#include <libdeflate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

/* RFC 9112, 3.2. */
static void the_path_of_a_target(void **state)
{
	static const char *const targets[][2] = {
		{"/metrics", "/metrics"},
		{"/", "/"},
		{"http://switch:10187/metrics", "/metrics"},
		{"HTTPS://[::1]:10187/ports/Ethernet0", "/ports/Ethernet0"},
		{"http://switch", "/"},
		{"http://", "/"},
		{"http:/metrics", "http:/metrics"},
		{"/http://switch/metrics", "/http://switch/metrics"},
		{"*", "*"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		assert_string_equal(http_target_path(targets[i][0]), targets[i][1]);
}

/* RFC 9110, 12.5.3. */
static void who_wants_gzip(void **state)
{
	static const char *const yes[] = {
		"gzip",
		"x-gzip",
		"GZIP;Q=0.001",
		"deflate, gzip;q=1.0, *;q=0.5",
		"br;q=1.0, gzip;q=0.8",
		"identity; q=0.5 ,\tgzip ; q=0.5",
		"*",
		"*;q=0.1",
		"gzip, identity;q=0",
		"gzip;q=1, identity;q=1.9", /* no weight is above 1 */
		",,gzip,,",
	};
	static const char *const no[] = {
		"",
		"identity",
		"br, deflate",
		"gzip;q=0",
		"gzip;q=0.000, *",
		"identity, gzip;q=0.9",
		"*;q=0",
		"gzipped",
		"not gzip",
		"gzip;q=nan",
		",",
		";q=1",
		"q=1",
		"gzip;q=-1",
	};

	(void)state;
	assert_false(http_wants_gzip(NULL));
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(http_wants_gzip(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(http_wants_gzip(no[i]));
}

static void who_wants_html(void **state)
{
	static const char *const yes[] = {"text/html", "text/html,application/xhtml+xml,*/*;q=0.8",
					  "a/b, TEXT/HTML;q=0.1"};
	static const char *const no[] = {"", "*/*", "text/*", "text/html;q=0", "text/htmlx", "text/plain", ","};

	(void)state;
	assert_false(http_wants_html(NULL));
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(http_wants_html(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(http_wants_html(no[i]));
}

static void gzip_gives_the_same_bytes(void **state)
{
	enum { LEN = 300000 };
	char *text = calloc(1, LEN), *back = calloc(1, LEN), *small;
	struct libdeflate_decompressor *reader = libdeflate_alloc_decompressor();
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < LEN; i++)
		text[i] = "portsyncd_port_oper_up{port=\"Ethernet0\"} 1\n"[i % 43];
	small = gzip_bytes(text, LEN, &len);
	assert_non_null(small);
	assert_in_range(len, 20, LEN / 20);
	/* The system tests read it with zlib. */
	assert_int_equal(libdeflate_gzip_decompress(reader, small, len, back, LEN, NULL), LIBDEFLATE_SUCCESS);
	assert_memory_equal(text, back, LEN);
	libdeflate_free_decompressor(reader);
	free(text);
	free(back);
	free(small);
}

static void gzip_leaves_alone_what_gets_no_smaller(void **state)
{
	char noise[4096];
	uint32_t x = 1;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (char)(x >> 24);
	}
	assert_null(gzip_bytes(noise, sizeof(noise), &len));
	assert_null(gzip_bytes("{}", 2, &len));
	assert_null(gzip_bytes("", 0, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_of_a_target),
		cmocka_unit_test(who_wants_gzip),
		cmocka_unit_test(who_wants_html),
		cmocka_unit_test(gzip_gives_the_same_bytes),
		cmocka_unit_test(gzip_leaves_alone_what_gets_no_smaller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
