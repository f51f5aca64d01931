/* SPDX-License-Identifier: Apache-2.0 */
/*
 * portsyncctl, the operator's command. It only reads. Data goes to stdout, messages go to stderr; with --json the one
 * document on stdout holds the error, too.
 */
#ifndef PORTSYNCD_CTL_H
#define PORTSYNCD_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"
#include "config/config.h"

#define CTL_SCHEMA 1       /* version of the JSON documents, docs/portsyncctl.schema.json */
#define CTL_ANSWER_SECS 5  /* how long a daemon, a Redis or the kernel may be silent */
#define CTL_OPTIONS_MAX 16 /* of one verb */

/* Exit codes. A verb returns one. */
enum ctl_exit {
	CTL_GOOD = 0,
	CTL_NEGATIVE = 1,  /* the answer is negative: something differs, did not happen, ... */
	CTL_USAGE = 2,     /* the command line is wrong */
	CTL_NO_DAEMON = 3, /* portsyncd cannot be reached */
	CTL_NO_SOURCE = 4, /* Redis or the kernel cannot be reached, or stdout cannot be written */
};

/* What went wrong, for people: what, and what helps ("": nothing known). */
struct ctl_error {
	enum ctl_exit code;
	bool denied; /* the daemon's socket exists, but we may not use it */
	char message[1024];
	char remedy[512];
};

/* Common options as they were given; NULL: not. */
struct ctl_named {
	const char *config, *database_config, *database_global, *namespace_name, *netns, *socket;
};

struct ctl_verb;

struct ctl {
	const struct ctl_verb *verb; /* NULL until it is known */
	bool json;
	bool color;           /* of stdout */
	bool legend;          /* tables have a heading */
	struct config config; /* file and defaults, overridden by our own options */
	struct ctl_named named;
	const char *given[CTL_OPTIONS_MAX]; /* the verb's options, by its table; NULL: not given */
	struct ctl_error error;             /* of the last call that failed, see ctl_fail() */
};

/* Notes what went wrong. Returns -1, for: return ctl_set_error(ctl, ...). remedy may be NULL. */
int ctl_set_error(struct ctl *ctl, enum ctl_exit code, const char *remedy, const char *format, ...) PRINTF_LIKE(4, 5);
/* Reports what was noted: a line or two on stderr, or a JSON document. Returns its code, for the verb to return. */
int ctl_fail(const struct ctl *ctl);

/* Prints a message on stderr, "portsyncctl: ...". Nothing with --json. */
void ctl_say(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* The value of an option of the verb; "" for one that takes none; NULL: not given. */
const char *ctl_option(const struct ctl *ctl, const char *name);
/* The same as seconds, fractions allowed; fallback if not given. 0; or -1, ctl_fail() is due. */
int ctl_seconds(struct ctl *ctl, const char *name, double fallback, double min, double max, double *ret);

#endif
