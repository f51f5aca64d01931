/* SPDX-License-Identifier: Apache-2.0 */
#include "base/util.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t nsec_of(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t now_nsec(void)
{
	return nsec_of(CLOCK_MONOTONIC);
}

uint64_t realtime_nsec(void)
{
	return nsec_of(CLOCK_REALTIME);
}

uint64_t now_usec(void)
{
	return now_nsec() / NSEC_PER_USEC;
}

int write_all(int fd, const void *buf, size_t len)
{
	const char *at = buf;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

bool under_supervisord(void)
{
	return getenv("SUPERVISOR_ENABLED") && getenv("SUPERVISOR_PROCESS_NAME");
}

void say_on_stderr(int wait_ms, const char *format, ...)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[1024]; /* less than PIPE_BUF: a pipe that can be written takes it as a whole */
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	n = MAX(0, MIN(n, (int)sizeof(line) - 2));
	line[n++] = '\n';
	if (poll(&out, 1, wait_ms) == 1)
		(void)!write(STDERR_FILENO, line, (size_t)n);
}

const char *printable(const void *bytes, size_t len, char *out, size_t size)
{
	static const char ellipsis[] = "...";
	const unsigned char *in = bytes;
	size_t at = 0;

	if (size < sizeof(ellipsis) + 4) {
		out[0] = '\0';
		return out;
	}
	for (size_t i = 0; i < len; i++) {
		if (at + 4 + sizeof(ellipsis) > size) {
			memcpy(out + at, ellipsis, sizeof(ellipsis));
			return out;
		}
		if (in[i] >= 0x20 && in[i] < 0x7f && in[i] != '\\')
			out[at++] = (char)in[i];
		else
			at += (size_t)snprintf(out + at, size - at, "\\x%02x", in[i]);
	}
	out[at] = '\0';
	return out;
}
