/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, before it is combined with environment and file. */
#ifndef PORTSYNCD_CONFIG_FLAGS_H
#define PORTSYNCD_CONFIG_FLAGS_H

#include <stdbool.h>
#include <stdio.h>

#include "config/keys.h"

#define FLAGS_LEVEL_VARIABLE "PORTSYNCD_LOG_LEVEL"
#define FLAGS_CERT_VARIABLE "PORTSYNCD_METRICS_CERT"
#define FLAGS_KEY_VARIABLE "PORTSYNCD_METRICS_KEY"
#define FLAGS_CA_VARIABLE "PORTSYNCD_METRICS_CA"
#define FLAGS_OLD_LINKS_VARIABLE "PORTSYNCD_RETIRE_OLD_LINKS"
#define FLAGS_RECORDINGS_VARIABLE "PORTSYNCD_RECORDER_FOLDER"

/* Texts point into argv; NULL: not given. */
struct flags {
	const char *config, *database_config, *namespace_name, *database_global, *netns, *log_level, *log_target,
		*sandbox, *replay;
	bool check_config, show_config, dry_run, once, realtime, help, version;
};

/* Help and version are printed to out, the first fault is one line on err. */
enum config_outcome flags_read(struct flags *flags, int argc, char *argv[], FILE *out, FILE *err);

/* Checks what needs neither file nor environment. 0, or -EINVAL and one line on err. */
int flags_check(const struct flags *flags, FILE *err);

/* The option ("--log-level"), or the variable of the environment, that sets this key too; NULL: none does. */
const char *flags_option(const struct key *key);
const char *flags_variable(const struct key *key);

#endif
