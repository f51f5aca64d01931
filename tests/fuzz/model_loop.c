/* SPDX-License-Identifier: Apache-2.0 */
#include "model_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/backoff.h"
#include "base/util.h"

#define SOURCES 24
#define START_USEC (1000 * USEC_PER_SEC)

enum source_kind { SOURCE_IO, SOURCE_TIME, SOURCE_DEFER };

struct sd_event_source {
	enum source_kind kind;
	int enabled;
	int fd;
	uint64_t usec;
	sd_event_io_handler_t on_io;
	sd_event_time_handler_t on_time;
	sd_event_handler_t on_defer;
	void *user;
};

struct sd_event {
	sd_event_source *sources[SOURCES];
	size_t n;
	uint64_t now, ticks, steps;
};

static struct sd_event loop;

uint64_t __wrap_now_usec(void);
uint64_t __wrap_now_nsec(void);
uint64_t __wrap_backoff_next_usec(struct backoff *b);

uint64_t __wrap_now_usec(void)
{
	return loop.now;
}

uint64_t __wrap_now_nsec(void)
{
	return loop.now * NSEC_PER_USEC;
}

/* Without randomness, whose state would carry over from one input to the next. */
uint64_t __wrap_backoff_next_usec(struct backoff *b)
{
	uint32_t delay_ms = b->next_ms ? b->next_ms : b->initial_ms;

	b->next_ms = delay_ms > b->max_ms / 2 ? b->max_ms : delay_ms * 2;
	return delay_ms * USEC_PER_MSEC;
}

void loop_reset(void)
{
	if (loop.n > 0)
		abort(); /* a source was not taken down */
	loop = (struct sd_event){.now = START_USEC, .steps = loop.steps};
}

uint64_t loop_steps(void)
{
	return loop.steps;
}

void loop_count_step(void)
{
	loop.steps++;
}

sd_event *loop_get(void)
{
	return &loop;
}

uint64_t loop_tick(void)
{
	return ++loop.ticks;
}

uint64_t loop_now(void)
{
	return loop.now;
}

void loop_advance_to(uint64_t usec)
{
	loop.now = MAX(loop.now, usec);
}

static bool is_ready(const sd_event_source *s)
{
	if (s->enabled == SD_EVENT_OFF)
		return false;
	switch (s->kind) {
	case SOURCE_IO:
		return loop_fd_readable(s->fd);
	case SOURCE_TIME:
		return s->usec <= loop.now;
	case SOURCE_DEFER:
		break;
	}
	return true;
}

uint64_t loop_next_usec(void)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < loop.n; i++) {
		const sd_event_source *s = loop.sources[i];

		if (s->kind == SOURCE_TIME && s->enabled != SD_EVENT_OFF)
			next = MIN(next, s->usec);
	}
	return next;
}

/* The handler may free its source. */
static void dispatch(sd_event_source *s)
{
	if (s->enabled == SD_EVENT_ONESHOT)
		s->enabled = SD_EVENT_OFF;
	switch (s->kind) {
	case SOURCE_IO:
		(void)s->on_io(s, s->fd, EPOLLIN, s->user);
		break;
	case SOURCE_TIME:
		(void)s->on_time(s, s->usec, s->user);
		break;
	case SOURCE_DEFER:
		(void)s->on_defer(s, s->user);
		break;
	}
}

bool loop_turn(unsigned choice)
{
	sd_event_source *ready[SOURCES];
	size_t n = 0;

	for (size_t i = 0; i < loop.n; i++)
		if (is_ready(loop.sources[i]))
			ready[n++] = loop.sources[i];
	if (n == 0)
		return false;
	dispatch(ready[choice % n]);
	return true;
}

/* --- in place of libsystemd --- */

static int add(sd_event_source **ret, sd_event_source source)
{
	sd_event_source *s = malloc(sizeof(*s));

	if (!s || loop.n == SOURCES)
		abort();
	*s = source;
	loop.sources[loop.n++] = s;
	*ret = s;
	return 0;
}

int sd_event_add_io(sd_event *e, sd_event_source **s, int fd, uint32_t events, sd_event_io_handler_t callback,
		    void *userdata)
{
	(void)e;
	(void)events;
	return add(s, (sd_event_source){SOURCE_IO, SD_EVENT_ON, .fd = fd, .on_io = callback, .user = userdata});
}

int sd_event_add_time(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
		      sd_event_time_handler_t callback, void *userdata)
{
	(void)e;
	(void)clock;
	(void)accuracy;
	return add(s, (sd_event_source){SOURCE_TIME, SD_EVENT_ONESHOT, .usec = usec, .on_time = callback,
					.user = userdata});
}

int sd_event_add_defer(sd_event *e, sd_event_source **s, sd_event_handler_t callback, void *userdata)
{
	(void)e;
	return add(s, (sd_event_source){SOURCE_DEFER, SD_EVENT_ONESHOT, .on_defer = callback, .user = userdata});
}

int sd_event_source_set_enabled(sd_event_source *s, int enabled)
{
	s->enabled = enabled;
	return 0;
}

int sd_event_source_get_enabled(sd_event_source *s, int *enabled)
{
	*enabled = s->enabled;
	return s->enabled != SD_EVENT_OFF;
}

/* The input decides which ready source is next. */
int sd_event_source_set_priority(sd_event_source *s, int64_t priority)
{
	(void)s;
	(void)priority;
	return 0;
}

int sd_event_source_set_time(sd_event_source *s, uint64_t usec)
{
	s->usec = usec;
	return 0;
}

sd_event *sd_event_source_get_event(sd_event_source *s)
{
	(void)s;
	return &loop;
}

int sd_event_now(sd_event *e, clockid_t clock, uint64_t *usec)
{
	(void)clock;
	*usec = e->now;
	return 0;
}

int sd_event_source_get_time(sd_event_source *s, uint64_t *usec)
{
	*usec = s->usec;
	return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *s)
{
	for (size_t i = 0; s && i < loop.n; i++) {
		if (loop.sources[i] != s)
			continue;
		loop.n--;
		memmove(&loop.sources[i], &loop.sources[i + 1], (loop.n - i) * sizeof(s));
		free(s);
		return NULL;
	}
	return NULL;
}

int sd_event_new(sd_event **e)
{
	*e = &loop;
	return 0;
}

sd_event *sd_event_ref(sd_event *e)
{
	return e;
}

sd_event *sd_event_unref(sd_event *e)
{
	(void)e;
	return NULL;
}
