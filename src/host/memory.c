/* SPDX-License-Identifier: Apache-2.0 */
#include "host/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/refused.h"

#define MAPPED_BYTES (1 << 20) /* a copy of the flight recorder's ring goes back at once */
#define KEPT_BYTES (2 << 20)   /* the text of /metrics does not: each scrape would fault it in again */

static bool locked;

/* calloc() clears what was left of the heap, but not what the kernel adds: without padding, large parts of what is
 * never used are never touched. */
void memory_prepare(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	(void)mallopt(M_TOP_PAD, 0);
}

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static void *at_address(uintptr_t address)
{
	return (void *)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* Relocations in its text would be lost with the page. */
static bool has_own_text(const struct dl_phdr_info *object)
{
	const ElfW(Dyn) *entry = NULL;

	for (size_t i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
			entry = at_address(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
	for (; entry && entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
			return true;
	return false;
}

struct range {
	uintptr_t begin, end;
};

static void give_back_range(const struct range *range)
{
	if (range->begin < range->end)
		(void)madvise(at_address(range->begin), range->end - range->begin, MADV_DONTNEED);
}

/*
 * Gives back the pages that are as in the file. One call for parts that touch: each takes long in some virtual
 * machines.
 */
static int give_back(struct dl_phdr_info *object, size_t size, void *user)
{
	const uintptr_t in_page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	struct range range = {0};

	(void)size;
	(void)user;
	if (has_own_text(object))
		return 0;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t begin = object->dlpi_addr + part->p_vaddr, first = begin & ~in_page;

		if (part->p_type != PT_LOAD || (part->p_flags & PF_W))
			continue;
		if (first != range.end) {
			give_back_range(&range);
			range.begin = first;
		}
		range.end = (begin + part->p_memsz + in_page) & ~in_page;
	}
	give_back_range(&range);
	return 0;
}

void memory_give_back(void)
{
	(void)dl_iterate_phdr(give_back, NULL);
}

/* By the call's number: the sanitizers replace mlockall() and munlockall() by calls that do nothing. */
static int lock_all(void)
{
	return syscall(SYS_mlockall, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 ? -errno : 0;
}

/*
 * True when later allocations count against the limit. Asks the kernel by a mapping that is just too large: in a user
 * namespace, having the capability is not enough to lift the limit. No page is used.
 */
static bool limit_binds(rlim_t limit)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len;
	void *probe;

	if (limit >= SIZE_MAX - page)
		return false;
	len = (size_t)limit + page;
	probe = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (probe == MAP_FAILED)
		return errno == EAGAIN;
	(void)munmap(probe, len);
	return false;
}

static void report_refused(const struct rlimit *limit, int error)
{
	char value[32] = "unlimited";

	if (limit->rlim_cur != RLIM_INFINITY)
		(void)snprintf(value, sizeof(value), "%" PRIu64 " bytes", (uint64_t)limit->rlim_cur);
	tuning_refused(error,
		       "performance.lock_memory = true is refused: %s; RLIMIT_MEMLOCK is %s; what helps: "
		       "LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), or the capability CAP_IPC_LOCK",
		       error == -EAGAIN ? "later allocations would fail" : strerror(-error), value);
}

int memory_lock(void)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
	int r = lock_all();

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (r == 0 && limit_binds(limit.rlim_cur)) {
		(void)syscall(SYS_munlockall);
		r = -EAGAIN;
	}
	if (r < 0)
		report_refused(&limit, r);
	locked = r == 0;
	return r;
}

static int unlock_stack(void)
{
	FILE *maps cleanup(close_file) = fopen("/proc/self/maps", "re");
	char line[256];

	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		char *at;
		uintptr_t from = strtoul(line, &at, 16), to = *at == '-' ? strtoul(at + 1, NULL, 16) : 0;

		if (strstr(line, "[stack]"))
			return syscall(SYS_munlock, from, to - from) < 0 ? -errno : 0;
	}
	return -ENOENT;
}

/* MCL_FUTURE is taken back by another call without it (mlockall(2)). */
static int lock_no_more(void)
{
	int r = syscall(SYS_mlockall, MCL_CURRENT | MCL_ONFAULT) < 0 ? -errno : unlock_stack();

	if (r < 0)
		(void)syscall(SYS_munlockall);
	return r;
}

int memory_settle(void)
{
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	struct rlimit limit = none;

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (!locked || limit.rlim_cur == RLIM_INFINITY || setrlimit(RLIMIT_MEMLOCK, &none) == 0)
		return 0;
	return lock_no_more();
}
