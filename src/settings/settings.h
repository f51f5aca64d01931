/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in the terms of the modules that it is for, and the checks that need those modules. */
#ifndef PORTSYNCD_SETTINGS_H
#define PORTSYNCD_SETTINGS_H

#include "config/config.h"
#include "host/tuning.h"
#include "log/log.h"
#include "sonic/oldlinks.h"

struct http_options;

/*
 * config_load(), and a check that the settings of HTTP fit together. --check-config also reads or looks for what the
 * configuration names, as a run would: the files of SONiC's databases, the password file, CPUs, certificates; the
 * verdict goes to out, each fault is one line on err.
 */
enum config_outcome settings_load(struct config *config, int argc, char *argv[], FILE *out, FILE *err);

/* Options for http_new(), which point into *config. False: no HTTP server is wanted. */
bool settings_http(const struct config *config, struct http_options *ret);

struct tuning_options settings_tuning(const struct config *config);
enum oldlinks_policy settings_old_links(const struct config *config);

/* Opens the log as section [log] says. */
void settings_open_log(const struct config *config);
/* Applies what differs from the previous configuration; what was changed by other means (LOGGER table, SIGUSR1) stays
 * as it is. A file is opened again in any case. */
void settings_change_log(const struct config *before, const struct config *now, const char *who);
/* The target that the configuration means; "auto" is resolved. */
enum log_target_type settings_log_target(const struct config *config);

#endif
