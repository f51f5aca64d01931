/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts a process' calls of the allocator, its libraries' among them, and can refuse memory: a library for LD_PRELOAD.
 * The counts are in the file that MALLOCS_FILE names, where another process can read them, and write how many
 * allocations are to be refused.
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sharedpage.h"

/* A realloc() of NULL is a malloc(), so malloc + calloc + aligned - free is what lives. */
enum call { CALL_MALLOC, CALL_CALLOC, CALL_REALLOC, CALL_FREE, CALL_ALIGNED, CALL_MMAP, CALLS };

struct page {
	_Atomic uint64_t calls[CALLS];
	_Atomic uint64_t refuse_one_in; /* written by others: one in so many allocations is refused; 0: none */
	_Atomic uint64_t asked;         /* allocations while that was not 0 */
	_Atomic uint64_t refused;       /* of those */
};

/* glibc's allocator under the names that are not interposed. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static struct page early; /* before the file is mapped, or without one */
static struct page *page = &early;

__attribute__((constructor)) static void map_counts(void)
{
	struct page *shared = sharedpage_map("MALLOCS_FILE", sizeof(*shared));

	if (shared)
		page = shared;
}

static void count(enum call call)
{
	atomic_fetch_add_explicit(&page->calls[call], 1, memory_order_relaxed);
}

/* Counts the call; false: it is to be refused. */
static bool granted(enum call call)
{
	uint64_t one_in = atomic_load_explicit(&page->refuse_one_in, memory_order_relaxed);

	if (one_in > 0 && atomic_fetch_add_explicit(&page->asked, 1, memory_order_relaxed) % one_in == 0) {
		atomic_fetch_add_explicit(&page->refused, 1, memory_order_relaxed);
		errno = ENOMEM;
		return false;
	}
	count(call);
	return true;
}

void *malloc(size_t size)
{
	return granted(CALL_MALLOC) ? __libc_malloc(size) : NULL;
}

void *calloc(size_t nmemb, size_t size)
{
	return granted(CALL_CALLOC) ? __libc_calloc(nmemb, size) : NULL;
}

void *realloc(void *ptr, size_t size)
{
	return granted(ptr ? CALL_REALLOC : CALL_MALLOC) ? __libc_realloc(ptr, size) : NULL;
}

void free(void *ptr)
{
	/* free(NULL), as in a cleanup, costs nothing. */
	if (ptr)
		count(CALL_FREE);
	__libc_free(ptr);
}

void *memalign(size_t alignment, size_t size)
{
	return granted(CALL_ALIGNED) ? __libc_memalign(alignment, size) : NULL;
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
	if (!granted(CALL_MMAP))
		return MAP_FAILED;
	return sharedpage_mmap(addr, len, prot, flags, fd, offset);
}
