/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-shot timers of an sd-event loop, on CLOCK_MONOTONIC. Free them with sd_event_source_disable_unref().
 *
 * A turn of the daemon's loop that only reads link events bypasses sd-event (daemon/daemon.c). So the time comes from
 * here, and sd-event prepares again only after a touch: a timer was started, a source enabled, or an exit requested.
 * Nobody else may call sd-event for these (scripts/check-includes); disabling a source is not a touch.
 */
#ifndef PORTSYNCD_TIMER_H
#define PORTSYNCD_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* A timer that is not running yet. 0 or negative errno. */
int timer_add(sd_event_source **ret, sd_event *event, uint64_t accuracy_usec, sd_event_time_handler_t handler,
	      void *user);

/*
 * Start a timer, or restart one that runs. If the kernel refuses (no memory for epoll), the timer stays as it was,
 * since nothing better can be done.
 */
void timer_start(sd_event_source *timer, uint64_t delay_usec); /* counted from the beginning of the loop's turn */
void timer_start_at(sd_event_source *timer, uint64_t usec);
/* As timer_start_at(), but a timer that runs out earlier stays as it is. */
void timer_start_by(sd_event_source *timer, uint64_t usec);

void timer_stop(sd_event_source *timer);
bool timer_is_running(sd_event_source *timer);

/* When this turn of the loop began, CLOCK_MONOTONIC us. */
uint64_t timer_now(sd_event *event);
/* Replaces sd-event's time, which is stale: the turn began at usec. 0: sd-event's time is right again. */
void timer_set_now(uint64_t usec);

/* A deferred source that is not enabled yet. 0 or negative errno. */
int timer_add_deferred(sd_event_source **ret, sd_event *event, sd_event_handler_t handler, void *user);
/* Enables any source: SD_EVENT_ON, SD_EVENT_ONESHOT. 0 or negative errno. */
int timer_enable(sd_event_source *source, int how);
/* Ends the loop after this turn, with this code. 0 or negative errno. */
int timer_exit(sd_event *event, int code);

/*
 * Gives a new event loop memory for so many sources of which all are due at once: sd-event takes it when it first has
 * that many, and a loop that gets none then ends. 0 or negative errno.
 */
int timer_reserve(sd_event *event, size_t sources);

bool timer_take_touch(void); /* true if there was a touch since the last call */

#endif
