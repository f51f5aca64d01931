/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a secret still stands somewhere in this process' memory. */
#ifndef PORTSYNCD_MEMORY_SEARCH_H
#define PORTSYNCD_MEMORY_SEARCH_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEARCH_STEP (256U << 10)
#define SEARCH_RANGE_MAX (64U << 20) /* larger ones are a sanitizer's */

/* The kernel reads it, so freed memory may be searched too. Our own copy of it is elsewhere. */
bool range_holds(int memory, uint64_t begin, uint64_t end, const char *text);

/* Searches the heap and other anonymous memory; text itself must be a constant. */
bool memory_holds(const char *text);

#endif
