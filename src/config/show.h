/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in force, with where each value comes from. Of secrets only the paths are shown. */
#ifndef PORTSYNCD_CONFIG_SHOW_H
#define PORTSYNCD_CONFIG_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "config/config.h"

/* Writes a configuration file with the same values; comments say where they come from. */
void config_show(const struct config *config, FILE *out);

/* Only the values that differ from the defaults, one a line: "section.key = value", and where it comes from. */
void config_show_settings(const struct config *config, FILE *out);

/* The same as docs/metrics.md describes /config. NULL without memory. */
json_t *config_json(const struct config *config);

#endif
