/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's program from its start to its end, again and again. In each life one allocation or system call is
 * refused: first the first, then the second, until none is left. Each life ends with an exit code and a line that says
 * why, or does its work; none leaves memory behind, which the sanitizers' builds see. meson.build has src/main.c as
 * daemon_main().
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "faults.h"
#include "scratch.h"
#include "test.h"

#define MOST 2000 /* calls of one kind in one life */
#define WORDS 16
#define EXIT_BAD_CONFIG 2

int daemon_main(int argc, char *argv[]);

static struct rig {
	char folder[SCRATCH_BYTES], config[96], said[96];
	const char *refused; /* in the last life; NULL: nothing was */
	char text[65536];    /* that it said */
} rig;

static int setup(void **state)
{
	sigset_t mask;
	FILE *config;

	(void)state;
	scratch_make(rig.folder);
	(void)snprintf(rig.config, sizeof(rig.config), "%s/portsyncd.conf", rig.folder);
	(void)snprintf(rig.said, sizeof(rig.said), "%s/said", rig.folder);
	config = fopen(rig.config, "w");
	assert_non_null(config);
	(void)fprintf(
		config,
		"[database]\nredis_unix_socket = %s/redis\n[http]\nlisten = 127.0.0.1:10199\nunix_socket = %s/http\n"
		"[performance]\nlock_memory = false\ncpu_affinity = 0\nreceive_buffer_bytes = 4096\n[recorder]\nbytes "
		"= 65536\nfolder = %s\n"
		"[state]\nfile = %s/state\nhistory_changes = 16\n[log]\ntarget = stderr\n"
		"limit_secs = 0\n",
		rig.folder, rig.folder, rig.folder, rig.folder);
	assert_int_equal(fclose(config), 0);
	/* A daemon finds the request to stop when it has started. */
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(rig.folder);
	return 0;
}

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

/* A life, with the words of a command line. Returns the exit code. */
static int live(const char *const *words, enum fault kind, size_t granted)
{
	char *argv[WORDS + 2] = {(char *)"portsyncd"};
	int argc = 1, said, before[2], code;
	ssize_t n;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	said = open(rig.said, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	assert_true(said >= 0);
	redirect(said, before);
	(void)raise(SIGTERM);
	faults_begin(kind, granted, false);
	code = daemon_main(argc, argv);
	rig.refused = faults_end();
	restore(before);
	n = pread(said, rig.text, sizeof(rig.text) - 1, 0);
	assert_true(n >= 0 && close(said) == 0);
	rig.text[n] = '\0';
	return code;
}

/* Why it ended is said; and a fault has its own name: memory is no disk. */
static bool is_explained(enum fault kind, int code)
{
	switch (code) {
	case EXIT_SUCCESS:
		return kind != FAULT_MEMORY || !strstr(rig.text, "disk");
	case EXIT_FAILURE:
		return strstr(rig.text, "portsyncd: ERR: ");
	case EXIT_BAD_CONFIG:
		return strstr(rig.text, "portsyncd: ");
	default:
		return false;
	}
}

static void judge(enum fault kind, size_t n, int code)
{
	if (!is_explained(kind, code))
		fail_msg("call %zu, %s: %d\n%s", n, rig.refused ? rig.refused : "none", code, rig.text);
}

static void refuse_each(const char *const *words, enum fault kind)
{
	size_t n = 0;
	int code;

	do {
		assert_true(n < MOST);
		code = live(words, kind, n);
		judge(kind, n++, code);
	} while (rig.refused);
	if (code != EXIT_SUCCESS)
		fail_msg("nothing is refused: %d\n%s", code, rig.text);
}

static void any_allocation_of_a_daemon_may_fail(void **state)
{
	(void)state;
	refuse_each((const char *const[]){"--config", rig.config, "--sandbox", "off", NULL}, FAULT_MEMORY);
}

static void any_call_of_a_daemon_may_fail(void **state)
{
	(void)state;
	refuse_each((const char *const[]){"--config", rig.config, "--sandbox", "off", NULL}, FAULT_CALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_allocation_of_a_daemon_may_fail),
		TEST(any_call_of_a_daemon_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
