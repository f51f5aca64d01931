/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/sonic/startup.c src/sonic/portrows.c src/sonic/producer.c src/sonic/warm.c src/daemon/counters.c */
/*
 * The start under faults: startup, portrows, producer, warm and portcount before three small databases. The input is a
 * list of steps: a database answers; its connection is lost, after some commands without an answer, or comes back;
 * APPL_DB, or CONFIG_DB too, is emptied; a marker is deleted, a command refused, the pipeline full; time passes, links
 * come and flap. The process stops or is killed, with the machine or alone, and the next one continues with the
 * databases and the state file, whatever happened to its disk, its bytes and the clocks meanwhile (model_lives.h).
 * PortInitDone must not be in APPL_DB before the links, and when the faults cease everything must be in.
 */
#include "sonic/startup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "log/log.h"
#include "model_lives.h"
#include "model_loop.h"
#include "startup_world.h"
#include "state/state.h"

#define ROUNDS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct run {
	const uint8_t *at, *end;
	bool links;    /* they are there, and their rows in STATE_DB */
	bool promised; /* APPL_DB had PortInitDone before, or was emptied since the links came */
} run_now;

/* Apart from timers there is only the saver. */
bool loop_fd_readable(int fd)
{
	return lives_fd_readable(fd);
}

static unsigned take(struct run *r)
{
	return r->at < r->end ? *r->at++ : 0;
}

static void check_that(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "fuzz_start: %s\n", what);
	abort();
}

static void judge(const struct run *r)
{
	check_that(r->links || r->promised || !value_of(APPL, INIT_DONE), "PortInitDone before the links");
	check_that(!startup_init_done(w.startup) || startup_config_done(w.startup),
		   "PortInitDone without PortConfigDone");
	check_that(w.decided <= 1, "decided twice");
	lives_judge();
}

static bool all_connected(void)
{
	return w.connected[CONFIG] && w.connected[APPL] && w.connected[STATE];
}

/* --- steps --- */

static void step_answer(struct run *r)
{
	unsigned what = take(r);

	for (unsigned i = 0; i <= what >> 4; i++)
		if (what & 3)
			(void)step_of((what & 3) - 1);
		else
			(void)step();
}

static void step_lose(struct run *r)
{
	unsigned what = take(r);

	lose_after(what % DATABASES, what >> 4);
}

static void step_connect(struct run *r)
{
	unsigned database = take(r) % DATABASES;

	if (!w.connected[database])
		connect_to(database);
}

static void step_empty(struct run *r)
{
	if (take(r) & 1 && startup_config_done(w.startup))
		flush(CONFIG);
	flush(APPL);
	r->promised = r->promised || r->links;
}

static void step_delete(struct run *r)
{
	drop(APPL, take(r) & 1 ? INIT_DONE : CONFIG_DONE);
}

static void step_refuse(struct run *r)
{
	static const char *const words[] = {"EXISTS", "HGET", "SCAN", "EVALSHA", "HGETALL", "HSET", "SCRIPT", "EVAL"};

	w.refused = words[take(r) % ARRAY_SIZE(words)];
}

static void step_capacity(struct run *r)
{
	static const size_t capacities[] = {0, 1, 2, 4, 32};

	w.capacity = capacities[take(r) % ARRAY_SIZE(capacities)];
}

static void step_time(struct run *r)
{
	(void)r;
	if (loop_next_usec() == UINT64_MAX)
		return;
	loop_advance_to(loop_next_usec());
	(void)loop_turn(0);
	startup_turn(w.startup);
}

static void step_links(struct run *r)
{
	r->links = true;
	lives_link_came(0);
	lives_link_came(1);
	links_come();
}

/* Everything that is due by then comes late, in any order. */
static void step_jump(struct run *r)
{
	unsigned what = take(r);

	loop_advance_to(loop_now() + (USEC_PER_SEC << what % 24));
	for (unsigned i = 0; i < ROUNDS && loop_turn(what >> 4); i++)
		startup_turn(w.startup);
}

static void step_clock(struct run *r)
{
	unsigned what = take(r);
	uint64_t usec = (uint64_t)take(r) << what % 48;

	lives_set_clock(usec);
}

static void step_flap(struct run *r)
{
	lives_flap(take(r) & 1);
}

static void step_burst(struct run *r)
{
	lives_burst((take(r) + 1) * 900); /* less than a quarter of STATE_STRIDE */
}

static void step_disk(struct run *r)
{
	static const enum lives_disk disks[] = {DISK_GOOD, DISK_GOOD, DISK_FULL, DISK_HANGS};
	unsigned what = take(r);

	if (what & 4)
		lives_set_disk(disks[what & 3]);
	else
		lives_disk_turn();
}

static void step_file(struct run *r)
{
	unsigned what = take(r), byte = take(r);

	switch (what & 7) {
	case 0:
		lives_rewrite(1);
		break;
	case 1:
		lives_rewrite(STATE_VERSION + 1);
		break;
	case 2:
		lives_stick();
		break;
	default:
		lives_damage(byte * 17 + (what >> 6), what >> 3, what & 1);
		break;
	}
}

/* The databases stay, unless the machine restarts. */
static void step_restart(struct run *r)
{
	unsigned what = take(r);
	struct key keys[DATABASES][ARRAY_SIZE(w.keys[0])];
	bool reboot = (what & 6) == 6;

	if (what & 1)
		lives_stop(what & 8);
	else
		lives_kill(what & 8);
	memcpy(keys, w.keys, sizeof(keys));
	end();
	if (reboot) {
		uint64_t wall = lives_clock();

		memset(keys[APPL], 0, sizeof(keys[APPL]));
		memset(keys[STATE], 0, sizeof(keys[STATE]));
		loop_reset();
		lives_reboot(what & 16 ? wall : 0);
	}
	begin(NULL);
	memcpy(w.keys, keys, sizeof(keys));
	fill_config();
	w.counted = 2;
	r->links = false;
	r->promised = value_of(APPL, INIT_DONE) != NULL;
	lives_begin(w.links, what & 32);
	if (what & 64)
		connect_all();
	if (what & 128)
		startup_links_known(w.startup);
}

static void step_check(struct run *r)
{
	(void)r;
	(void)startup_check(w.startup);
	startup_turn(w.startup);
}

static void step_kernel(struct run *r)
{
	(void)r;
	startup_links_known(w.startup);
}

/* --- the end --- */

static void rest(void)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		run();
		if (startup_init_done(w.startup) || loop_next_usec() == UINT64_MAX)
			return;
		step_time(&run_now);
		lives_turn();
		lives_disk_turn();
	}
	check_that(!lives_can_save(), "does not come to rest"); /* otherwise it retries for ever */
}

static void rest_of_disk(void)
{
	if (!lives_can_save())
		return;
	for (unsigned i = 0; i < ROUNDS; i++) {
		lives_turn();
		lives_disk_turn();
		if (loop_turn(0))
			continue;
		if (loop_next_usec() == UINT64_MAX)
			return;
		loop_advance_to(loop_next_usec());
	}
	check_that(false, "the state file does not come to rest");
}

static void finish(struct run *r)
{
	w.refused = NULL;
	w.capacity = 32;
	lives_set_disk(DISK_GOOD);
	fill_config();
	for (unsigned i = 0; i < DATABASES; i++)
		if (!w.connected[i])
			connect_to(i);
	startup_links_known(w.startup);
	rest();
	for (unsigned i = 0; i < 2; i++) {
		judge(r);
		step_links(r);
		rest();
		step_check(r);
		rest();
	}
	step_links(r);
	rest();
	check_that(startup_init_done(w.startup), "PortInitDone never comes");
	all_is_in();
	rest_of_disk();
	lives_judge_rest();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct run * r) = {
		step_answer, step_answer, step_answer,   step_lose,   step_connect, step_empty,
		step_delete, step_refuse, step_capacity, step_time,   step_links,   step_check,
		step_kernel, step_flap,   step_flap,     step_burst,  step_disk,    step_disk,
		step_file,   step_jump,   step_clock,    step_restart};
	struct run *r = &run_now;
	unsigned options;

	log_set_level(LOG_EMERG);
	*r = (struct run){.at = data, .end = data + size};
	options = take(r);
	loop_reset();
	lives_reset();
	begin(NULL);
	lives_begin(w.links, false);
	if (options & 1)
		enable_warm(options & 2 ? "7" : "2");
	r->promised = options & 1;
	startup_links_known(w.startup);
	if (options & 4)
		connect_all();
	while (r->at < r->end) {
		loop_count_step();
		steps[take(r) % ARRAY_SIZE(steps)](r);
		lives_turn();
		judge(r);
	}
	finish(r);
	check_that(all_connected(), "a connection is lost");
	lives_stop(true);
	end();
	begin(NULL);
	lives_begin(w.links, false); /* finds what the previous process left */
	lives_stop(true);
	end();
	lives_done();
	return 0;
}
