/* SPDX-License-Identifier: Apache-2.0 */
/* Names of ports: their natural order, and patterns for them. */
#ifndef PORTSYNCD_CTL_NAMES_H
#define PORTSYNCD_CTL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Ethernet8 before Ethernet12: digits are compared as numbers. As strcmp(). */
int names_compare(const char *a, const char *b);

/*
 * True if one of the patterns fits, or there are none. A pattern is a name, one with the wildcards of a shell (*, ?,
 * [...]), or a range, Ethernet168-180: names that begin like that and end in a number from 168 to 180. Several can
 * stand in one argument, separated by commas.
 */
bool names_match(const char *name, int n, char *const *patterns);

#endif
