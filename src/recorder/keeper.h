/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings are written into their folder by a thread, so that the loop never waits for a disk. The loop gives it a
 * reason and later takes the outcome; all else the thread finds in the ring.
 */
#ifndef PORTSYNCD_RECORDER_KEEPER_H
#define PORTSYNCD_RECORDER_KEEPER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/worker.h"
#include "recorder/folder.h"
#include "recorder/recorder.h"

struct keeper;

struct keeper_outcome {
	enum recorder_why why;
	char reason[RECORDER_TEXT_MAX];
	int error; /* 0 or a negative errno */
	char name[FOLDER_NAME_BYTES];
};

/*
 * Starts the thread. From then on a signal that ends the process (SIGABRT, as from systemd's watchdog, SIGSEGV, ...)
 * lets it write a recording first, unless somebody else, such as a sanitizer, handles that signal; the process ends
 * within two seconds. Only one keeper at a time. 0 or negative errno.
 */
int keeper_new(struct keeper **ret, const char *folder);
/* Ends the thread after the present recording, waiting at most patience_usec. NULL is fine. False: it hangs in the
 * disk, and keeps its memory and the ring: do not stop the recorder either. */
bool keeper_free(struct keeper *k, uint64_t patience_usec);

/* Writes a recording. False: one is being written, or its outcome was not taken yet. */
bool keeper_give(struct keeper *k, enum recorder_why why, const char *reason, enum worker_pace pace);
/* Becomes readable when one has been written: call keeper_take(). */
int keeper_fd(const struct keeper *k);
/* True once for each. */
bool keeper_take(struct keeper *k, struct keeper_outcome *outcome);
/* Waits at most patience_usec; then keeper_take() has the outcome. */
bool keeper_wait(const struct keeper *k, uint64_t patience_usec);

#endif
