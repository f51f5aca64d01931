/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each kind of line means: what happened and why, and what to do about it. This is the one place where that is
 * written. scripts/advice-docs makes of it the journal's catalogue (deploy/portsyncd.catalog, journalctl -x) and
 * the remedies of docs/troubleshooting.md; /status, `portsyncctl status` and `portsyncctl explain` show it.
 */
#ifndef PORTSYNCD_LOG_ADVICE_H
#define PORTSYNCD_LOG_ADVICE_H

#include "log/kinds.h"

struct advice {
	const char *subject; /* a headline; @PORT@ stands for the port that the line is about */
	const char *cause;   /* sentences */
	const char *remedy;  /* sentences; NULL: nothing to do */
};

extern const struct advice log_advice[KINDS];

/* A more precise cause and remedy of a kind, for lines whose reason has these words. */
struct advice_case {
	enum log_kind kind;
	const char *words;
	struct advice advice;
};

/* In the order in which they are tried; the last one has no words. */
extern const struct advice_case log_advice_cases[];

/* The advice of the kind, or of the first case that fits the reason. The texts are static. */
const struct advice *advice_for(enum log_kind kind, const char *reason);

#endif
