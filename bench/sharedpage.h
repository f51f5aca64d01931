/* SPDX-License-Identifier: Apache-2.0 */
/* For libraries of LD_PRELOAD: memory that another process reads and writes while this one runs. */
#ifndef PORTSYNCD_SHAREDPAGE_H
#define PORTSYNCD_SHAREDPAGE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Maps the file that the environment variable names, after creating or extending it as needed; it stays mapped for
 * ever. NULL: no such variable, or no such file. Calls the kernel directly, since mmap() may be interposed.
 */
void *sharedpage_map(const char *variable, size_t size);

/* mmap(2), bypassing interposed functions. */
void *sharedpage_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

#endif
