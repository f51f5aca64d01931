/* SPDX-License-Identifier: Apache-2.0 */
/* One-shot timers of an sd-event loop, on CLOCK_MONOTONIC. Free them with sd_event_source_disable_unref(). */
#ifndef PORTSYNCD_TIMER_H
#define PORTSYNCD_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* A timer that is not running yet. 0 or negative errno. */
int timer_add(sd_event_source **ret, sd_event *event, uint64_t accuracy_usec, sd_event_time_handler_t handler,
	      void *user);

/*
 * These start a timer, also one that runs already. What the kernel refuses (no memory for epoll) leaves it as it was;
 * nothing better is at hand.
 */
void timer_start(sd_event_source *timer, uint64_t delay_usec); /* counted from the beginning of the loop's turn */
void timer_start_at(sd_event_source *timer, uint64_t usec);
/* As timer_start_at(), but a timer that runs out earlier stays as it is. */
void timer_start_by(sd_event_source *timer, uint64_t usec);

void timer_stop(sd_event_source *timer);
bool timer_is_running(sd_event_source *timer);

#endif
