/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

/* Set by timer_set_now(), by the only loop that sleeps without sd-event; 0: ask sd-event. */
static uint64_t turn_usec;
static bool touched;

static void touch(void)
{
	touched = true;
}

int timer_add(sd_event_source **ret, sd_event *event, uint64_t accuracy_usec, sd_event_time_handler_t handler,
	      void *user)
{
	int r = sd_event_add_time(event, ret, CLOCK_MONOTONIC, 0, accuracy_usec, handler, user);

	if (r >= 0)
		r = sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void timer_start(sd_event_source *timer, uint64_t delay_usec)
{
	const uint64_t now = timer_now(sd_event_source_get_event(timer));

	timer_start_at(timer, delay_usec < UINT64_MAX - now ? now + delay_usec : UINT64_MAX);
}

void timer_start_at(sd_event_source *timer, uint64_t usec)
{
	(void)sd_event_source_set_time(timer, usec);
	(void)timer_enable(timer, SD_EVENT_ONESHOT);
}

void timer_start_by(sd_event_source *timer, uint64_t usec)
{
	uint64_t running_until = UINT64_MAX;

	if (timer_is_running(timer))
		(void)sd_event_source_get_time(timer, &running_until);
	if (usec < running_until)
		timer_start_at(timer, usec);
}

void timer_stop(sd_event_source *timer)
{
	(void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

bool timer_is_running(sd_event_source *timer)
{
	int enabled = SD_EVENT_OFF;

	return sd_event_source_get_enabled(timer, &enabled) > 0;
}

uint64_t timer_now(sd_event *event)
{
	uint64_t usec = turn_usec;

	return usec || sd_event_now(event, CLOCK_MONOTONIC, &usec) >= 0 ? usec : now_usec();
}

void timer_set_now(uint64_t usec)
{
	turn_usec = usec;
}

int timer_add_deferred(sd_event_source **ret, sd_event *event, sd_event_handler_t handler, void *user)
{
	int r = sd_event_add_defer(event, ret, handler, user);

	if (r >= 0)
		r = sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int timer_enable(sd_event_source *source, int how)
{
	touch();
	return sd_event_source_set_enabled(source, how);
}

int timer_exit(sd_event *event, int code)
{
	touch();
	return sd_event_exit(event, code);
}

static int on_reserved(sd_event_source *source, void *user)
{
	(void)source;
	(void)user;
	return 0;
}

static int on_reserved_time(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	(void)user;
	return 0;
}

/* Each pair is due once it is there; a turn of the loop then sees them all. */
int timer_reserve(sd_event *event, size_t sources)
{
	const size_t pairs = sources / 2;
	sd_event_source **made = calloc(sources, sizeof(sd_event_source *));
	int r = made ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < pairs; i++) {
		r = sd_event_add_time(event, &made[2 * i], CLOCK_MONOTONIC, 0, 0, on_reserved_time, NULL);
		if (r >= 0)
			r = sd_event_add_defer(event, &made[2 * i + 1], on_reserved, NULL);
	}
	if (r >= 0)
		r = sd_event_run(event, 0);
	for (size_t i = 0; made && i < sources; i++)
		sd_event_source_disable_unref(made[i]);
	free(made);
	return r < 0 ? r : 0;
}

bool timer_take_touch(void)
{
	const bool was = touched;

	touched = false;
	return was;
}
