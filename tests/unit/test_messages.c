/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of line has an entry in the journal's catalogue, and each entry a kind. */
#include "log/kinds.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log/advice.h"
#include "metrics/checkadvice.h"

#define CATALOGUE TEST_DATA "/../../deploy/portsyncd.catalog"

static bool is_id(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");

	return len == 32 && text[len] == '\0';
}

static void kinds_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		const struct log_kind_info *kind = &log_kinds[i];

		assert_non_null(kind->name);
		assert_in_range(strlen(kind->name), 1, LOG_KIND_NAME_MAX);
		assert_int_equal(strspn(kind->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(kind->name));
		assert_true(is_id(kind->id));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(log_kinds[j].id, kind->id);
			assert_true(log_kinds[j].audit != kind->audit || strcmp(log_kinds[j].name, kind->name) != 0);
		}
	}
}

static size_t kind_of(const char *id)
{
	size_t i = 0;

	while (i < KINDS && strcmp(log_kinds[i].id, id) != 0)
		i++;
	return i;
}

/* What an entry consists of: "-- <id>", headers with a Subject, an empty line, text. */
struct entry {
	size_t kind;
	bool subject, text, body;
};

static void end_entry(const struct entry *entry)
{
	if (entry->kind == KINDS)
		return;
	if (!entry->subject || !entry->text)
		fail_msg("the catalogue's entry of %s lacks a subject or text", log_kinds[entry->kind].name);
}

static void take_line(struct entry *entry, const char *line, bool seen[KINDS])
{
	if (strncmp(line, "-- ", 3) == 0) {
		end_entry(entry);
		*entry = (struct entry){.kind = kind_of(line + 3)};
		if (entry->kind == KINDS)
			fail_msg("the catalogue has an entry for %s, which no kind has", line + 3);
		assert_false(seen[entry->kind]);
		seen[entry->kind] = true;
	} else if (line[0] == '\0') {
		entry->body = true;
	} else if (entry->body) {
		entry->text = true;
	} else if (strncmp(line, "Subject: ", 9) == 0) {
		entry->subject = isgraph((unsigned char)line[9]);
	}
}

static void catalogue_is_complete(void **state)
{
	FILE *file = fopen(CATALOGUE, "re");
	struct entry entry = {.kind = KINDS};
	bool seen[KINDS] = {false};
	char line[512];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '#')
			take_line(&entry, line, seen);
	}
	end_entry(&entry);
	(void)fclose(file);
	for (size_t i = 0; i < KINDS; i++)
		if (!seen[i])
			fail_msg("the catalogue has no entry for %s, %s", log_kinds[i].name, log_kinds[i].id);
}

/* scripts/advice-docs --check compares the texts with those of the catalogue. */
static void each_kind_and_check_has_advice(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		if (!log_advice[i].subject || !log_advice[i].cause)
			fail_msg("src/log/advice.c says nothing of %s", log_kinds[i].name);
	for (unsigned i = 0; i < HEALTH_CHECKS; i++) {
		const struct advice *advice = check_advice(i, NULL);

		if (!advice->subject || !advice->cause || !advice->remedy)
			fail_msg("src/metrics/checkadvice.c says nothing of %s", health_check_name(i));
	}
}

static void a_reason_makes_advice_precise(void **state)
{
	const char *closed = "STATE_DB: Permission denied: /run/redis.sock is of user 107";

	(void)state;
	assert_ptr_equal(check_advice(HEALTH_REDIS, ""), &log_advice[KIND_REDIS_AWAY]);
	assert_ptr_equal(check_advice(HEALTH_REDIS, "STATE_DB: Connection refused"), &log_advice[KIND_REDIS_AWAY]);
	assert_non_null(strstr(check_advice(HEALTH_REDIS, closed)->remedy, "unixsocketperm"));
	assert_ptr_equal(check_advice(HEALTH_HTTP, closed), &log_advice[KIND_HTTP_PARTLY]);
	for (const struct advice_case *c = log_advice_cases; c->words; c++)
		assert_ptr_equal(advice_for(c->kind, c->words), &c->advice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(catalogue_is_complete),
		cmocka_unit_test(each_kind_and_check_has_advice),
		cmocka_unit_test(a_reason_makes_advice_precise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
