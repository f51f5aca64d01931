/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs. Help and completion are made from it. */
#ifndef PORTSYNCD_CTL_VERBS_H
#define PORTSYNCD_CTL_VERBS_H

#include <stddef.h>

#include "ctl/ctl.h"

struct ctl_option {
	char letter; /* 0: has a long name only */
	const char *name;
	const char *value; /* its name in the help, "FILE" completes file names; NULL: takes none */
	const char *help;  /* one line */
};

/* A word that may be an argument of a verb. */
struct ctl_word {
	const char *word; /* or what follows, for completion to fill in */
	const char *help; /* one line */
};

#define CTL_WORDS_PORTS "PORT" /* live names of ports */
#define CTL_WORDS_KINDS "KIND" /* of log lines, and health checks */

struct ctl_verb {
	const char *name;
	const char *help;                 /* one line, lower case, without a full stop */
	const char *arguments;            /* as in its usage: "[PATTERN...]"; "" for none */
	size_t min, max;                  /* how many */
	const struct ctl_word *words;     /* what they can be; ends with one without a word; NULL: nothing */
	const char *details;              /* a paragraph of its --help; may be NULL */
	const char *example;              /* a line after it; may be NULL */
	const struct ctl_option *options; /* ends with one without a name; may be NULL */
	bool bad_config;                  /* it says itself what is wrong with the configuration */
	int (*run)(struct ctl *ctl, int argc, char **argv); /* argv: the arguments that are not options */
};

/* Ends with one without a name. */
extern const struct ctl_verb ctl_verbs[];

const struct ctl_verb *ctl_verb_find(const char *name);

int verb_doctor(struct ctl *ctl, int argc, char **argv);
int verb_dump(struct ctl *ctl, int argc, char **argv);
int verb_explain(struct ctl *ctl, int argc, char **argv);
int verb_record(struct ctl *ctl, int argc, char **argv);
int verb_history(struct ctl *ctl, int argc, char **argv);
int verb_ports(struct ctl *ctl, int argc, char **argv);
int verb_status(struct ctl *ctl, int argc, char **argv);
int verb_top(struct ctl *ctl, int argc, char **argv);
int verb_verify(struct ctl *ctl, int argc, char **argv);
int verb_watch(struct ctl *ctl, int argc, char **argv);
int verb_wait(struct ctl *ctl, int argc, char **argv);
int verb_why(struct ctl *ctl, int argc, char **argv);

#endif
