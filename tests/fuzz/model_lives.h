/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process after the other, and what outlives them: daemon/counters.c and state/state.c with a file, a disk and a
 * CLOCK_REALTIME that are the input's. Written down beside them: which numbers were issued, what each port did, and
 * what the disk took of it. A start must go on from there, and no number come twice.
 *
 * The saver's thread is a step of the input, and so is what becomes of its write: it is done, refused, or hangs.
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
	DISK_FULL, /* it refuses */
	DISK_HANGS,
};

/* A machine that never ran portsyncd; aborts the program when what it finds later is wrong. */
void lives_reset(void);
/* What is left of the last life is freed. */
void lives_done(void);

/* A process begins, with these links and nothing in them yet. threadless: it gets no thread for the file. */
void lives_begin(struct links *links, bool threadless);
/* The end of a turn of its loop. */
void lives_turn(void);
/* It ends in order, or is killed. lands: what a disk that hangs has in hand is written in whole, else not at all. */
void lives_stop(bool lands);
void lives_kill(bool lands);
/* Between two lives, after loop_reset(): the boot has another name, and this is CLOCK_REALTIME, if it can be. */
void lives_reboot(uint64_t wall_usec);

/* The link of this port, Ethernet0 or Ethernet4, came without a carrier, or lost it with that. */
void lives_link_came(unsigned port);
/* The carrier of a link that is there comes or goes, and Redis has acknowledged the row. */
void lives_flap(unsigned port);
/* Numbers are issued of which nothing else is known. */
void lives_burst(unsigned numbers);

/* --- the disk --- */

void lives_set_disk(enum lives_disk disk);
/* What is in hand is written. */
void lives_disk_turn(void);
/* A bit of the file flips, or the file ends there; byte: modulo its size. */
void lives_damage(size_t byte, unsigned bit, bool cut);
/* The file is that of an earlier or of a later version, with a checksum that is right. */
void lives_rewrite(unsigned version);
/* The next file that is refused cannot be renamed. */
void lives_stick(void);
bool lives_fd_readable(int fd);

/* --- the clocks --- */

/* CLOCK_REALTIME is set: never before CLOCK_MONOTONIC, or beyond the year 2232 (as settimeofday(2)). */
void lives_set_clock(uint64_t usec);
uint64_t lives_clock(void);

/* What holds at any time. */
void lives_judge(void);
/* There is a thread, and no file in its way. */
bool lives_can_save(void);
/* At rest, with a good disk: the file has all. */
void lives_judge_rest(void);

#endif
