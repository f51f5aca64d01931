/* SPDX-License-Identifier: Apache-2.0 */
/*
 * portsyncctl from its start to its end, each time in a process of its own, in the switch of ctl_world.h. In each life
 * one allocation or system call is refused, until none is left; or the daemon or Redis answers badly. A life answers
 * as it does when all is well, or says what went wrong and has an exit code that says so, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/holder.h"
#include "base/util.h"
#include "ctl/ctl.h"
#include "ctl_world.h"
#include "daemon_fixture.h"
#include "faults.h"
#include "scratch.h"
#include "test.h"

#define MOST 3000 /* calls of one kind in one life */
#define WORDS 12
#define SAID_BYTES 65536
#define DUMPS 32
#define CUT_STEP 29 /* bytes between two places where an answer breaks off */
#define NO_FAULT ((size_t)-1)

int portsyncctl_main(int argc, char *argv[]);

/* Of what there is one refused call in a life. */
enum refusal {
	REFUSED_MEMORY,   /* allocations */
	REFUSED_CALL,     /* system calls */
	REFUSED_DOCUMENT, /* allocations of jansson, which all end in the same way: each life skips twice as many */
};

struct said {
	int code; /* -1: a signal ended it */
	char out[SAID_BYTES], err[SAID_BYTES];
};

static struct rig {
	struct world world;
	char folder[SCRATCH_BYTES], config[96], file[2][96];
	char (*refused)[32]; /* in the last life; "": nothing was */
	struct said well, now;
	json_malloc_t take; /* for jansson */
	size_t documents;   /* its allocations that still succeed */
} rig;

/* --- what is not of this test: the machine's other processes, its journal --- */

int __wrap_sd_bus_open_system(sd_bus **ret);
int __wrap_sd_journal_open(sd_journal **ret, int flags);
bool __wrap_proc_next(const char *comm, pid_t *pid);
bool __wrap_holder_of_unix(const char *path, char *out, size_t size);
bool __wrap_holder_of_tcp(const struct address *address, char *out, size_t size);

int __wrap_sd_bus_open_system(sd_bus **ret)
{
	(void)ret;
	return -ENOENT;
}

int __wrap_sd_journal_open(sd_journal **ret, int flags)
{
	(void)ret;
	(void)flags;
	return -ENOENT;
}

bool __wrap_proc_next(const char *comm, pid_t *pid)
{
	(void)comm;
	*pid = *pid < rig.world.pid ? rig.world.pid : 0;
	return *pid != 0;
}

bool __wrap_holder_of_unix(const char *path, char *out, size_t size)
{
	(void)path;
	(void)snprintf(out, size, "portsyncd, process %d", (int)rig.world.pid);
	return true;
}

bool __wrap_holder_of_tcp(const struct address *address, char *out, size_t size)
{
	(void)address;
	(void)snprintf(out, size, "portsyncd");
	return true;
}

/* --- jansson's memory --- */

void __real_json_set_alloc_funcs(json_malloc_t take, json_free_t give);
void __wrap_json_set_alloc_funcs(json_malloc_t take, json_free_t give);

static void *take_for_document(size_t size)
{
	void *taken;

	faults_pause();
	if (rig.documents-- == 0)
		faults_begin(FAULT_MEMORY, 0, false);
	taken = rig.take(size);
	faults_go_on();
	return taken;
}

void __wrap_json_set_alloc_funcs(json_malloc_t take, json_free_t give)
{
	rig.take = take;
	__real_json_set_alloc_funcs(take_for_document, give);
}

/* --- the switch --- */

static void write_config(void)
{
	FILE *config = fopen(rig.config, "w");

	assert_non_null(config);
	(void)fprintf(config,
		      "[database]\nredis_unix_socket = %s\n[http]\nlisten = 127.0.0.1:%u\nunix_socket = %s\n"
		      "[performance]\nlock_memory = false\n[recorder]\nfolder = %s\n[state]\nfile = %s/state\n",
		      rig.world.redis, scratch_port(), rig.world.http, rig.folder, rig.folder);
	assert_int_equal(fclose(config), 0);
}

/* What a dump runs. */
static void make_programs(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/tar", rig.folder);
	assert_int_equal(symlink("/bin/true", path), 0);
	(void)snprintf(path, sizeof(path), "%s/journalctl", rig.folder);
	assert_int_equal(symlink("/bin/echo", path), 0);
	assert_int_equal(setenv("PATH", rig.folder, 1), 0);
	assert_int_equal(setenv("TMPDIR", rig.folder, 1), 0);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(rig.folder);
	(void)snprintf(rig.config, sizeof(rig.config), "%s/portsyncd.conf", rig.folder);
	(void)snprintf(rig.file[0], sizeof(rig.file[0]), "%s/out", rig.folder);
	(void)snprintf(rig.file[1], sizeof(rig.file[1]), "%s/err", rig.folder);
	world_begin(&rig.world, rig.folder);
	write_config();
	make_programs();
	fake_reset();
	for (unsigned n = 0; n < DUMPS; n++) {
		kernel_dump_has(n, 1, "Ethernet0");
		kernel_dump_has(n, 2, "Ethernet4");
		kernel_dump_ends(n);
	}
	rig.refused = mmap(NULL, sizeof(*rig.refused), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(rig.refused, MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(&rig.world);
	fake_reset();
	(void)munmap(rig.refused, sizeof(*rig.refused));
	scratch_remove(rig.folder);
	return 0;
}

/* --- a life --- */

static void note_refused(void)
{
	const char *name = faults_end();

	(void)snprintf(*rig.refused, sizeof(*rig.refused), "%s", name ? name : "");
}

/* One that hangs is ended by a signal. */
static _Noreturn void be_portsyncctl(const char *const *words, enum refusal what, size_t granted)
{
	char *argv[WORDS + 4] = {(char *)"portsyncctl", (char *)"--config", rig.config};
	int argc = 3, code;

	for (; words[argc - 3]; argc++)
		argv[argc] = (char *)words[argc - 3];
	for (int i = 0; i < 2; i++) {
		int file = open(rig.file[i], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

		if (file < 0 || dup2(file, STDOUT_FILENO + i) < 0 || close(file) < 0)
			abort();
	}
	(void)alarm((unsigned)((patience_ends_usec() - now_usec()) / USEC_PER_SEC));
	if (chdir(rig.folder) < 0 || atexit(note_refused) != 0)
		abort();
	rig.documents = what == REFUSED_DOCUMENT ? granted : NO_FAULT;
	faults_begin(what == REFUSED_CALL ? FAULT_CALL : FAULT_MEMORY, what == REFUSED_DOCUMENT ? NO_FAULT : granted,
		     false);
	code = portsyncctl_main(argc, argv);
	note_refused();
	(void)fflush(NULL);
	_exit(code); /* what libraries do at the end takes as long as all before it */
}

/* Each number becomes a '#': times and processes differ from life to life. */
static void read_said(const char *path, char out[SAID_BYTES])
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(file, out, SAID_BYTES - 1, 0);
	size_t to = 0;

	assert_true(n >= 0 && close(file) == 0);
	out[n] = '\0';
	for (size_t i = 0; out[i]; i++) {
		bool digit = out[i] >= '0' && out[i] <= '9';

		if (!digit || to == 0 || out[to - 1] != '#')
			out[to++] = digit ? '#' : out[i];
	}
	out[to] = '\0';
}

static void live(const char *const *words, enum refusal what, size_t granted, struct said *ret)
{
	pid_t child;
	int status;

	(void)fflush(NULL);
	(*rig.refused)[0] = '\0';
	child = fork();
	if (child == 0)
		be_portsyncctl(words, what, granted);
	assert_int_equal(waitpid(child, &status, 0), child);
	ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	read_said(rig.file[0], ret->out);
	read_said(rig.file[1], ret->err);
}

/* --- the judgement --- */

/* No unfinished file or folder stays, however it ended. */
static bool leaves_nothing(void)
{
	char pattern[96];
	glob_t found;
	int r;

	(void)snprintf(pattern, sizeof(pattern), "%s/{*.part,portsyncctl.*}", rig.folder);
	r = glob(pattern, GLOB_BRACE, NULL, &found);
	globfree(&found);
	return r == GLOB_NOMATCH;
}

static bool answers_as_well(void)
{
	return rig.now.code == rig.well.code && strcmp(rig.now.out, rig.well.out) == 0;
}

/* Where the answer is a list of findings, a fault is one more of them. */
static size_t findings(const struct said *said)
{
	size_t n = 0;

	for (const char *at = said->out; (at = strpbrk(at, "FWm")); at++)
		n += strncmp(at, "FAIL  ", 6) == 0 || strncmp(at, "WARN  ", 6) == 0 ||
		     strncmp(at, "missing\":", 9) == 0;
	return n;
}

static bool says_why(void)
{
	return strstr(rig.now.err, "portsyncctl: ") || strstr(rig.now.out, "\"error\":") ||
	       strstr(rig.now.out, ": portsyncd") || strstr(rig.now.out, "\"daemon_answers\":false") ||
	       strstr(rig.now.out, "\"reason\":") || findings(&rig.now) > findings(&rig.well);
}

/* A script sees the exit code alone. */
static bool is_no_success(void)
{
	return !strstr(rig.now.err, "portsyncctl: no memory") || rig.now.code >= CTL_NO_DAEMON;
}

static void judge(const char *const *words, const char *fault, size_t n)
{
	bool good = answers_as_well() || (rig.now.code >= 0 && rig.now.code <= 4 && says_why() && is_no_success());

	if (good && leaves_nothing())
		return;
	fail_msg("%s %s, %s %zu: %d instead of %d\n%s%s---\n%s", words[0], words[1] ? words[1] : "", fault, n,
		 rig.now.code, rig.well.code, rig.now.out, rig.now.err, rig.well.out);
}

/* --- the verbs --- */

#define ALONE ((1U << REFUSED_MEMORY) | (1U << REFUSED_CALL))
#define CALLS (1U << REFUSED_CALL)
#define DOCUMENT (1U << REFUSED_DOCUMENT)

static const struct life {
	unsigned refused; /* bits: what */
	const char *words[WORDS];
} lives[] = {
	{ALONE, {"status"}},
	{DOCUMENT, {"--json", "status"}},
	{ALONE, {"--socket", "/nowhere", "status", "--brief"}},
	{DOCUMENT, {"--json", "--socket", "/nowhere", "status"}},
	{ALONE, {"why", "Ethernet0"}},
	{DOCUMENT, {"--json", "why", "Ethernet0"}},
	{ALONE, {"why", "init"}},
	{ALONE, {"ports", "Ethernet0"}},
	{DOCUMENT, {"--json", "ports"}},
	{ALONE, {"history"}},
	{DOCUMENT, {"--json", "history", "Ethernet0"}},
	{ALONE, {"watch", "--count", "2", "Ethernet0"}},
	{DOCUMENT, {"--json", "watch", "--count", "2"}},
	{ALONE, {"top"}},
	{DOCUMENT, {"--json", "top"}},
	{ALONE, {"verify", "--grace", "0"}},
	{DOCUMENT, {"--json", "verify", "--grace", "0"}},
	{ALONE, {"doctor"}},
	{DOCUMENT, {"--json", "doctor"}},
	{ALONE, {"wait", "init-done"}},
	{ALONE, {"wait", "in-sync", "--timeout", "60"}},
	{ALONE | DOCUMENT, {"explain", "latency"}},
	{ALONE, {"record"}},
	{DOCUMENT, {"--json", "record"}},
	{ALONE, {"record", "--output", "recording"}},
	{CALLS | DOCUMENT, {"--json", "dump", "--output", "archive"}},
};

/* Without a fault; that gives what the others are compared with. */
static void live_well(const char *const *words)
{
	world_heals(&rig.world);
	live(words, REFUSED_MEMORY, NO_FAULT, &rig.well);
	assert_true(rig.well.code >= 0);
}

static void refuse_each(const char *const *words, enum refusal what)
{
	size_t n = 0;

	live_well(words);
	do {
		assert_true(n < MOST);
		live(words, what, n, &rig.now);
		judge(words, *rig.refused, n);
		n += what == REFUSED_DOCUMENT ? n + 1 : FAULTS_STEP;
	} while ((*rig.refused)[0]);
	if (!answers_as_well())
		fail_msg("%s: nothing is refused: %d\n%s%s", words[0], rig.now.code, rig.now.out, rig.now.err);
}

static void refuse(enum refusal what)
{
	for (size_t i = 0; i < ARRAY_SIZE(lives); i++)
		if (lives[i].refused & (1U << what))
			refuse_each(lives[i].words, what);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	refuse(REFUSED_MEMORY);
}

static void any_call_may_fail(void **state)
{
	(void)state;
	refuse(REFUSED_CALL);
}

static void any_document_may_lack_memory(void **state)
{
	(void)state;
	refuse(REFUSED_DOCUMENT);
}

/* --- bad answers --- */

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *target, *words[WORDS];
} asking[] = {
	{"/status", {"status"}},
	{"/status", {"--json", "status"}},
	{"/status", {"top"}},
	{"/ports", {"top"}},
	{"/ports", {"ports"}},
	{"/ports", {"why", "Ethernet0"}},
	{"/ports", {"why", "init"}},
	{"/history", {"history"}},
	{"/history", {"--json", "history", "Ethernet0"}},
	{"/watch", {"watch", "--count", "2"}},
	{"/watch", {"--json", "watch", "--count", "2"}},
	{"/record", {"record"}},
	{"/record", {"--json", "record"}},
	{"/recording", {"record", "--output", "recording"}},
	{"/livez", {"doctor"}},
};

static void answer_badly(size_t i, const char *answer, size_t len, const char *what)
{
	world_answers(&rig.world, asking[i].target, answer, len);
	live(asking[i].words, REFUSED_MEMORY, NO_FAULT, &rig.now);
	judge(asking[i].words, what, len);
}

static void another_status_than_200(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"error\": 5}",
		"HTTP/2 200\r\n\r\n",
		"220 mail ESMTP\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
		live_well(asking[i].words);
		for (size_t k = 0; k < ARRAY_SIZE(answers); k++) {
			answer_badly(i, answers[k], strlen(answers[k]), answers[k]);
			assert_true(says_why());
		}
	}
}

/* The daemon's recording may have any content, and what it answers to /livez is not looked at. */
static bool is_looked_at(size_t i)
{
	return strcmp(asking[i].target, "/recording") != 0 && strcmp(asking[i].target, "/livez") != 0;
}

static void another_content(void **state)
{
	static const char *const bodies[] = {
		"",
		"\r\n",
		"no document\n",
		"{}",
		"[]\n",
		"7\n",
		"null\n",
		"{\"ports\": 5, \"verdict\": 5, \"changes\": 5, \"port\": 5, \"hello\": 5, \"lost\": \"\"}\n",
		"{\"file\": 5}\n",
		"{\"ports\": [5], \"verdict\": [5], \"changes\": [5], \"port\": [5], \"file\": [5]}\n",
		"{\"ports\": {}, \"verdict\": {}, \"changes\": {}, \"port\": {}, \"file\": {}}\n",
		"{\"ports\": [], \"verdict\": \"\\ud800\", \"changes\": \"\\u0000\", \"file\": null",
	};
	char answer[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
		live_well(asking[i].words);
		for (size_t k = 0; k < ARRAY_SIZE(bodies) && is_looked_at(i); k++) {
			(void)snprintf(answer, sizeof(answer), HEAD "\r\n%s", bodies[k]);
			answer_badly(i, answer, strlen(answer), bodies[k]);
			assert_true(says_why());
		}
	}
}

static void an_answer_that_breaks_off(void **state)
{
	char answer[WORLD_ANSWER_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
		size_t len = world_page(asking[i].target, answer);

		live_well(asking[i].words);
		for (size_t n = i % CUT_STEP; n < len; n += CUT_STEP)
			answer_badly(i, answer, n, "breaks off after");
	}
}

static void an_endless_head(void **state)
{
	static char answer[WORLD_ANSWER_BYTES] = HEAD;

	(void)state;
	memset(answer + strlen(HEAD), 'x', sizeof(answer) - strlen(HEAD));
	for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
		live_well(asking[i].words);
		answer_badly(i, answer, sizeof(answer), "endless");
		assert_true(says_why());
	}
}

static void redis_breaks_off(void **state)
{
	static const char *const reading[][WORDS] = {
		{"ports"},
		{"why", "init"},
		{"verify", "--grace", "0"},
		{"wait", "init-done", "--timeout", "0"},
		{"wait", "in-sync", "--timeout", "0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reading); i++) {
		size_t n = 0;

		live_well(reading[i]);
		do {
			rig.world.faults->redis_most = n;
			live(reading[i], REFUSED_MEMORY, NO_FAULT, &rig.now);
			judge(reading[i], "Redis breaks off after", n);
			n += CUT_STEP;
		} while (!answers_as_well());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_allocation_may_fail), TEST(any_call_may_fail), TEST(any_document_may_lack_memory),
		TEST(another_status_than_200), TEST(another_content),   TEST(an_answer_that_breaks_off),
		TEST(an_endless_head),         TEST(redis_breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
