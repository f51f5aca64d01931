/* SPDX-License-Identifier: Apache-2.0 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "log/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "base/util.h"

#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS 5000
#define FILE_MODE 0640
#define LENGTH_ROOM 8 /* the octet count before a line, and its blank */

/* --- opening --- */

static bool wants_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && (!no_color || no_color[0] == '\0') && (!term || strcmp(term, "dumb") != 0);
}

/* A unit with ProcSubset=pid hides the boot id from us, and passes it in the environment. */
static void learn_boot_id(char out[SD_ID128_STRING_MAX])
{
	const char *given = getenv("PORTSYNCD_BOOT_ID");
	sd_id128_t boot;

	if (sd_id128_get_boot(&boot) >= 0 || (given && sd_id128_from_string(given, &boot) >= 0))
		(void)sd_id128_to_string(boot, out);
}

static void learn_hostname(struct log_origin *origin)
{
	if (gethostname(origin->hostname, sizeof(origin->hostname)) < 0)
		origin->hostname[0] = '\0';
	origin->hostname[HOST_NAME_MAX] = '\0';
}

static void learn_origin(struct log_origin *origin)
{
	*origin = (struct log_origin){.pid = (int)getpid()};
	learn_boot_id(origin->boot_id);
}

/* Unchecked settings, e.g. of a test: opening fails. */
static void set_address(struct logtarget *target)
{
	const struct logtarget_settings *settings = &target->settings;
	struct sockaddr_un *un = &target->address.socket.sa.un;

	if (settings->type == LOG_TO_RFC5424) {
		(void)address_parse_destination(settings->rfc5424_to, &target->address);
		return;
	}
	target->address = (struct destination){.type = DESTINATION_UNIX, .socket.len = sizeof(*un)};
	un->sun_family = AF_UNIX;
	if (settings->type == LOG_TO_JOURNAL)
		memcpy(un->sun_path, LOG_JOURNAL_SOCKET, sizeof(LOG_JOURNAL_SOCKET));
	else
		memcpy(un->sun_path, settings->syslog_path, sizeof(un->sun_path));
}

void logtarget_init(struct logtarget *target, const struct logtarget_settings *settings)
{
	target->settings = *settings;
	target->backoff = (struct backoff){.initial_ms = RETRY_INITIAL_MS, .max_ms = RETRY_MAX_MS};
	target->retry_at = 0;
	target->fault = 0;
	target->fd = -1;
	target->len = target->sent = 0;
	learn_origin(&target->origin);
	set_address(target);
	target->colour = (settings->type == LOG_TO_STDERR && wants_colour(STDERR_FILENO)) ||
			 (settings->type == LOG_TO_STDOUT && wants_colour(STDOUT_FILENO));
}

static bool owns_fd(const struct logtarget *target)
{
	return target->fd > STDERR_FILENO;
}

static void close_target(struct logtarget *target)
{
	if (owns_fd(target))
		(void)close(target->fd);
	target->fd = -1;
}

void logtarget_close(struct logtarget *target)
{
	close_target(target);
	target->len = target->sent = 0;
}

/* The first send() reports whether the connection was made. */
static int open_socket(const struct destination *address)
{
	int type = address->type == DESTINATION_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(address->socket.sa.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, &address->socket.sa.any, address->socket.len) < 0 && errno != EINPROGRESS) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

static int open_file(const char *path)
{
	const int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, O_RDWR | flags, FILE_MODE);
	struct stat st;

	/* We need not be able to read it. */
	if (fd < 0 && errno == EACCES)
		fd = open(path, O_WRONLY | flags, FILE_MODE);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	return fd;
}

static void note_torn(struct logtarget *target, bool torn)
{
	const unsigned bit = 1U << target->settings.type;

	target->torn = torn ? target->torn | bit : target->torn & ~bit;
}

static bool is_torn(const struct logtarget *target)
{
	return target->torn >> target->settings.type & 1;
}

/* The disk was full, or the writer before us was killed. */
static bool file_is_torn(int fd)
{
	char last;

	return lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) == 1 && last != '\n';
}

static int open_target(struct logtarget *target)
{
	if (target->fd >= 0)
		return 0;
	if (target->settings.type == LOG_TO_STDERR)
		target->fd = STDERR_FILENO;
	else if (target->settings.type == LOG_TO_STDOUT)
		target->fd = STDOUT_FILENO;
	else if (target->address.type == DESTINATION_FILE)
		target->fd = open_file(target->address.path);
	else
		target->fd = open_socket(&target->address);
	if (target->fd < 0)
		return target->fd;
	if (target->settings.type == LOG_TO_RFC5424)
		note_torn(target, target->address.type == DESTINATION_FILE && file_is_torn(target->fd));
	return 0;
}

/* --- writing --- */

static int retry_later(struct logtarget *target, int fault)
{
	target->fault = fault;
	target->retry_at = now_usec() + backoff_next_usec(&target->backoff);
	return -EAGAIN;
}

static bool is_stream(const struct logtarget *target)
{
	return target->settings.type == LOG_TO_STDERR || target->settings.type == LOG_TO_STDOUT ||
	       target->address.type != DESTINATION_UNIX;
}

static bool is_tcp(const struct logtarget *target)
{
	return target->settings.type == LOG_TO_RFC5424 && target->address.type == DESTINATION_TCP;
}

static void format(struct logtarget *target, const struct log_record *record)
{
	char *line = target->line + LENGTH_ROOM, count[LENGTH_ROOM + 1];
	struct log_origin *origin = &target->origin;
	int n = 0;

	if (target->settings.type == LOG_TO_SYSLOG)
		target->len = logformat_syslog(record, origin, line, LOG_LINE_BYTES);
	else if (target->settings.type == LOG_TO_RFC5424) {
		/* An operator may change it; the look-up costs less than the line. */
		learn_hostname(origin);
		target->len = logformat_rfc5424(record, origin, line, LOG_LINE_BYTES);
	} else
		target->len = logformat_human(record, origin, target->colour, line, LOG_LINE_BYTES);
	if (is_tcp(target))
		/* RFC 6587 3.4.1: octet counting, the only framing that no text can break. */
		n = snprintf(count, sizeof(count), "%zu ", target->len);
	else if (is_stream(target))
		line[target->len++] = '\n';
	if (is_torn(target))
		n = snprintf(count, sizeof(count), "\n");
	if (n > 0)
		memcpy(line - n, count, (size_t)n);
	memmove(target->line, line - n, target->len + (size_t)n);
	target->len += (size_t)n;
	target->sent = 0;
}

/* The first send() to a closed collector succeeds and is lost, so look first. */
static bool closed_by_peer(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);

	if (n == 0)
		errno = ECONNRESET;
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* A partly sent line is sent again as a whole: the collector discards the fragment. */
static int tcp_failed(struct logtarget *target)
{
	int fault = errno;

	close_target(target);
	target->sent = 0;
	return retry_later(target, fault);
}

/* Also true if write() would only report a fault. */
static bool takes_more(int fd)
{
	struct pollfd out = {.fd = fd, .events = POLLOUT};

	return poll(&out, 1, 0) == 1;
}

/* stderr and stdout are shared and blocking: a writable pipe takes PIPE_BUF bytes at once. */
static ssize_t write_some(const struct logtarget *target)
{
	const char *at = target->line + target->sent;
	size_t left = target->len - target->sent;

	if (is_tcp(target))
		return send(target->fd, at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (owns_fd(target))
		return write(target->fd, at, left);
	if (takes_more(target->fd))
		return write(target->fd, at, MIN(left, (size_t)PIPE_BUF));
	errno = EAGAIN;
	return -1;
}

static int write_stream(struct logtarget *target)
{
	if (is_tcp(target) && target->sent == 0 && closed_by_peer(target->fd))
		return tcp_failed(target);
	while (target->sent < target->len) {
		ssize_t n = write_some(target);

		if (n > 0) {
			target->sent += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return -EAGAIN;
		if (is_tcp(target))
			return tcp_failed(target);
		target->fault = n < 0 ? errno : EIO;
		if (owns_fd(target))
			return retry_later(target, target->fault);
		if (target->sent > 0)
			note_torn(target, true);
		return -EIO;
	}
	note_torn(target, false);
	return 0;
}

static int write_datagram(struct logtarget *target)
{
	int r;

	if (send(target->fd, target->line, target->len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	if (errno == EAGAIN || errno == EMSGSIZE)
		return -errno;
	if (errno == ENOBUFS || errno == EINTR)
		return retry_later(target, errno);
	/* The collector was restarted: its new socket has the old name. */
	close_target(target);
	r = open_target(target);
	if (r == 0 && send(target->fd, target->line, target->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	close_target(target);
	return retry_later(target, -r);
}

static void add_entry(struct logtarget *target, struct iovec *entry, const char *name, const char *value)
{
	char *at = target->line + target->len;
	size_t capacity = sizeof(target->line) - target->len;
	int n = snprintf(at, capacity, "%s=%s", name, value);

	*entry = (struct iovec){at, MIN((size_t)n, capacity - 1)};
	target->len += entry->iov_len;
}

/* sd_journal_sendv() blocks if journald does not read, and reports success if it is absent. So a socket of our own
 * probes first, each time: the name may be another socket's by now. */
static int ask_journal(struct logtarget *target)
{
	int r = open_target(target);

	if (r == 0 && connect(target->fd, &target->address.socket.sa.any, target->address.socket.len) < 0)
		r = -errno;
	if (r < 0) {
		close_target(target);
		return retry_later(target, -r);
	}
	return takes_more(target->fd) ? 0 : -EAGAIN;
}

/* The journal adds process, boot and time; but its time is that of the arrival, and a line may have waited. */
static int write_journal(struct logtarget *target, const struct log_record *record)
{
	struct iovec entries[LOG_FIELDS_MAX + 5];
	struct log_pairs fields;
	char number[24];
	int n = 0, r = ask_journal(target);

	if (r < 0)
		return r;
	target->len = 0;
	logformat_fields(record, &target->origin, &fields);
	add_entry(target, &entries[n++], "MESSAGE", record->text);
	(void)snprintf(number, sizeof(number), "%d", record->level);
	add_entry(target, &entries[n++], "PRIORITY", number);
	(void)snprintf(number, sizeof(number), "%d", LOG_FAC(record->audit_seq > 0 ? LOG_AUTHPRIV : LOG_USER));
	add_entry(target, &entries[n++], "SYSLOG_FACILITY", number);
	add_entry(target, &entries[n++], "SYSLOG_IDENTIFIER", "portsyncd");
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)record->realtime_usec);
	add_entry(target, &entries[n++], "REALTIME_USEC", number);
	for (size_t i = 0; i < fields.n; i++)
		add_entry(target, &entries[n++], fields.field[i].name, fields.field[i].value);
	r = sd_journal_sendv(entries, n);
	target->len = 0;
	return r < 0 ? retry_later(target, -r) : 0;
}

static int write_line(struct logtarget *target, const struct log_record *record)
{
	int r;

	if (target->settings.type == LOG_TO_JOURNAL)
		return write_journal(target, record);
	r = open_target(target);
	if (r < 0)
		return retry_later(target, -r);
	if (target->len == 0)
		format(target, record);
	return is_stream(target) ? write_stream(target) : write_datagram(target);
}

int logtarget_write(struct logtarget *target, const struct log_record *record)
{
	int r;

	if (target->retry_at > 0 && now_usec() < target->retry_at)
		return -EAGAIN;
	target->retry_at = 0;
	r = write_line(target, record);
	if (r == -EAGAIN)
		return r;
	if (r == 0)
		target->fault = 0;
	target->len = target->sent = 0;
	backoff_reset(&target->backoff);
	return r;
}

int logtarget_wait(const struct logtarget *target, uint64_t *until)
{
	*until = target->retry_at > 0 ? target->retry_at : UINT64_MAX;
	return target->retry_at > 0 ? -1 : target->fd;
}

int logtarget_fault(const struct logtarget *target)
{
	return target->fault;
}

const char *logtarget_name(const struct logtarget *target)
{
	switch (target->settings.type) {
	case LOG_TO_JOURNAL:
		return LOG_JOURNAL_SOCKET;
	case LOG_TO_SYSLOG:
		return target->settings.syslog_path;
	case LOG_TO_RFC5424:
		return target->settings.rfc5424_to;
	case LOG_TO_STDOUT:
		return "stdout";
	case LOG_TO_STDERR:
		break;
	}
	return "stderr";
}
