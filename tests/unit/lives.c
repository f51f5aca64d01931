/* SPDX-License-Identifier: Apache-2.0 */
#include "lives.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "patience.h"
#include "test.h"

#define MOST 4000 /* calls of one kind in one life */
#define WORDS 16
#define EXIT_BAD_CONFIG 2

int daemon_main(int argc, char *argv[]);

static char text[65536]; /* that the last life said */

/* What is known of it, in memory that it shares with the test. */
static struct life {
	const char *refused;   /* NULL: nothing was */
	size_t reserved, made; /* sources of its event loop: room for so many, and how many came */
} * last;

static size_t made_before; /* the reservation's own */

int __real_timer_reserve(sd_event *event, size_t sources);
int __wrap_timer_reserve(sd_event *event, size_t sources);

int __wrap_timer_reserve(sd_event *event, size_t sources)
{
	int r = __real_timer_reserve(event, sources);

	last->reserved = sources;
	made_before = faults_sources();
	return r;
}

/* In a process of its own, since what a life leaves behind, such as a thread that was given up, is not the next one's.
 */
static _Noreturn void live(const struct lives *l, int said, enum fault kind, size_t granted)
{
	char *argv[WORDS + 2] = {(char *)"portsyncd"};
	int argc = 1, code;

	for (; l->words[argc - 1]; argc++)
		argv[argc] = (char *)l->words[argc - 1];
	if (dup2(said, STDOUT_FILENO) < 0 || dup2(said, STDERR_FILENO) < 0)
		abort();
	if (l->stopped)
		(void)raise(SIGTERM);
	faults_begin(kind, granted, false);
	code = daemon_main(argc, argv);
	last->refused = faults_end();
	last->made = faults_sources() - made_before;
	exit(code);
}

/* Its exit code; negative: it was killed by a signal, or hung until the test killed it. */
static int await(pid_t pid)
{
	const uint64_t end = patience_ends_usec();
	sigset_t ended;
	int status;

	(void)sigemptyset(&ended);
	(void)sigaddset(&ended, SIGCHLD);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		const uint64_t now = now_usec();
		const struct timespec left = {.tv_sec = now < end ? (time_t)((end - now) / USEC_PER_SEC + 1) : 0};

		if (sigtimedwait(&ended, NULL, &left) < 0 && errno == EAGAIN)
			(void)kill(pid, SIGKILL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int live_once(const struct lives *l, enum fault kind, size_t granted)
{
	int said = open(l->said, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600), code;
	ssize_t n;
	pid_t pid;

	assert_true(said >= 0);
	if (l->begin)
		l->begin();
	(void)fflush(NULL);
	*last = (struct life){0};
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		live(l, said, kind, granted);
	code = await(pid);
	if (l->end)
		l->end();
	n = pread(said, text, sizeof(text) - 1, 0);
	assert_true(n >= 0 && close(said) == 0);
	text[n] = '\0';
	return code;
}

/* Why it ended is said; and a fault has its own name: memory is no disk. */
static bool is_explained(enum fault kind, int code)
{
	switch (code) {
	case EXIT_SUCCESS:
		return kind != FAULT_MEMORY || !strstr(text, "disk");
	case EXIT_FAILURE:
		return strstr(text, "portsyncd: ERR: ");
	case EXIT_BAD_CONFIG:
		return strstr(text, "portsyncd: ");
	default:
		return false;
	}
}

static void judge(const struct lives *l, enum fault kind, size_t n, int code)
{
	const char *refused = last->refused ? last->refused : "none";

	if (!is_explained(kind, code))
		fail_msg("call %zu, %s: %d\n%s", n, refused, code, text);
	if (code == EXIT_SUCCESS && l->worked && !l->worked(text))
		fail_msg("call %zu, %s: it ended well, but did not do its work\n%s", n, refused, text);
}

/* More sources than were reserved may need memory at a moment when there is none, and a loop without it ends. */
static void assert_sources_fit(void)
{
	if (last->reserved > 0 && last->made > last->reserved)
		fail_msg("%zu event sources, but memory is reserved for %zu", last->made, last->reserved);
}

void lives_refuse_each(const struct lives *l, enum fault kind)
{
	sigset_t handled;
	size_t n = 0;
	int code;

	last = mmap(NULL, sizeof(*last), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(last != MAP_FAILED);
	(void)sigemptyset(&handled);
	(void)sigaddset(&handled, SIGCHLD);
	(void)sigaddset(&handled, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &handled, NULL);
	do {
		assert_true(n < MOST);
		code = live_once(l, kind, n);
		judge(l, kind, n, code);
		n += FAULTS_STEP;
	} while (last->refused);
	if (code != EXIT_SUCCESS)
		fail_msg("nothing is refused: %d\n%s", code, text);
	assert_sources_fit();
	(void)munmap(last, sizeof(*last));
}
