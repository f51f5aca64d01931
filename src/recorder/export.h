/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the ring as a file that tshark opens and portsyncd --replay plays (pcapng.h, remark.h). Any thread. */
#ifndef PORTSYNCD_RECORDER_EXPORT_H
#define PORTSYNCD_RECORDER_EXPORT_H

#include "base/text.h"
#include "recorder/recorder.h"

/*
 * Where a recording ends. The loop goes on while it is copied: what it did since the checkpoint that was made for the
 * recording would leave unsaid with which rows it ends.
 */
enum export_end {
	EXPORT_ALL, /* a crash, or a loop that hangs: what it did last counts */
	EXPORT_TO_CHECKPOINT,
};

/*
 * What the ring holds now; reason says why, for people. The caller frees out->data. 0, the errors of
 * recorder_copy(), or -ENOMEM. Takes some 20 ms, and twice the ring's memory.
 */
int export_recording(struct text *out, enum export_end end, const char *reason);

/* The same of a copy. host: written into the section; epoch_nsec: what a CLOCK_MONOTONIC time lacks to be one since the
 * epoch. */
int export_copy(struct text *out, struct recorder_copy *copy, enum export_end end, const char *reason, const char *host,
		uint64_t epoch_nsec);

#endif
