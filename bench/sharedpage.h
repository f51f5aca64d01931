/* SPDX-License-Identifier: Apache-2.0 */
/* For libraries of LD_PRELOAD: memory that another process reads and writes while this one runs. */
#ifndef PORTSYNCD_SHAREDPAGE_H
#define PORTSYNCD_SHAREDPAGE_H

#include <stddef.h>

/*
 * Maps the file that the environment variable names, made and brought to size where it is shorter; stays mapped for
 * ever. NULL: no such variable, or no such file. Calls the kernel directly, since mmap() may be interposed.
 */
void *sharedpage_map(const char *variable, size_t size);

#endif
