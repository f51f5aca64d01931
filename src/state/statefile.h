/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file for the text of state.h. It is replaced as a whole: written to *.tmp, fsync(2), rename(2), fsync(2) of the
 * folder. So after a power cut either the old or the new file is there. A lock on *.lock (flock(2)) for the life of the
 * process keeps the file to one writer.
 *
 * Only a regular file of this user or root, not writable by others, of at most STATE_MAX_BYTES, that state_parse()
 * accepts, is used. Any other is refused: renamed to *.refused (over an earlier one), never followed, never deleted.
 */
#ifndef PORTSYNCD_STATEFILE_H
#define PORTSYNCD_STATEFILE_H

#include <stddef.h>

#include "state/state.h"

#define STATEFILE_WHY_BYTES 256 /* of a line that says what is wrong */

struct statefile;

/*
 * Opens the folder of the absolute path and locks the file. Makes a missing folder (0700) and its parents (0755). 0,
 * -ENOMEM, or -EBUSY if another process holds the lock. Other faults show at each save, which tries again.
 */
int statefile_new(struct statefile **ret, const char *path);
void statefile_free(struct statefile *f);

enum statefile_found {
	STATEFILE_MISSING, /* a first start */
	STATEFILE_LOADED,
	STATEFILE_UNSEEN,  /* its folder cannot be opened: the first save that can renames it to *.refused */
	STATEFILE_REFUSED, /* renamed to *.refused */
	STATEFILE_STUCK,   /* refused, and could not be renamed: nothing will be saved */
};

/* Reads the file into the empty *s. why: the reason for a refusal. */
enum statefile_found statefile_load(struct statefile *f, struct state *s, char why[STATEFILE_WHY_BYTES]);

/* Blocks until the state is on the disk. 0, or a negative errno with a line in why and the old file unharmed. */
int statefile_save(struct statefile *f, const struct state *s, char why[STATEFILE_WHY_BYTES]);

#endif
