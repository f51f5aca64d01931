/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process after the other, and what outlives them: daemon/counters.c and state/state.c with a file, a disk and a
 * CLOCK_REALTIME that the input controls. The model notes which numbers were issued, what each port did, and what
 * reached the disk. A start must continue from there, and no number may be issued twice.
 *
 * The saver's thread runs as a step of the input, which also decides whether its write succeeds, fails, or hangs.
 * Linked into a program, these statefile_*(), saver_*(), publish_last_event(), publish_skip_events() and
 * realtime_nsec() are wrapped by the linker (meson.build).
 */
#ifndef PORTSYNCD_MODEL_LIVES_H
#define PORTSYNCD_MODEL_LIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports/links.h"

enum lives_disk {
	DISK_GOOD,
	DISK_FULL, /* writes are refused */
	DISK_HANGS,
};

/* Begins with a machine that never ran portsyncd. Whatever is found wrong later aborts the program. */
void lives_reset(void);
/* Frees what the last life left. */
void lives_done(void);

/* A process begins, with these links and nothing in them yet. threadless: it gets no thread for the file. */
void lives_begin(struct links *links, bool threadless);
/* The end of a turn of its loop. */
void lives_turn(void);
/* It ends in order, or is killed. lands: a write that hangs is completed; otherwise it has no effect. */
void lives_stop(bool lands);
void lives_kill(bool lands);
/* Between two lives, after loop_reset(): a new boot id, and CLOCK_REALTIME is set to this, if possible. */
void lives_reboot(uint64_t wall_usec);

/* The link of this port, Ethernet0 or Ethernet4, came without a carrier, or lost it with that. */
void lives_link_came(unsigned port);
/* The carrier of a link that is there comes or goes, and Redis has acknowledged the row. */
void lives_flap(unsigned port);
/* Issues numbers without further details. */
void lives_burst(unsigned numbers);

/* --- the disk --- */

void lives_set_disk(enum lives_disk disk);
/* Completes the pending write. */
void lives_disk_turn(void);
/* A bit of the file flips, or the file ends there; byte: modulo its size. */
void lives_damage(size_t byte, unsigned bit, bool cut);
/* The file gets this earlier or later version, with a right checksum. */
void lives_rewrite(unsigned version);
/* The next refused file cannot be renamed. */
void lives_stick(void);
bool lives_fd_readable(int fd);

/* --- the clocks --- */

/* CLOCK_REALTIME is set: never before CLOCK_MONOTONIC, or beyond the year 2232 (as settimeofday(2)). */
void lives_set_clock(uint64_t usec);
uint64_t lives_clock(void);

/* Checks what must hold at any time. */
void lives_judge(void);
/* Whether saving is possible: there is a thread, and no file in its way. */
bool lives_can_save(void);
/* Checks that at rest, with a good disk, the file has everything. */
void lives_judge_rest(void);

#endif
