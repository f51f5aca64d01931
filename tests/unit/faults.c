/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* calls come from all threads */
static struct {
	bool on, all_after;
	enum fault kind;
	size_t granted;      /* calls that still succeed */
	const char *refused; /* the first one */
} faults;

void faults_begin(enum fault kind, size_t granted, bool all_after)
{
	(void)pthread_mutex_lock(&lock);
	faults.on = true;
	faults.all_after = all_after;
	faults.kind = kind;
	faults.granted = granted;
	faults.refused = NULL;
	(void)pthread_mutex_unlock(&lock);
}

static void turn(bool on)
{
	(void)pthread_mutex_lock(&lock);
	faults.on = on;
	(void)pthread_mutex_unlock(&lock);
}

void faults_pause(void)
{
	turn(false);
}

void faults_go_on(void)
{
	turn(true);
}

const char *faults_end(void)
{
	turn(false);
	return faults.refused;
}

static bool grant(enum fault kind, const char *name, int error)
{
	bool granted = true;

	(void)pthread_mutex_lock(&lock);
	if (faults.on && faults.kind == kind) {
		granted = faults.granted > 0 || (faults.refused && !faults.all_after);
		faults.granted -= faults.granted > 0;
		if (!granted && !faults.refused)
			faults.refused = name;
	}
	(void)pthread_mutex_unlock(&lock);
	if (!granted)
		errno = error;
	return granted;
}

#define WRAP(kind, error, type, failed, name, parameters, arguments)                                                   \
	type __real_##name parameters;                                                                                 \
	type __wrap_##name parameters;                                                                                 \
	type __wrap_##name parameters                                                                                  \
	{                                                                                                              \
		return grant(kind, #name, error) ? __real_##name arguments : (failed);                                 \
	}

/* --- memory --- */

#define MEMORY(name, parameters, arguments) WRAP(FAULT_MEMORY, ENOMEM, void *, NULL, name, parameters, arguments)

MEMORY(malloc, (size_t size), (size))
MEMORY(calloc, (size_t n, size_t size), (n, size))
MEMORY(realloc, (void *old, size_t size), (old, size))
MEMORY(reallocarray, (void *old, size_t n, size_t size), (old, n, size))
MEMORY(aligned_alloc, (size_t alignment, size_t size), (alignment, size))
MEMORY(strdup, (const char *text), (text))
MEMORY(strndup, (const char *text, size_t n), (text, n))
MEMORY(open_memstream, (char **text, size_t *size), (text, size))

int __real_vasprintf(char **ret, const char *format, va_list args);
int __wrap_vasprintf(char **ret, const char *format, va_list args);
int __wrap_asprintf(char **ret, const char *format, ...);

int __wrap_vasprintf(char **ret, const char *format, va_list args)
{
	return grant(FAULT_MEMORY, "vasprintf", ENOMEM) ? __real_vasprintf(ret, format, args) : -1;
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __wrap_vasprintf(ret, format, args);
	va_end(args);
	return n;
}

int __real_posix_memalign(void **ret, size_t alignment, size_t size);
int __wrap_posix_memalign(void **ret, size_t alignment, size_t size);

/* It leaves errno alone. */
int __wrap_posix_memalign(void **ret, size_t alignment, size_t size)
{
	const int before = errno;
	const bool granted = grant(FAULT_MEMORY, "posix_memalign", ENOMEM);

	errno = before;
	return granted ? __real_posix_memalign(ret, alignment, size) : ENOMEM;
}

/* What these make in a library's memory. */
#define EVENT(name, parameters, arguments) WRAP(FAULT_MEMORY, ENOMEM, int, -ENOMEM, name, parameters, arguments)
#define SOURCE(name, parameters, arguments)                                                                            \
	int __real_##name parameters;                                                                                  \
	int __wrap_##name parameters;                                                                                  \
	int __wrap_##name parameters                                                                                   \
	{                                                                                                              \
		sources++;                                                                                             \
		return grant(FAULT_MEMORY, #name, ENOMEM) ? __real_##name arguments : -ENOMEM;                         \
	}

static size_t sources; /* only the loop's thread makes them */

size_t faults_sources(void)
{
	return sources;
}

EVENT(sd_event_new, (sd_event * *ret), (ret))
SOURCE(sd_event_add_io,
       (sd_event * event, sd_event_source **ret, int fd, uint32_t events, sd_event_io_handler_t handler, void *user),
       (event, ret, fd, events, handler, user))
SOURCE(sd_event_add_time,
       (sd_event * event, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t handler, void *user),
       (event, ret, clock, usec, accuracy, handler, user))
SOURCE(sd_event_add_defer, (sd_event * event, sd_event_source **ret, sd_event_handler_t handler, void *user),
       (event, ret, handler, user))
SOURCE(sd_event_add_signal,
       (sd_event * event, sd_event_source **ret, int number, sd_event_signal_handler_t handler, void *user),
       (event, ret, number, handler, user))

/* --- system calls --- */

#define CALL(error, name, parameters, arguments) WRAP(FAULT_CALL, error, int, -1, name, parameters, arguments)
#define BYTES(error, name, parameters, arguments) WRAP(FAULT_CALL, error, ssize_t, -1, name, parameters, arguments)

CALL(EMFILE, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(EMFILE, socketpair, (int domain, int type, int protocol, int *pair), (domain, type, protocol, pair))
CALL(ENOBUFS, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size))
CALL(ENOBUFS, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size))
CALL(EACCES, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(EADDRINUSE, listen, (int fd, int waiting), (fd, waiting))
CALL(ECONNREFUSED, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(EMFILE, epoll_create1, (int flags), (flags))
CALL(ENOSPC, epoll_ctl, (int fd, int op, int member, struct epoll_event *event), (fd, op, member, event))
CALL(EMFILE, eventfd, (unsigned value, int flags), (value, flags))
CALL(EMFILE, pipe2, (int *pair, int flags), (pair, flags))
CALL(EMFILE, signalfd, (int fd, const void *mask, int flags), (fd, mask, flags))
CALL(EMFILE, timerfd_create, (int clock, int flags), (clock, flags))
CALL(EMFILE, memfd_create, (const char *name, unsigned flags), (name, flags))
CALL(EMFILE, inotify_init1, (int flags), (flags))
CALL(EMFILE, dup, (int fd), (fd))
CALL(EMFILE, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags))
CALL(EINTR, epoll_wait, (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms))
CALL(ENOBUFS, recvmmsg, (int fd, struct mmsghdr *to, unsigned n, int flags, struct timespec *timeout),
     (fd, to, n, flags, timeout))
CALL(EACCES, lstat64, (const char *path, void *st), (path, st))
CALL(EACCES, fstatat64, (int folder, const char *path, void *st, int flags), (folder, path, st, flags))
CALL(EROFS, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
CALL(EROFS, renameat, (int from, const char *path, int to, const char *new_path), (from, path, to, new_path))
CALL(EINVAL, renameat2, (int from, const char *path, int to, const char *new_path, unsigned flags),
     (from, path, to, new_path, flags))
CALL(EIO, fstat64, (int fd, void *st), (fd, st))
CALL(EACCES, stat64, (const char *path, void *st), (path, st))
CALL(EIO, fsync, (int fd), (fd))
CALL(EROFS, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(EROFS, rename, (const char *from, const char *to), (from, to))
CALL(EROFS, unlink, (const char *path), (path))
CALL(EROFS, chmod, (const char *path, mode_t mode), (path, mode))
CALL(EROFS, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(ENOLCK, flock, (int fd, int operation), (fd, operation))
CALL(EPERM, setpriority, (int which, unsigned who, int value), (which, who, value))
CALL(EPERM, prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d),
     (option, a, b, c, d))
CALL(EPERM, sched_setaffinity, (pid_t pid, size_t size, const void *cpus), (pid, size, cpus))
CALL(EPERM, setrlimit64, (int what, const void *limit), (what, limit))
CALL(EPERM, getrlimit64, (int what, void *limit), (what, limit))
CALL(ENOMEM, mlock, (const void *memory, size_t size), (memory, size))
BYTES(EIO, read, (int fd, void *to, size_t size), (fd, to, size))
BYTES(EIO, pread64, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
BYTES(ENOBUFS, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
BYTES(ENOBUFS, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
BYTES(ENOMEM, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
BYTES(ENOBUFS, sendto, (int fd, const void *from, size_t n, int flags, const struct sockaddr *to, socklen_t size),
      (fd, from, n, flags, to, size))
BYTES(ENOMEM, recvfrom, (int fd, void *to, size_t n, int flags, struct sockaddr *from, socklen_t *size),
      (fd, to, n, flags, from, size))
WRAP(FAULT_CALL, ENOMEM, void *, MAP_FAILED, mmap64,
     (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset))
WRAP(FAULT_CALL, EMFILE, FILE *, NULL, fopen64, (const char *path, const char *mode), (path, mode))
WRAP(FAULT_CALL, EMFILE, FILE *, NULL, fdopen, (int fd, const char *mode), (fd, mode))
WRAP(FAULT_CALL, EMFILE, void *, NULL, opendir, (const char *path), (path))

int __real_fcntl64(int fd, int command, long argument);
int __wrap_fcntl64(int fd, int command, long argument);

int __wrap_fcntl64(int fd, int command, long argument)
{
	return grant(FAULT_CALL, "fcntl", ENOMEM) ? __real_fcntl64(fd, command, argument) : -1;
}

int __real_open64(const char *path, int flags, mode_t mode);
int __real_openat64(int folder, const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_openat64(int folder, const char *path, int flags, mode_t mode);

int __wrap_open64(const char *path, int flags, mode_t mode)
{
	return grant(FAULT_CALL, "open", EMFILE) ? __real_open64(path, flags, mode) : -1;
}

int __wrap_openat64(int folder, const char *path, int flags, mode_t mode)
{
	return grant(FAULT_CALL, "openat", EMFILE) ? __real_openat64(folder, path, flags, mode) : -1;
}

ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size);

/* What says why a program ends is heard. */
ssize_t __wrap_write(int fd, const void *from, size_t size)
{
	bool granted = fd == STDERR_FILENO || grant(FAULT_CALL, "write", ENOSPC);

	return granted ? __real_write(fd, from, size) : -1;
}

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	return grant(FAULT_CALL, "pthread_create", EAGAIN) ? __real_pthread_create(ret, attributes, run, arg) : EAGAIN;
}
