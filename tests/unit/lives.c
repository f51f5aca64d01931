/* SPDX-License-Identifier: Apache-2.0 */
#include "lives.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define MOST 4000 /* calls of one kind in one life */
#define WORDS 16
#define EXIT_BAD_CONFIG 2

int daemon_main(int argc, char *argv[]);

static struct life {
	const char *refused; /* NULL: nothing was */
	char text[65536];    /* that it said */
} last;

/* What is printed goes to that file; the descriptors as they were. */
static void redirect(int file, int before[2])
{
	(void)fflush(NULL);
	for (int i = 0; i < 2; i++) {
		before[i] = dup(STDOUT_FILENO + i);
		assert_true(before[i] >= 0 && dup2(file, STDOUT_FILENO + i) >= 0);
	}
}

static void restore(const int before[2])
{
	(void)fflush(NULL);
	for (int i = 0; i < 2; i++) {
		assert_true(dup2(before[i], STDOUT_FILENO + i) >= 0);
		(void)close(before[i]);
	}
}

/* Returns the exit code. */
static int live(const struct lives *l, enum fault kind, size_t granted)
{
	char *argv[WORDS + 2] = {(char *)"portsyncd"};
	int argc = 1, said, before[2], code;
	ssize_t n;

	for (; l->words[argc - 1]; argc++)
		argv[argc] = (char *)l->words[argc - 1];
	said = open(l->said, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	assert_true(said >= 0);
	if (l->begin)
		l->begin();
	redirect(said, before);
	faults_begin(kind, granted, false);
	code = daemon_main(argc, argv);
	last.refused = faults_end();
	restore(before);
	if (l->end)
		l->end();
	n = pread(said, last.text, sizeof(last.text) - 1, 0);
	assert_true(n >= 0 && close(said) == 0);
	last.text[n] = '\0';
	return code;
}

/* Why it ended is said; and a fault has its own name: memory is no disk. */
static bool is_explained(enum fault kind, int code)
{
	switch (code) {
	case EXIT_SUCCESS:
		return kind != FAULT_MEMORY || !strstr(last.text, "disk");
	case EXIT_FAILURE:
		return strstr(last.text, "portsyncd: ERR: ");
	case EXIT_BAD_CONFIG:
		return strstr(last.text, "portsyncd: ");
	default:
		return false;
	}
}

static void judge(const struct lives *l, enum fault kind, size_t n, int code)
{
	const char *refused = last.refused ? last.refused : "none";

	if (!is_explained(kind, code))
		fail_msg("call %zu, %s: %d\n%s", n, refused, code, last.text);
	if (code == EXIT_SUCCESS && l->worked && !l->worked(last.text))
		fail_msg("call %zu, %s: it ended well, but did not do its work\n%s", n, refused, last.text);
}

void lives_refuse_each(const struct lives *l, enum fault kind)
{
	size_t n = 0;
	int code;

	do {
		assert_true(n < MOST);
		code = live(l, kind, n);
		judge(l, kind, n++, code);
	} while (last.refused);
	if (code != EXIT_SUCCESS)
		fail_msg("nothing is refused: %d\n%s", code, last.text);
}
