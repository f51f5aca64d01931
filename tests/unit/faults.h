/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refuses calls of libc in turn. meson.build has the calls of our own code come here (`refusable`); what libraries ask
 * for themselves is granted.
 */
#ifndef PORTSYNCD_FAULTS_H
#define PORTSYNCD_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* From one refused call to the next. A life in a sanitized build takes six times as long: there it is each fourth, and
 * `make test` has all of them in the plain build. */
#ifdef __SANITIZE_ADDRESS__
#define FAULTS_STEP 4
#else
#define FAULTS_STEP 1
#endif

enum fault {
	FAULT_MEMORY, /* allocations */
	FAULT_CALL,   /* system calls, with an error that their man page names */
};

/* So many calls of that kind are granted, and the next is refused; all_after: and any after it. */
void faults_begin(enum fault kind, size_t granted, bool all_after);
/* Grants all, for what a test itself needs, until faults_go_on(). */
void faults_pause(void);
void faults_go_on(void);
/* All is granted again. Returns the name of the first call that was refused; NULL: there was none. */
const char *faults_end(void);
/* How many sources of event loops were asked for so far. */
size_t faults_sources(void);

#endif
