/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_CONFIG_REGULAR_H
#define PORTSYNCD_CONFIG_REGULAR_H

#include <sys/stat.h>
#include <sys/types.h>

/* Opens a regular file of at most max bytes. An open descriptor and *st, or a negative errno. */
int config_open_regular(const char *path, off_t max, struct stat *st);
/* What its errno means to the user. */
const char *config_open_error(int error);

#endif
