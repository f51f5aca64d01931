/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/recorder/pcapng.c, src/recorder/remark.c, src/recorder/recording.c, src/kernel/replay.c */
/*
 * A recording from anywhere: it is refused with a reason, or replayed through the real watch and model to its end, in
 * bounded memory. Every remark survives writing and reading.
 */
#include "recorder/recording.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "kernel/replay.h"
#include "ports/mirror.h"
#include "recorder/pcapng.h"

#define TURNS_MAX 20000 /* the watch waits between dumps: that is only time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_remark(const char *text, size_t len)
{
	struct remark remark, again;
	struct text written = {0}, twice = {0};
	char why[PCAPNG_WHY_MAX] = "";
	enum remark_outcome outcome = remark_parse(text, len, &remark, why, sizeof(why));

	must((outcome == REMARK_BAD) == (why[0] != '\0') && memchr(why, '\0', sizeof(why)));
	if (outcome != REMARK_GOOD || (remark.kind == REMARK_RECORDING && remark.version > REMARK_VERSION))
		return;
	remark_format(&written, &remark);
	must(remark_parse(written.data, written.len, &again, why, sizeof(why)) == REMARK_GOOD);
	remark_format(&twice, &again);
	must(twice.len == written.len && memcmp(twice.data, written.data, twice.len) == 0);
	free(written.data);
	free(twice.data);
}

static void check_bounds(const struct recording *r, size_t size)
{
	must(r->n_items <= size && r->n_ports <= size && r->n_checkpoints <= size);
	must(r->n_datagrams + r->n_losses <= r->n_items);
	for (size_t i = 0; i < r->n_items; i++)
		must(r->items[i].len <= size && (r->items[i].kind != RECORDING_DATAGRAM || r->items[i].data));
	for (size_t i = 0; i < r->n_checkpoints; i++)
		must(r->checkpoints[i].first_port + r->checkpoints[i].n_ports <= r->n_ports);
}

/* --- playing --- */

struct player {
	struct replay *replay;
	bool synced;
};

static void on_state(enum watch_state state, void *user)
{
	struct player *p = user;

	p->synced = state == WATCH_SYNCED;
	replay_note_state(p->replay, state);
}

static void play(struct player *p, sd_event *event, struct links *links)
{
	static const struct watch_options options = {
		.receive_pool = 4,
		.settle_usec = 1000,
		.dump_timeout_usec = 1000,
		.retry_initial_ms = 1,
		.retry_max_ms = 1,
		.retry_bound = 8,
	};
	struct mirror *mirror = NULL;
	unsigned turns = 0;

	must(mirror_new(&mirror, event, &options, links, on_state, p) == 0);
	mirror_serve(mirror);
	while (!(p->synced && replay_is_over(p->replay))) {
		must(turns++ < TURNS_MAX);
		must(sd_event_run(event, 100000) >= 0);
	}
	replay_settle(p->replay);
	mirror_reread(mirror);
	while (mirror_is_reading(mirror)) {
		must(turns++ < TURNS_MAX);
		must(sd_event_run(event, 100000) >= 0);
	}
	mirror_free(mirror);
}

static void play_recording(const struct recording *recording)
{
	struct player p = {0};
	struct links *links = links_new(0);
	sd_event *event = NULL;
	int r = replay_new(&p.replay, recording, false);

	must(r == 0 || r == -EBADMSG);
	must(links && sd_event_new(&event) >= 0);
	replay_install(p.replay);
	if (r == 0)
		play(&p, event, links);
	replay_free(p.replay);
	links_free(links);
	sd_event_unref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recording *recording = NULL;
	char why[RECORDING_WHY_MAX] = "", *copy = malloc(size + 1);
	int r;

	must(copy != NULL);
	memcpy(copy, data, size);
	check_remark(copy, size);
	r = recording_parse(&recording, copy, size, why, sizeof(why));
	must(r == 0 || r == -EBADMSG || r == -EPROTO);
	must((r == 0) == (why[0] == '\0') && memchr(why, '\0', sizeof(why)));
	if (r < 0)
		return 0;
	check_bounds(recording, size);
	play_recording(recording);
	recording_free(recording);
	return 0;
}
