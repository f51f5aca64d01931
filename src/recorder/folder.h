/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of recordings: swss.portsyncd.<time>.pcapng, of which the last few are kept. Blocks on the disk. */
#ifndef PORTSYNCD_RECORDER_FOLDER_H
#define PORTSYNCD_RECORDER_FOLDER_H

#include <stddef.h>
#include <time.h>

#define FOLDER_KEPT 5
#define FOLDER_NAME_BYTES 64

/* Makes it, if only the folder itself is missing. 0 or negative errno. */
int folder_make(const char *path);
/*
 * Writes a file of this time (UTC) whole, or not at all: mode 0640, under another name until it is complete. Then
 * removes all but the newest FOLDER_KEPT, and what an interrupted write left behind. name gets the file's name. 0 or
 * negative errno.
 */
int folder_write(const char *path, time_t when, const void *bytes, size_t len, char name[FOLDER_NAME_BYTES]);

#endif
