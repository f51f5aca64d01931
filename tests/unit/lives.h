/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's program from its start to its end, again and again. In each life one allocation or system call is
 * refused: first the first, then the second, until none is left. Each life ends with an exit code and a line that says
 * why, or does its work; none hangs, or leaves memory behind, which the sanitizers' builds see. meson.build has
 * src/main.c as daemon_main().
 */
#ifndef PORTSYNCD_LIVES_H
#define PORTSYNCD_LIVES_H

#include <stdbool.h>

#include "faults.h"

struct lives {
	const char *const *words; /* of the command line; the last is NULL */
	const char *said;         /* a file for what a life prints */
	bool stopped;             /* SIGTERM is there from the start; the daemon finds it when it is up */
	/* Around each life, where nothing is refused; may be NULL. */
	void (*begin)(void);
	void (*end)(void);
	/* A life that ended well did its work, with this text printed; NULL: it has none. */
	bool (*worked)(const char *text);
};

/*
 * The test fails with the first life that is neither explained nor of use, and if the last has more event sources than
 * its daemon reserved memory for.
 */
void lives_refuse_each(const struct lives *l, enum fault kind);

#endif
