/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_UTIL_H
#define PORTSYNCD_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define MSEC_PER_SEC UINT64_C(1000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Runs fn(&variable) when the variable goes out of scope. */
#define cleanup(fn) __attribute__((cleanup(fn)))

/* For locals that hold malloc'ed memory: char *text cleanup(free_ptr) = NULL; */
static inline void free_ptr(void *pp)
{
	free(*(void **)pp);
}

/* For locals that hold a file descriptor; a negative one is left alone. */
static inline void close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* Returns the descriptor and keeps cleanup(close_fd) from closing it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* True if supervisord runs us, as in SONiC's swss. */
bool under_supervisord(void);

/* CLOCK_MONOTONIC in microseconds, and in nanoseconds. */
uint64_t now_usec(void);
uint64_t now_nsec(void);
/* CLOCK_REALTIME in nanoseconds. */
uint64_t realtime_nsec(void);

/* Writes all of buf to fd, across short writes and EINTR. 0 or negative errno. */
int write_all(int fd, const void *buf, size_t len);

/* Writes one line to stderr and adds the newline. Drops it if stderr does not take it within wait_ms. */
void say_on_stderr(int wait_ms, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Makes untrusted bytes fit for a log line: printable ASCII stays, everything else becomes \xNN, text that is too long
 * ends in "...". Always terminates out. Returns out.
 */
const char *printable(const void *bytes, size_t len, char *out, size_t size);

#endif
