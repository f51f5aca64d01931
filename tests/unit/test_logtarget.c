/* SPDX-License-Identifier: Apache-2.0 */
/* Targets one by one, each against what can go wrong with it. */
#include "log/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

#include <cmocka.h>

#include "base/util.h"
#include "scratch.h"
#include "test.h"

#define TEXT "what happened"
#define LIMIT 10 /* bytes of a line that a full disk takes */

static char folder[SCRATCH_BYTES], path[96];
static struct logtarget target;

/* Writes when it is due again, as the log thread does. */
static void write_patiently(const struct log_record *record)
{
	int r;

	while ((r = logtarget_write(&target, record)) == -EAGAIN) {
		uint64_t until, now = now_usec();
		struct pollfd fd = {.fd = logtarget_wait(&target, &until), .events = POLLOUT};

		(void)poll(&fd, 1, until == UINT64_MAX ? -1 : (int)((MAX(until, now) - now) / USEC_PER_MSEC + 1));
	}
	assert_int_equal(r, 0);
}

static struct log_record record_of(const char *text)
{
	struct log_record record = {.realtime_usec = UINT64_C(1700000000123456),
				    .level = LOG_NOTICE,
				    .function = "f",
				    .file = "x.c",
				    .line = 1};

	(void)snprintf(record.text, sizeof(record.text), "%s", text);
	return record;
}

static void open_target(enum log_target_type type, const char *way, const char *to)
{
	struct logtarget_settings settings = {.type = type};

	(void)snprintf(settings.rfc5424_to, sizeof(settings.rfc5424_to), "%s%s", way, to);
	logtarget_close(&target);
	logtarget_init(&target, &settings);
}

static size_t read_file(char *out, size_t size)
{
	int fd cleanup(close_fd) = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, out, size - 1);

	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static int setup(void **state)
{
	(void)state;
	scratch_make(folder);
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	target = (struct logtarget){.fd = -1};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	logtarget_close(&target);
	scratch_remove(folder);
	return 0;
}

/* --- files that end in the midst of a line --- */

/* No file grows beyond this any more: as a full disk. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = MIN(bytes, limit.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What is there: lines that are whole, but for the one that broke off. */
static void check_torn(void)
{
	const struct log_record record = record_of("next");
	char text[1000], *broken, *end;
	size_t n;

	write_patiently(&record);
	n = read_file(text, sizeof(text));
	assert_true(n > 0 && text[n - 1] == '\n');
	broken = strchr(text, '\n') + 1;
	end = strchr(broken, '\n');
	assert_int_equal(end - broken, LIMIT);
	assert_non_null(strstr(end, "next"));
	assert_ptr_equal(strchr(end + 1, '\n'), text + n - 1);
}

/* SIGHUP forgets the line under way. */
static void file_reopened_after_half_a_line(void **state)
{
	const struct log_record record = record_of(TEXT);
	char text[1000];

	(void)state;
	open_target(LOG_TO_RFC5424, "file:", path);
	write_patiently(&record);
	limit_files(read_file(text, sizeof(text)) + LIMIT);
	assert_int_equal(logtarget_write(&target, &record), -EAGAIN);
	open_target(LOG_TO_RFC5424, "file:", path);
	assert_int_equal(logtarget_write(&target, &record), -EAGAIN);
	limit_files(RLIM_INFINITY);
	open_target(LOG_TO_RFC5424, "file:", path);
	check_torn();
}

/* Without that the rest of it follows. */
static void file_with_space_again(void **state)
{
	const struct log_record record = record_of(TEXT);
	char text[1000];

	(void)state;
	open_target(LOG_TO_RFC5424, "file:", path);
	limit_files(LIMIT);
	assert_int_equal(logtarget_write(&target, &record), -EAGAIN);
	assert_int_equal(read_file(text, sizeof(text)), LIMIT);
	limit_files(RLIM_INFINITY);
	write_patiently(&record);
	(void)read_file(text, sizeof(text));
	assert_memory_equal(text, "<13>1 2023-11-14T22:13:20.123456Z ", 34);
	assert_ptr_equal(strchr(text, '\n'), strstr(text, TEXT) + strlen(TEXT));
}

static void whole_files_get_no_empty_line(void **state)
{
	const struct log_record record = record_of(TEXT);
	char text[1000];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		open_target(LOG_TO_RFC5424, "file:", path);
		write_patiently(&record);
	}
	(void)read_file(text, sizeof(text));
	assert_memory_equal(text, "<13>1 ", 6);
	assert_memory_equal(strchr(text, '\n'), "\n<13>1 ", 7);
}

static int replace_stderr(int fd)
{
	int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	return saved;
}

static void restore_stderr(int saved)
{
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
}

/* What does not go there at once is lost; what comes next is a line of its own, whatever the target was meanwhile. */
static void stderr_after_half_a_line(void **state)
{
	const struct log_record record = record_of(TEXT);
	int fd cleanup(close_fd) = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	int saved = replace_stderr(fd);
	char text[1000];

	(void)state;
	open_target(LOG_TO_STDERR, "", "");
	write_patiently(&record);
	limit_files(read_file(text, sizeof(text)) + LIMIT);
	assert_int_equal(logtarget_write(&target, &record), -EIO);
	assert_int_equal(logtarget_write(&target, &record), -EIO);
	limit_files(RLIM_INFINITY);
	open_target(LOG_TO_SYSLOG, "", "");
	assert_int_equal(logtarget_write(&target, &record), -EAGAIN);
	open_target(LOG_TO_STDERR, "", "");
	check_torn();
	write_patiently(&record);
	restore_stderr(saved);
	(void)read_file(text, sizeof(text));
	assert_non_null(strstr(text, "next\nportsyncd: NOTICE: f: " TEXT "\n"));
}

/* A link that somebody laid must not lead us to another file. */
static void file_is_no_link(void **state)
{
	const struct log_record record = record_of(TEXT);
	char link[128];

	(void)state;
	(void)snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	open_target(LOG_TO_RFC5424, "file:", link);
	assert_int_equal(logtarget_write(&target, &record), -EAGAIN);
	assert_int_equal(access(path, F_OK), -1);
	(void)unlink(link);
}

/* --- a collector by TCP --- */

static int collector(char *to, size_t size)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
	socklen_t len = sizeof(at);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(to, size, "%u", ntohs(at.sin_port));
	return fd;
}

static void check_first_frame(int fd, const char *text)
{
	char data[LOG_LINE_BYTES] = "", *end;
	size_t at = 0, bytes;

	while (!memchr(data, ' ', at))
		at += (size_t)recv(fd, data + at, 8 - at, 0);
	bytes = strtoul(data, &end, 10);
	assert_int_equal(*end, ' ');
	bytes += (size_t)(end + 1 - data);
	assert_in_range(bytes, 50, sizeof(data) - 1);
	assert_int_equal(recv(fd, data + at, bytes - at, MSG_WAITALL), bytes - at);
	assert_memory_equal(end, " <13>1 ", 7);
	assert_string_equal(data + bytes - strlen(text), text);
}

static void tcp_sends_half_a_line_again_as_a_whole(void **state)
{
	struct log_record record;
	char port[8], text[900];
	int server cleanup(close_fd) = collector(port, sizeof(port)), fd, small = 4096;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	record = record_of(text);
	open_target(LOG_TO_RFC5424, "tcp:127.0.0.1:", port);
	write_patiently(&record);
	fd = accept(server, NULL, NULL);
	assert_int_equal(setsockopt(target.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	/* Until one is sent in part. */
	for (unsigned int i = 0; target.sent == 0; i++) {
		assert_in_range(i, 0, 100000);
		if (logtarget_write(&target, &record) == -EAGAIN && target.sent == 0) {
			char some[100];

			assert_true(recv(fd, some, sizeof(some), MSG_WAITALL) > 0);
		}
	}
	(void)close(fd);
	write_patiently(&record);
	fd = accept(server, NULL, NULL);
	check_first_frame(fd, text);
	(void)close(fd);
}

/* What is sent after it closed would be lost without a word. */
static void tcp_collector_closes(void **state)
{
	const struct log_record first = record_of("first"), second = record_of("second");
	char port[8];
	int server cleanup(close_fd) = collector(port, sizeof(port)), fd;
	struct pollfd closed = {.events = POLLRDHUP};

	(void)state;
	open_target(LOG_TO_RFC5424, "tcp:127.0.0.1:", port);
	write_patiently(&first);
	fd = accept(server, NULL, NULL);
	check_first_frame(fd, "first");
	(void)close(fd);
	closed.fd = target.fd;
	assert_int_equal(poll(&closed, 1, 60000), 1);
	write_patiently(&second);
	fd = accept(server, NULL, NULL);
	check_first_frame(fd, "second");
	(void)close(fd);
}

/* --- colour --- */

/* What a terminal shows of a line. */
static void show(char *out, size_t size)
{
	struct log_record record = record_of(TEXT);
	int master, slave, saved;
	ssize_t n, r;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	saved = replace_stderr(slave);
	open_target(LOG_TO_STDERR, "", "");
	record.level = LOG_WARNING;
	write_patiently(&record);
	restore_stderr(saved);
	/* A terminal gives a line piece by piece. */
	for (n = 0; n == 0 || out[n - 1] != '\n'; n += r) {
		r = read(master, out + n, size - 1 - (size_t)n);
		assert_true(r > 0);
	}
	out[n] = '\0';
	(void)close(master);
	(void)close(slave);
}

static void colour_on_a_terminal_that_has_it(void **state)
{
	static const char plain[] = "portsyncd: WARNING: f: " TEXT "\r\n";
	char shown[200];

	(void)state;
	(void)unsetenv("NO_COLOR");
	(void)setenv("TERM", "xterm", 1);
	show(shown, sizeof(shown));
	assert_memory_equal(shown, "\x1b[", 2);
	assert_non_null(strstr(shown, "f: " TEXT "\x1b[0m\r\n"));
	(void)setenv("NO_COLOR", "1", 1);
	show(shown, sizeof(shown));
	assert_string_equal(shown, plain);
	(void)setenv("NO_COLOR", "", 1); /* as no-color.org has it */
	show(shown, sizeof(shown));
	assert_memory_equal(shown, "\x1b[", 2);
	(void)setenv("TERM", "dumb", 1);
	show(shown, sizeof(shown));
	assert_string_equal(shown, plain);
}

/* --- the journal: its library is simulated; test_log_targets.py has a real one --- */

static struct {
	int result;
	unsigned int calls;
	char sent[4000]; /* an entry a line */
} journal;

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_sd_journal_sendv(const struct iovec *entries, int n);

/* The journal's socket is there. */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)address;

	if (un->sun_family == AF_UNIX && strcmp(un->sun_path, LOG_JOURNAL_SOCKET) == 0)
		return 0;
	return __real_connect(fd, address, len);
}

int __wrap_sd_journal_sendv(const struct iovec *entries, int n)
{
	size_t at = 0;

	journal.calls++;
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(journal.sent + at, sizeof(journal.sent) - at, "%.*s\n", (int)entries[i].iov_len,
				       (char *)entries[i].iov_base);
	return journal.result;
}

static void journal_refuses(void **state)
{
	static const int faults[] = {-ECONNREFUSED, -EAGAIN, -ENOBUFS};
	const struct log_record record = record_of(TEXT);

	(void)state;
	open_target(LOG_TO_JOURNAL, "", "");
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		journal.calls = 0;
		journal.result = faults[i];
		assert_int_equal(logtarget_write(&target, &record), -EAGAIN);
		assert_int_equal(journal.calls, 1);
		journal.result = 0;
		write_patiently(&record);
		assert_int_equal(journal.calls, 2);
	}
}

static void journal_entries(void **state)
{
	struct log_record record = record_of(TEXT);

	(void)state;
	journal.result = 0;
	open_target(LOG_TO_JOURNAL, "", "");
	write_patiently(&record);
	assert_non_null(strstr(journal.sent, "MESSAGE=" TEXT "\nPRIORITY=5\nSYSLOG_FACILITY=1\n"));
	assert_non_null(strstr(journal.sent, "\nREALTIME_USEC=1700000000123456\n"));
	record.audit_seq = 7;
	record.subject[0] = '\0';
	write_patiently(&record);
	assert_non_null(strstr(journal.sent, "\nSYSLOG_FACILITY=10\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_reopened_after_half_a_line),
		TEST(file_with_space_again),
		TEST(whole_files_get_no_empty_line),
		TEST(stderr_after_half_a_line),
		TEST(file_is_no_link),
		TEST(tcp_sends_half_a_line_again_as_a_whole),
		TEST(tcp_collector_closes),
		TEST(colour_on_a_terminal_that_has_it),
		TEST(journal_refuses),
		TEST(journal_entries),
	};

	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
