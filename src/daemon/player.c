/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/player.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/timer.h"
#include "daemon/await.h"
#include "daemon/connections.h"
#include "daemon/end.h"
#include "daemon/kernel.h"
#include "kernel/replay.h"
#include "ports/rules.h"
#include "recorder/recording.h"
#include "sonic/dryrun.h"

#define STDERR_WAIT_MS 1000
#define DIFFERENCES_TOLD 16

/* Used unless --realtime is given: what the recording's daemon waited for need not be waited for again. */
#define FAST_TIMEOUT_USEC (1 * USEC_PER_SEC)
#define FAST_RETRY_MAX_MS 20

enum player_phase {
	CONNECTING, /* until the rows in STATE_DB are known: else the first row to change would count as new */
	PLAYING,
	COMPARING, /* the links are read once more: what the kernel changed without a message */
	WRITING,   /* what is still owed */
};

struct player {
	struct daemon d; /* with the parts that a replay has */
	struct recording *recording;
	struct replay *replay;
	enum player_phase phase;
	uint64_t reconciliations; /* after which foreign rows were looked for */
};

/* --- what the recording says of SONiC --- */

static bool has_row(const struct remark *port)
{
	return port->known && port->row[ROW_OPER] != ROW_NIL;
}

/* A port that is not configured any more keeps its row as long as its link is there. An old link never had one. */
static bool is_written(const struct remark *port)
{
	return !port->old && (port->configured || has_row(port));
}

/* The last checkpoint that names a port decides. 0 or -ENOMEM. */
static int configure(const struct player *p)
{
	for (size_t i = 0; i < p->recording->n_ports; i++) {
		const struct remark *remark = &p->recording->ports[i].remark;
		struct port *port = rules_port_name(remark->port) ? links_get(p->d.links, remark->port) : NULL;

		if (port)
			links_set_configured(p->d.links, port, is_written(remark));
		else if (rules_port_name(remark->port))
			return -ENOMEM;
	}
	return 0;
}

/* Other rows of STATE_DB are left alone. */
static void keep_foreign_rows(struct player *p)
{
	uint64_t reconciliations = publish_stats(p->d.publish)->reconciliations;

	if (reconciliations == p->reconciliations)
		return;
	p->reconciliations = reconciliations;
	for (struct port *port = links_next(p->d.links, NULL); port; port = links_next(p->d.links, port))
		if (!port->appl.configured)
			links_keep(p->d.links, port);
}

/* --- the kernel's part --- */

static void on_watch_state(enum watch_state state, void *user)
{
	struct player *p = user;

	if (p->d.publish)
		publish_hold(p->d.publish, state == WATCH_SETTLING);
	p->d.synced_once = p->d.synced_once || state == WATCH_SYNCED;
	replay_note_state(p->replay, state);
}

static int build_mirror(struct player *p)
{
	const struct config *config = p->d.config;
	struct watch_options options = kernel_options(config);
	int r;

	options.gather_usec = 0;
	if (!config->realtime) {
		options.dump_timeout_usec = FAST_TIMEOUT_USEC;
		options.retry_max_ms = FAST_RETRY_MAX_MS;
	}
	replay_install(p->replay);
	r = mirror_new(&p->d.mirror, p->d.event, &options, p->d.links, on_watch_state, p);
	if (r < 0)
		return r;
	p->d.watch = mirror_watch(p->d.mirror);
	mirror_serve(p->d.mirror);
	return 0;
}

/* --- the end --- */

static void say_difference(const struct remark *recorded, const struct port *port)
{
	char text[2][160] = {"", ""};

	for (enum row_field field = 0; field < ROW_FIELDS; field++) {
		int64_t values[] = {recorded->row[field], port ? port->row.acked.value[field] : ROW_NIL};

		for (size_t i = 0; i < ARRAY_SIZE(values) && values[0] != values[1]; i++) {
			char value[ROW_TEXT_MAX];

			text_append(text[i], sizeof(text[i]), ", ", "%s %s", row_field_name(field),
				    values[i] >= 0 ? row_format(field, values[i], value) : "missing");
		}
	}
	say_on_stderr(STDERR_WAIT_MS, "portsyncd: %s: the recording ends with %s, the replay with %s", recorded->port,
		      text[0], text[1]);
}

/* How many rows of the recording's end differ now, or are missing. */
static size_t compare_rows(const struct player *p, const struct recording_checkpoint *last)
{
	size_t n = 0;

	for (size_t i = 0; i < last->n_ports; i++) {
		const struct remark *recorded = &p->recording->ports[last->first_port + i].remark;
		const struct port *port = links_find(p->d.links, recorded->port);
		const struct row *row = port ? &port->row.acked : &row_nil;

		if (!recorded->known || recorded->owes || memcmp(row->value, recorded->row, sizeof(recorded->row)) == 0)
			continue;
		if (n++ < DIFFERENCES_TOLD)
			say_difference(recorded, port);
	}
	return n;
}

static size_t count_rows(const struct player *p)
{
	size_t n = 0;

	for (const struct port *port = links_next(p->d.links, NULL); port; port = links_next(p->d.links, port))
		n += port->appl.configured && port->row.mine;
	return n;
}

static void say_end(const struct player *p)
{
	const struct recording *recording = p->recording;
	const struct recording_checkpoint *last = recording_last(recording);
	size_t differences = last ? compare_rows(p, last) : 0;
	char verdict[80] = "the recording does not say with which rows it ends";

	if (last && differences == 0)
		(void)snprintf(verdict, sizeof(verdict), "as at the end of the recording");
	else if (last)
		(void)snprintf(verdict, sizeof(verdict), "%zu differ from the end of the recording", differences);
	say_on_stderr(STDERR_WAIT_MS,
		      "portsyncd: %s was played (%s; portsyncd %s on %s): %zu datagrams, %zu losses, %zu ports, %zu "
		      "rows: %s",
		      p->d.config->replay, recording->about.text, recording->about.daemon, recording->about.host,
		      recording->n_datagrams, recording->n_losses, links_stats(p->d.links)->configured, count_rows(p),
		      verdict);
}

/* --- the loop --- */

static void print(struct player *p)
{
	struct daemon *d = &p->d;
	int r = 0;

	if (!d->synced_once || watch_state(d->watch) == WATCH_SETTLING)
		return;
	while (r == 0 && links_any_dirty(d->links))
		r = dryrun_flush(d->links, d->state_db.separator, false, stdout);
	if (r < 0)
		daemon_fail(d, "standard output: %s", strerror(-r));
}

static void write_rows(struct player *p)
{
	conn_poll_replies(p->d.state_conn);
	keep_foreign_rows(p);
	publish_enable(p->d.publish, p->d.synced_once);
	publish_flush(p->d.publish);
	conn_flush(p->d.state_conn);
}

static bool all_written(const struct daemon *d)
{
	if (links_any_dirty(d->links))
		return false;
	if (!d->publish)
		return true;
	conn_expedite(d->state_conn);
	return !publish_is_in_doubt(d->publish) && publish_owed(d->publish) == 0 && conn_in_flight(d->state_conn) == 0;
}

static int begin(struct player *p)
{
	if (p->d.publish && publish_stats(p->d.publish)->reconciliations == 0)
		return 0;
	p->phase = PLAYING;
	return build_mirror(p);
}

static void next_phase(struct player *p)
{
	struct daemon *d = &p->d;

	if (p->phase == PLAYING && replay_is_over(p->replay) && watch_is_certain(d->watch)) {
		replay_settle(p->replay);
		mirror_reread(d->mirror);
		p->phase = COMPARING;
	}
	if (p->phase == COMPARING && watch_is_certain(d->watch) && !mirror_is_reading(d->mirror))
		p->phase = WRITING;
	if (p->phase == WRITING && all_written(d))
		(void)timer_exit(d->event, EXIT_SUCCESS);
}

static int run(struct player *p)
{
	struct daemon *d = &p->d;

	while (sd_event_get_state(d->event) != SD_EVENT_FINISHED) {
		int r = p->phase == CONNECTING ? begin(p) : 0;

		if (r >= 0)
			r = sd_event_run(d->event, UINT64_MAX);
		if (r < 0)
			return r;
		if (sd_event_get_state(d->event) != SD_EVENT_INITIAL)
			continue;
		if (d->publish)
			write_rows(p);
		else
			print(p);
		next_phase(p);
	}
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	(void)source;
	(void)info;
	daemon_fail(user, "the replay was stopped before its end");
	return 0;
}

/* --- building --- */

static int load(struct player *p)
{
	const struct config *config = p->d.config;
	char why[RECORDING_WHY_MAX];
	int r = recording_load(&p->recording, config->replay, why, sizeof(why));

	if (r < 0) {
		daemon_fail(&p->d, "%s: %s", config->replay, why);
		return r;
	}
	r = replay_new(&p->replay, p->recording, config->realtime);
	if (r == -EBADMSG)
		daemon_fail(&p->d, "%s: the message of a port's link is malformed", config->replay);
	return r;
}

static int add_signals(struct daemon *d)
{
	int r = sd_event_add_signal(d->event, &d->signals[0], SIGTERM, on_stop, d);

	return r < 0 ? r : sd_event_add_signal(d->event, &d->signals[1], SIGINT, on_stop, d);
}

static int build_redis(struct daemon *d)
{
	char error[512];
	int r = connections_read(d, error, sizeof(error));

	if (r < 0)
		daemon_fail(d, "%s", error);
	else if (!d->config->dry_run)
		r = connections_build_state(d);
	return r < 0 || d->config->dry_run ? r : connections_start(d);
}

static int build(struct player *p)
{
	struct daemon *d = &p->d;
	int r = load(p);

	if (r < 0)
		return r;
	d->links = links_new(p->recording->n_ports);
	if (!d->links)
		return -ENOMEM;
	r = sd_event_new(&d->event);
	if (r >= 0)
		r = add_signals(d);
	if (r >= 0)
		r = build_redis(d);
	if (r >= 0)
		r = configure(p);
	return r;
}

static void take_down(struct player *p)
{
	mirror_free(p->d.mirror);
	replay_free(p->replay);
	connections_free(&p->d);
	links_free(p->d.links);
	dbconfig_free(p->d.dbconfig);
	for (size_t i = 0; i < ARRAY_SIZE(p->d.signals); i++)
		sd_event_source_disable_unref(p->d.signals[i]);
	sd_event_unref(p->d.event);
	recording_free(p->recording);
}

int player_run(const struct config *config)
{
	struct player p = {.d = {.config = config, .single = -1}};
	int r = build(&p);

	if (r >= 0) {
		log_start();
		r = run(&p);
	}
	if (r < 0 && p.d.status == EXIT_SUCCESS)
		daemon_fail(&p.d, "%s", strerror(-r));
	log_close(); /* its lines come first */
	if (p.d.status == EXIT_SUCCESS)
		say_end(&p);
	take_down(&p);
	return p.d.status;
}
