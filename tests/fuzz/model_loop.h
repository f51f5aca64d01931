/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for sd-event and for the clock: time passes only on request, and the caller of the loop chooses the next of
 * the ready sources. So an input has the same effect every time, and costs no system call. Linked into a
 * program, these sd_event_*() calls take the place of libsystemd's; now_usec(), now_nsec() and backoff_next_usec() are
 * wrapped by the linker (meson.build).
 */
#ifndef PORTSYNCD_MODEL_LOOP_H
#define PORTSYNCD_MODEL_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* All sources must be gone. */
void loop_reset(void);
sd_event *loop_get(void);
/* Dispatches the ready source of this number, modulo how many there are; false when none is ready. */
bool loop_turn(unsigned choice);
/* When the next timer fires; UINT64_MAX: none is armed. */
uint64_t loop_next_usec(void);
uint64_t loop_now(void);
/* Advances to this time; never goes back. */
void loop_advance_to(uint64_t usec);

/* A counter that orders events in the models: higher with each call. */
uint64_t loop_tick(void);

/* Counts a step, for simulate.c. */
void loop_count_step(void);
uint64_t loop_steps(void);

/* Whether a file descriptor is readable; defined by the program. */
bool loop_fd_readable(int fd);

#endif
