/* SPDX-License-Identifier: Apache-2.0 */
#include "state/saver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct saver {
	struct statefile *file;
	struct state state; /* changes hands, as the outcome does */
	int outcome;
	char why[STATEFILE_WHY_BYTES];
	struct worker *worker;
};

/* --- the thread --- */

static int save(struct saver *s)
{
	int r = state_collect(&s->state);

	if (r == 0)
		return statefile_save(s->file, &s->state, s->why);
	(void)snprintf(s->why, sizeof(s->why), "%s", strerror(-r));
	return r;
}

static void work(void *user)
{
	struct saver *s = user;

	s->outcome = save(s);
}

/* --- the loop's side --- */

struct state *saver_claim(struct saver *s, size_t ports)
{
	if (worker_is_busy(s->worker) || state_reserve(&s->state, ports) < 0)
		return NULL;
	s->state.n_ports = 0;
	return &s->state;
}

void saver_give(struct saver *s, enum worker_pace pace)
{
	worker_give(s->worker, pace);
}

int saver_fd(const struct saver *s)
{
	return worker_fd(s->worker);
}

bool saver_take(struct saver *s, int *r, char why[STATEFILE_WHY_BYTES])
{
	if (!worker_take(s->worker))
		return false;
	*r = s->outcome;
	memcpy(why, s->why, STATEFILE_WHY_BYTES);
	return true;
}

bool saver_wait(const struct saver *s, uint64_t patience_usec)
{
	return worker_wait(s->worker, patience_usec);
}

/* --- building --- */

int saver_new(struct saver **ret, struct statefile *file)
{
	struct saver *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->file = file;
	r = worker_new(&s->worker, &(struct worker_job){"state", NULL, work, s});
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

bool saver_free(struct saver *s, uint64_t patience_usec)
{
	if (!s)
		return true;
	if (!worker_free(s->worker, patience_usec))
		return false;
	state_done(&s->state);
	free(s);
	return true;
}
