/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that state.h's text is kept in. It is replaced as a whole: written beside it under the name *.tmp, brought
 * to the disk (fsync(2)), renamed over it, and the folder brought to the disk; so at any moment, power cuts included,
 * either the old or the new one is there. A lock on *.lock (flock(2)) lasts as long as the process: the file has one
 * writer.
 *
 * Believed is only a regular file, of this user's or root's, that nobody else can write, of at most STATE_MAX_BYTES,
 * that state_parse() takes. Any other is refused: renamed to *.refused (in place of an earlier one), never followed,
 * never deleted, and nothing of it is used.
 */
#ifndef PORTSYNCD_STATEFILE_H
#define PORTSYNCD_STATEFILE_H

#include <stddef.h>

#include "state/state.h"

#define STATEFILE_WHY_BYTES 256 /* room for what is wrong */

struct statefile;

/*
 * Opens the folder of the absolute path, which is made (0700) where it is missing, those above it too (0755), and locks
 * the file. 0, -ENOMEM, or -EBUSY: another process has it. What else is wrong shows when it is saved, which tries
 * again.
 */
int statefile_new(struct statefile **ret, const char *path);
void statefile_free(struct statefile *f);

enum statefile_found {
	STATEFILE_MISSING, /* a first start */
	STATEFILE_LOADED,
	STATEFILE_REFUSED, /* and kept aside */
	STATEFILE_STUCK,   /* refused, and could not be renamed: nothing will be saved */
};

/* Reads it into *s, which is empty. why: what is wrong with one that is refused. */
enum statefile_found statefile_load(struct statefile *f, struct state *s, char why[STATEFILE_WHY_BYTES]);

/* Blocks until it is on the disk. 0, or a negative errno with a line in why; the file is as it was then. */
int statefile_save(struct statefile *f, const struct state *s, char why[STATEFILE_WHY_BYTES]);

#endif
