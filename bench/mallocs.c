/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts a process' calls of the allocator, its libraries' among them: a library for LD_PRELOAD. The counts stand in
 * the file that MALLOCS_FILE names, one uint64_t for each of enum call, so that another process reads them as they
 * grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call { CALL_MALLOC, CALL_CALLOC, CALL_REALLOC, CALL_FREE, CALL_ALIGNED, CALL_MMAP, CALLS };

/* glibc's allocator under the names that are not interposed. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static _Atomic uint64_t early[CALLS]; /* before the file is mapped, or without one */
static _Atomic uint64_t *counts = early;

__attribute__((constructor)) static void map_counts(void)
{
	const char *path = getenv("MALLOCS_FILE");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *shared;

	if (fd < 0 || ftruncate(fd, sizeof(early)) < 0)
		return;
	shared = (void *)syscall(SYS_mmap, NULL, sizeof(early), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (shared != MAP_FAILED)
		counts = shared;
}

static void count(enum call call)
{
	atomic_fetch_add_explicit(&counts[call], 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
	count(CALL_MALLOC);
	return __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
	count(CALL_CALLOC);
	return __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
	count(CALL_REALLOC);
	return __libc_realloc(ptr, size);
}

void free(void *ptr)
{
	/* free(NULL) is what a cleanup does in vain, and costs nothing. */
	if (ptr)
		count(CALL_FREE);
	__libc_free(ptr);
}

void *memalign(size_t alignment, size_t size)
{
	count(CALL_ALIGNED);
	return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **memptr, size_t alignment, size_t size)
{
	void *memory = memalign(alignment, size);

	if (!memory)
		return ENOMEM;
	*memptr = memory;
	return 0;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	count(CALL_MMAP);
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}
