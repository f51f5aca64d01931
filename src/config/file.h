/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: UTF-8 text without control characters, in lines that are empty, "[section]" or "key = value".
 * '#' begins a comment, but not within double quotes, which have no escapes. A line cannot be continued on the next
 * one. portsyncd.conf(5) describes it for users.
 */
#ifndef PORTSYNCD_CONFIG_FILE_H
#define PORTSYNCD_CONFIG_FILE_H

#include "config/config.h"

/*
 * Reads one configuration file into *config, which holds defaults already. Each fault is one line
 * "file:line: key: what is wrong, what is allowed" on err. 0, -EINVAL (a fault), or the negative errno of opening or
 * reading, with a line too; except -ENOENT, which need not be a fault and has none.
 */
int config_read_file(struct config *config, const char *path, FILE *err);

/* Writes "name = value" so that it is read again as it is. False, with nothing written, if no file can hold that value.
 */
bool config_write_value(const char *name, const char *value, FILE *out);

#endif
