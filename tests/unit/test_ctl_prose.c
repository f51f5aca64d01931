/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/prose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH 100

static void durations(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{-1, "0 ms"},      {0, "0 ms"},         {0.25, "250 ms"},   {1, "1 s"},         {59.9, "59 s"},
		{60, "1 min 0 s"}, {3723, "1 h 2 min"}, {86400, "1 d 0 h"}, {90000, "1 d 1 h"}, {1e7, "115 d 17 h"},
	};
	char text[PROSE_DURATION_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(prose_duration(cases[i].seconds, text), cases[i].text);
}

static void amounts(void **state)
{
	static const struct {
		double amount;
		const char *text;
	} cases[] = {
		{0, "0"},         {8, "8"},       {1.98602, "1.99"}, {57.520975700000001, "57.5"},
		{0.042, "0.042"}, {99.96, "100"}, {999.61, "1000"},  {10000000, "10000000"},
		{-1, "-1"},
	};
	char text[PROSE_AMOUNT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(prose_amount(cases[i].amount, text), cases[i].text);
}

static void lists(void **state)
{
	json_t *names = json_pack("[s, s, s, s]", "a", "b", "c", "d");
	char text[64], small[6];

	(void)state;
	assert_string_equal(prose_list(names, 4, text, sizeof(text)), "a, b, c, d");
	assert_string_equal(prose_list(names, 3, text, sizeof(text)), "a, b, c, d"); /* "and 1 more" is no shorter */
	assert_string_equal(prose_list(names, 2, text, sizeof(text)), "a, b and 2 more");
	assert_string_equal(prose_list(NULL, 2, text, sizeof(text)), "");
	(void)prose_list(names, 4, small, sizeof(small));
	assert_true(strlen(small) < sizeof(small));
	json_decref(names);
}

/* What a paragraph prints; the test's own stdout is put back. */
static void print(const char *label, const char *text, char *out, size_t size)
{
	int kept = dup(STDOUT_FILENO), pipe_fd[2];
	ssize_t n;

	assert_int_equal(pipe(pipe_fd), 0);
	(void)fflush(stdout);
	assert_true(dup2(pipe_fd[1], STDOUT_FILENO) >= 0);
	prose_paragraph(label, text);
	(void)fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	(void)close(kept);
	(void)close(pipe_fd[1]);
	n = read(pipe_fd[0], out, size - 1);
	(void)close(pipe_fd[0]);
	assert_true(n >= 0);
	out[n] = '\0';
}

static void paragraphs(void **state)
{
	char text[400] = "", long_word[WIDTH + 30] = "", out[1024], *line, *rest = out;

	(void)state;
	print("  cause: ", NULL, out, sizeof(out));
	assert_string_equal(out, "");
	print("  cause: ", "Short.", out, sizeof(out));
	assert_string_equal(out, "  cause: Short.\n");
	for (int i = 0; i < 40; i++)
		(void)strcat(text, i ? " word" : "word");
	print("  cause: ", text, out, sizeof(out));
	for (size_t words = 0; (line = strsep(&rest, "\n")) && *line;) {
		assert_true(strlen(line) <= WIDTH);
		assert_memory_equal(line, words ? "         word" : "  cause: word", 13);
		words++;
	}
	/* Nor does the last word of the text go beyond the edge. */
	memset(long_word, 'y', WIDTH - 3);
	long_word[WIDTH / 2] = ' ';
	(void)snprintf(text, sizeof(text), "%s end", long_word);
	print("", text, out, sizeof(out));
	assert_true(strcspn(out, "\n") <= WIDTH);
	/* A word that is longer than a line is not cut. */
	memset(long_word, 'x', sizeof(long_word) - 1);
	(void)snprintf(text, sizeof(text), "a %s b", long_word);
	print("", text, out, sizeof(out));
	(void)snprintf(text, sizeof(text), "a\n%s\nb\n", long_word);
	assert_string_equal(out, text);
}

static void documents(void **state)
{
	json_t *json = json_pack("{s:s, s:i, s:n}", "text", "x", "number", 7, "null");

	(void)state;
	assert_string_equal(prose_text(json, "text"), "x");
	assert_string_equal(prose_text(json, "number"), "");
	assert_string_equal(prose_text(json, "null"), "");
	assert_string_equal(prose_text(NULL, "text"), "");
	assert_float_equal(prose_number(json, "number"), 7, 0);
	assert_float_equal(prose_number(json, "text"), 0, 0);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),  cmocka_unit_test(amounts),   cmocka_unit_test(lists),
		cmocka_unit_test(paragraphs), cmocka_unit_test(documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
