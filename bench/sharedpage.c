/* SPDX-License-Identifier: Apache-2.0 */
#include "sharedpage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MMAP2_UNIT 4096

void *sharedpage_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
#ifdef SYS_mmap
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
#else /* 32-bit ARM */
	return (void *)syscall(SYS_mmap2, addr, len, prot, flags, fd, (unsigned long)(offset / MMAP2_UNIT));
#endif
}

void *sharedpage_map(const char *variable, size_t size)
{
	const char *path = getenv(variable);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *shared = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)size) == 0)
		shared = sharedpage_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	return shared == MAP_FAILED ? NULL : shared;
}
