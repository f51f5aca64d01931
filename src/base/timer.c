/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timer.h"

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
	(void)sd_event_source_set_time_relative(timer, delay_usec);
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void timer_start_at(sd_event_source *timer, uint64_t usec)
{
	(void)sd_event_source_set_time(timer, usec);
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
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
