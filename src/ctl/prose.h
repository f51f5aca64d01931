/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences on stdout: paragraphs as wide as the terminal, durations in words. */
#ifndef PORTSYNCD_CTL_PROSE_H
#define PORTSYNCD_CTL_PROSE_H

#include <jansson.h>

#include "ctl/ctl.h"

#define PROSE_DURATION_BYTES 40
#define PROSE_AMOUNT_BYTES 32

/* "250 ms", "12 s", "2 min 3 s", "3 h 2 min", "4 d 3 h". Returns out. */
const char *prose_duration(double seconds, char out[PROSE_DURATION_BYTES]);
/* Three significant digits, or all before the point: "0.042", "57.5", "10000". Returns out. */
const char *prose_amount(double amount, char out[PROSE_AMOUNT_BYTES]);
/* Prints the label and the text after it, wrapped; further lines begin below the text. Prints nothing for no text
 * (NULL, ""). */
void prose_paragraph(const char *label, const char *text);
/* "a, b, c" of an array of strings, "a, b and 7 more" of one with more than max. Returns out. */
const char *prose_list(const json_t *names, size_t max, char *out, size_t size);

/* A member of an untrusted document: "" and 0 where it lacks the member or has another type there. */
const char *prose_text(const json_t *object, const char *member);
double prose_number(const json_t *object, const char *member);

#endif
