/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of portsyncctl: options for all verbs, the verb, its options and arguments. */
#ifndef PORTSYNCD_CTL_OPTIONS_H
#define PORTSYNCD_CTL_OPTIONS_H

#include "ctl/ctl.h"
#include "ctl/verbs.h"

enum options_outcome {
	OPTIONS_RUN,      /* run ctl->verb */
	OPTIONS_DONE,     /* --help or --version was answered */
	OPTIONS_COMPLETE, /* the shell asks what completes the arguments (ctl/complete.h) */
	OPTIONS_BAD,      /* ctl_fail() is due */
};

/* Options for all verbs, before or after the verb. The last one has no name. */
extern const struct ctl_option options_common[];

/* Reorders argv: *arguments points to the verb's *n arguments. */
enum options_outcome options_read(struct ctl *ctl, int argc, char *argv[], int *n, char ***arguments);

#endif
