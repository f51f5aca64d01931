/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that a verb writes (-o): it appears under its name when it is complete. "-" is stdout. A pipe or a
 * device is written directly.
 */
#ifndef PORTSYNCD_CTL_SAVE_H
#define PORTSYNCD_CTL_SAVE_H

#include <limits.h>

#include "ctl/ctl.h"

struct save {
	const char *path;    /* must outlive it; NULL: stdout */
	char part[PATH_MAX]; /* its name until it is complete; "": it has none */
	int fd;
};

/* Only its owner may read it. 0; or -1, ctl_fail() is due. */
int save_begin(struct ctl *ctl, struct save *save, const char *path);
int save_write(struct ctl *ctl, struct save *save, const void *bytes, size_t len);
/* The file is complete. 0; or -1, ctl_fail() is due, and there is none. */
int save_end(struct ctl *ctl, struct save *save);
/* Removes the unfinished file. */
void save_drop(struct save *save);

#endif
