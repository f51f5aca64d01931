/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/ports src/kernel/watch.c src/sonic/publish.c src/sonic/readback.c src/sonic/appl_ports.c */
/*
 * The whole path of the data against a reference: a kernel whose links change and whose datagrams get lost, watch,
 * links, rules, appl_ports, publish, and a Redis that refuses commands, loses them, and has other writers. The input is
 * a list of steps; each step's function describes it. At each CHECK, and at the end, the faults cease; when everything
 * is at rest STATE_DB must equal what reference.c derives from the kernel's links, and after the last change of each
 * link, even if undone, lost, or of its master only, there must have been an event at which a reader found that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/watch.h"
#include "log/log.h"
#include "model_kernel.h"
#include "model_loop.h"
#include "model_redis.h"
#include "ports/links.h"
#include "ports/mirror.h"
#include "sonic/appl_ports.h"
#include "sonic/publish.h"

#define NOTICES 16
#define REST_TURNS 20000
#define CHECKS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum name {
	ETHERNET0,
	ETHERNET4,
	ETHERNET8,
	LONGEST, /* that a link can have */
	SUBINTERFACE,
	PORTCHANNEL,
	ETH0,
	LINK_NAMES,
	TOO_LONG = LINK_NAMES,
	CONFIG_DONE,
	INIT_DONE,
	NAMES
};

static const char *const names[NAMES] = {
	[ETHERNET0] = "Ethernet0",
	[ETHERNET4] = "Ethernet4",
	[ETHERNET8] = "Ethernet8",
	[LONGEST] = "Ethernet1234567",
	[SUBINTERFACE] = "Ethernet4.10",
	[PORTCHANNEL] = "PortChannel1",
	[ETH0] = "eth0",
	[TOO_LONG] = "Ethernet01234567",
	[CONFIG_DONE] = "PortConfigDone",
	[INIT_DONE] = "PortInitDone",
};

/* The state of a name when everything was last at rest. */
struct seen {
	bool row;
	struct model_link link;
	unsigned ended;
};

static struct world {
	const uint8_t *at, *end;
	bool cold, decided;
	bool others_wrote; /* STATE_DB */
	unsigned silent_changes;
	unsigned checks;
	struct links *links;
	struct watch *watch;
	struct mirror *mirror;
	struct publish *publish;
	struct appl_ports *appl_ports;
	struct conn *state_conn, *appl_conn;
	struct store state, appl;
	struct store others; /* what STATE_DB would say without portsyncd */
	bool subscribed;
	struct notice {
		enum name name;
		bool deleted;
	} notices[NOTICES];
	size_t n_notices;
	struct seen seen[NAMES];
} world;

static void check(struct world *w, bool good, const char *what, const char *name)
{
	if (good)
		return;
	(void)fprintf(stderr, "fuzz_model: check %u: %s: %s\n", w->checks, name, what);
	abort();
}

static unsigned take(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* --- wiring, as in src/daemon/ --- */

static void on_state(enum watch_state state, void *user)
{
	publish_hold(((struct world *)user)->publish, state == WATCH_SETTLING);
}

static void on_state_ready(void *user)
{
	publish_ready(((struct world *)user)->publish);
}

static void on_state_lost(void *user)
{
	publish_lost(((struct world *)user)->publish);
}

static void on_appl_ready(void *user)
{
	appl_ports_ready(((struct world *)user)->appl_ports);
}

static void on_appl_lost(void *user)
{
	appl_ports_lost(((struct world *)user)->appl_ports);
}

static void on_unknown(struct port *port, void *user)
{
	appl_ports_wait(((struct world *)user)->appl_ports, port);
}

static void end_turn(struct world *w)
{
	watch_turn(w->watch);
	appl_ports_turn(w->appl_ports);
	publish_flush(w->publish);
}

static bool turn(struct world *w, unsigned choice)
{
	bool any = loop_turn(choice);

	if (any)
		end_turn(w);
	return any;
}

static void build_redis(struct world *w, unsigned options)
{
	static const struct conn_ops state_ops = {.ready = on_state_ready, .lost = on_state_lost};
	static const struct conn_ops appl_ops = {.ready = on_appl_ready, .lost = on_appl_lost};
	const struct publish_options opt = {.separator = "|", .batch_size = 2};

	store_init(&w->state, "PORT_TABLE|", names, NAMES);
	store_init(&w->others, "PORT_TABLE|", names, NAMES);
	store_init(&w->appl, "PORT_TABLE:", names, NAMES);
	w->state_conn = redis_connect(&w->state, &state_ops, w, options & 1 ? 3 : 40);
	w->appl_conn = redis_connect(&w->appl, &appl_ops, w, options & 2 ? 4 : 40);
	redis_set_notifies(w->appl_conn, options & 4);
	check(w, appl_ports_new(&w->appl_ports, loop_get(), w->links, w->appl_conn, ":") == 0, "appl_ports_new", "");
	check(w, publish_new(&w->publish, loop_get(), w->links, w->state_conn, &opt, on_unknown, w) == 0, "publish_new",
	      "");
}

static void build(struct world *w)
{
	struct watch_options opt = {.settle_usec = 50 * USEC_PER_MSEC,
				    .dump_timeout_usec = 5 * USEC_PER_SEC,
				    .retry_initial_ms = 10,
				    .retry_max_ms = 5000,
				    .retry_bound = 3};
	unsigned options = take(w);

	w->cold = options & 8;
	opt.gather_usec = options & 16 ? 1000 : 0;
	opt.receive_pool = options & 32 ? 1 : 8;
	w->links = links_new(0);
	check(w, w->links, "links_new", "");
	build_redis(w, options);
	check(w, mirror_new(&w->mirror, loop_get(), &opt, w->links, on_state, w) == 0, "mirror_new", "");
	w->watch = mirror_watch(w->mirror);
	mirror_serve(w->mirror);
}

static void take_down(struct world *w)
{
	mirror_free(w->mirror);
	conn_free(w->state_conn);
	conn_free(w->appl_conn);
	publish_free(w->publish);
	appl_ports_free(w->appl_ports);
	links_free(w->links);
	check(w, !kernel_in_use(), "a socket was left open", "");
}

/* --- APPL_DB's notifications --- */

static void notice(struct world *w, enum name name, bool deleted)
{
	if (w->subscribed && w->n_notices < NOTICES)
		w->notices[w->n_notices++] = (struct notice){name, deleted};
}

static void deliver_notice(struct world *w)
{
	struct notice first = w->notices[0];
	char channel[64];
	struct resp_value values[2] = {{.type = RESP_STRING}, {.type = RESP_STRING}};

	w->n_notices--;
	memmove(&w->notices[0], &w->notices[1], w->n_notices * sizeof(first));
	values[0].len = (size_t)snprintf(channel, sizeof(channel), "__keyspace@0__:PORT_TABLE:%s", names[first.name]);
	values[0].str = channel;
	values[1].str = first.deleted ? "del" : "hset";
	values[1].len = strlen(values[1].str);
	appl_ports_message(w->appl_ports, &values[0], &values[1]);
	end_turn(w);
}

static void subscribe(struct world *w, bool up)
{
	if (w->subscribed == up)
		return;
	w->subscribed = up;
	if (!up)
		w->n_notices = 0;
	appl_ports_subscribed(w->appl_ports, up);
	end_turn(w);
}

/* --- rest --- */

static bool settle_redis(struct world *w, struct conn *c)
{
	bool any;

	redis_carry_out(c, 8);
	any = redis_answer(c, 8);
	if (any)
		end_turn(w);
	return any;
}

static bool pass_time(struct world *w)
{
	uint64_t next = MIN(loop_next_usec(), watch_due(w->watch));

	if (next == UINT64_MAX)
		return false;
	loop_advance_to(next);
	watch_turn(w->watch);
	return true;
}

static void rest(struct world *w)
{
	for (unsigned i = 0; i < REST_TURNS; i++) {
		bool any = turn(w, i);

		kernel_dump_step(3);
		any = settle_redis(w, w->state_conn) || any;
		any = settle_redis(w, w->appl_conn) || any;
		if (w->n_notices > 0) {
			deliver_notice(w);
			any = true;
		}
		if (!any && !pass_time(w) && !turn(w, 0))
			return;
	}
	check(w, false, "does not come to rest", "");
}

static void end_faults(struct world *w)
{
	kernel_set_fault(KERNEL_GOOD);
	kernel_refuse_dumps(false, false);
	redis_refuse(w->state_conn, 0);
	redis_refuse(w->appl_conn, 0);
	redis_fill(w->state_conn, 0);
	redis_fill(w->appl_conn, 0);
	redis_up(w->state_conn);
	redis_up(w->appl_conn);
	/* startup, which is not part of this, would notice that it is gone and push again. */
	store_delete(&w->appl.rows[CONFIG_DONE]);
	store_set(&w->appl.rows[CONFIG_DONE], STORE_SPEED, "1");
	subscribe(w, true);
}

/* A cold start decides which links are old once everything is known (startup_ops.decided). */
static void decide(struct world *w)
{
	int ifindex[LINKS];

	w->decided = true;
	if (w->cold) {
		(void)links_mark_old(w->links, ifindex, LINKS);
		kernel_mark_old();
	}
	publish_enable(w->publish, true);
	end_turn(w);
}

static void audit(struct world *w)
{
	mirror_reread(w->mirror);
	publish_reconcile(w->publish);
	appl_ports_doubt(w->appl_ports);
	appl_ports_reconcile(w->appl_ports);
	end_turn(w);
}

/* --- the reference --- */

static bool configured(const struct world *w, enum name name)
{
	return w->appl.rows[name].exists && !w->appl.rows[name].string;
}

/* A consumer waits for the DEL of the old row (S16), unless the two links cannot be told apart: the same ifindex, and
 * the end of the first was lost. */
static void check_ended(struct world *w, enum name name, const struct model_link *now)
{
	const struct seen *before = &w->seen[name];

	if (!before->row || before->link.id == now->id)
		return;
	if (before->link.ref.ifindex == now->ref.ifindex && !kernel_end_heard(before->link.id))
		return;
	check(w, w->state.rows[name].ended > before->ended, "another link took the name, and no DEL was seen",
	      names[name]);
}

static bool same_fields(const char field[STORE_FIELDS][ROW_TEXT], const struct ref_row *want)
{
	return strcmp(field[STORE_STATE], want->state) == 0 && strcmp(field[STORE_OPER], want->oper) == 0 &&
	       strcmp(field[STORE_ADMIN], want->admin) == 0 && strcmp(field[STORE_MTU], want->mtu) == 0;
}

/* After each change of a link, seen or not, undone or not, a consumer gets an event and then reads the truth. */
static void check_heard(struct world *w, enum name name, const struct model_link *link, const struct ref_row *want)
{
	const struct store_row *row = &w->state.rows[name];

	check(w, row->told > link->changed, "a change without an event", names[name]);
	check(w, same_fields(row->heard, want), "the row was not the truth at the last event", names[name]);
}

static void check_name(struct world *w, const struct ref_link *refs, enum name name)
{
	const struct store_row *row = &w->state.rows[name];
	const struct model_link *link = NULL;
	struct ref_row want;

	switch (reference_answer(refs, LINKS, names[name], configured(w, name), &want)) {
	case REF_ROW:
		check(w, row->exists && !row->string && same_fields(row->field, &want),
		      "the row is not what the kernel says", names[name]);
		for (size_t i = 0; i < LINKS; i++)
			if (kernel_links()[i].ref.exists && strcmp(kernel_links()[i].ref.name, names[name]) == 0)
				link = &kernel_links()[i];
		check_ended(w, name, link);
		check_heard(w, name, link, &want);
		break;
	case REF_NOTHING:
		check(w, row->string || !row->field[STORE_OPER][0], "a row without a link", names[name]);
		break;
	case REF_FOREIGN:
		break;
	}
	w->seen[name] = (struct seen){.row = link != NULL, .ended = row->ended};
	if (link)
		w->seen[name].link = *link;
}

static void check_rows(struct world *w)
{
	static const enum name theirs[] = {SUBINTERFACE, PORTCHANNEL, ETH0, TOO_LONG};
	struct ref_link refs[LINKS];
	size_t present = 0, in_appl = 0;

	for (size_t i = 0; i < LINKS; i++) {
		refs[i] = kernel_links()[i].ref;
		present += refs[i].exists && reference_is_port(&refs[i]);
	}
	check(w, links_stats(w->links)->present == present, "links are counted wrong", "");
	for (enum name name = 0; name < LINK_NAMES; name++) {
		check_name(w, refs, name);
		in_appl += configured(w, name);
	}
	check(w, links_stats(w->links)->configured == in_appl, "rows of APPL_DB are counted wrong", "");
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		check(w,
		      memcmp(w->state.rows[theirs[i]].field, w->others.rows[theirs[i]].field,
			     sizeof(w->state.rows[0].field)) == 0,
		      "a row of others was touched", names[theirs[i]]);
}

static void step_check(struct world *w)
{
	unsigned written;

	if (w->checks++ >= CHECKS_MAX)
		return;
	end_faults(w);
	rest(w);
	check(w, watch_state(w->watch) == WATCH_SYNCED, "not in sync", "");
	if (!w->decided)
		decide(w);
	audit(w); /* finds what others changed */
	rest(w);
	check(w, publish_owed(w->publish) == 0, "rows are owed at rest", "");
	check(w, w->others_wrote || publish_stats(w->publish)->drift == 0, "drift that is none", "");
	check(w, w->silent_changes || mirror_stats(w->mirror).silent_changes == 0, "a silent change that is none", "");
	check_rows(w);
	kernel_known();
	written = w->state.written;
	audit(w);
	rest(w);
	check(w, w->state.written == written, "what is right is written again", "");
}

/* --- steps --- */

static const char *const kinds[] = {"", "veth", "team", "vlan", "bond"};
static const unsigned mtus[] = {9100, 1500, 68, 65535};

static unsigned flags_of(unsigned byte)
{
	return (byte & 1 ? 1U : 0) | (byte & 2 ? 0x40U : 0) | (byte & 4 ? 0x10000U : 0);
}

static int ifindex_of(unsigned byte)
{
	return 1 + (int)((byte & 15) % LINKS);
}

static void step_create(struct world *w)
{
	unsigned who = take(w), what = take(w);

	kernel_create(ifindex_of(who), names[(who >> 4) % LINK_NAMES], flags_of(what), mtus[what >> 3 & 3],
		      kinds[(what >> 5) % ARRAY_SIZE(kinds)]);
}

static void step_delete(struct world *w)
{
	kernel_delete(ifindex_of(take(w)));
}

static void step_change(struct world *w)
{
	unsigned who = take(w), what = take(w);

	w->silent_changes += what >> 7;
	kernel_change(ifindex_of(who), flags_of(what), mtus[what >> 3 & 3], who >> 4, what & 128);
}

static void step_rename(struct world *w)
{
	unsigned who = take(w);

	kernel_rename(ifindex_of(who), names[(who >> 4) % LINK_NAMES]);
}

/* Messages that change nothing. */
static void step_message(struct world *w)
{
	unsigned who = take(w);

	if (who & 128)
		kernel_repeat(ifindex_of(who));
	else
		kernel_bridge_message(ifindex_of(who), who & 64);
}

static void step_overrun(struct world *w)
{
	(void)w;
	kernel_overrun();
}

static void step_fault(struct world *w)
{
	unsigned what = take(w);

	if (what & 8)
		kernel_spoofed();
	else if (what & 4)
		kernel_error();
	else
		kernel_set_fault(what % KERNEL_FAULTS);
}

static void step_dump(struct world *w)
{
	unsigned what = take(w);

	kernel_dump_step(what & 15);
	if (what & 128)
		kernel_dump_interrupt();
	if (what & 64)
		kernel_dump_break((what >> 4 & 3) + (what & 1));
	kernel_refuse_dumps((what & 96) == 32, (what & 112) == 16);
}

static void step_turns(struct world *w)
{
	unsigned what = take(w);

	for (unsigned i = 0; i <= (what & 7); i++)
		(void)turn(w, what >> 3);
}

static void step_time(struct world *w)
{
	static const uint64_t usec[] = {100, 500, 1000, 10000, 100000, 1000000, 5000000, 30000000};

	loop_advance_to(loop_now() + usec[take(w) % ARRAY_SIZE(usec)]);
	end_turn(w);
}

static struct conn *conn_of(struct world *w, unsigned byte)
{
	return byte & 128 ? w->appl_conn : w->state_conn;
}

static void step_redis(struct world *w)
{
	unsigned what = take(w);

	redis_carry_out(conn_of(w, what), what & 7);
	(void)redis_answer(conn_of(w, what), what >> 3 & 7);
	end_turn(w);
}

static void step_connection(struct world *w)
{
	unsigned what = take(w);

	if (what & 64)
		redis_up(conn_of(w, what));
	else
		redis_down(conn_of(w, what), what & 15);
	end_turn(w);
}

static void step_refuse(struct world *w)
{
	unsigned what = take(w);

	if (what & 64)
		redis_fill(conn_of(w, what), what & 15);
	else
		redis_refuse(conn_of(w, what), what & 15);
}

static void write_state(struct store *s, unsigned what, enum name name)
{
	static const char *const values[] = {"down", "up", "9100", "ok"};
	enum store_field field = (what >> 2) % STORE_FIELDS;
	struct store_row *row = &s->rows[name];

	/* intfmgrd's row has no netdev_oper_status */
	if (name == SUBINTERFACE && field == STORE_OPER)
		field = STORE_STATE;
	switch (what & 3) {
	case 0:
	case 1:
		store_set(row, field, values[(what >> 5) % ARRAY_SIZE(values)]);
		break;
	case 2:
		store_drop_field(row, field);
		break;
	default:
		if (what & 128)
			store_make_string(row);
		else
			store_delete(row);
		break;
	}
}

/* Others write STATE_DB, or empty it. */
static void step_others(struct world *w)
{
	unsigned who = take(w), what = take(w);
	bool all = who == 255;

	w->others_wrote = true;
	for (enum name name = 0; name <= TOO_LONG; name++) {
		if (!all && name != who % (TOO_LONG + 1))
			continue;
		write_state(&w->state, all ? 3 : what, name);
		write_state(&w->others, all ? 3 : what, name);
	}
}

/* orchagent and others write APPL_DB's PORT_TABLE: a port comes or goes, or the marker, or all. */
static void step_appl(struct world *w)
{
	static const enum name ports[] = {ETHERNET0, ETHERNET4, ETHERNET8, LONGEST, TOO_LONG, CONFIG_DONE, INIT_DONE};
	unsigned what = take(w);
	enum name name = ports[(what & 15) % ARRAY_SIZE(ports)];
	struct store_row *row = &w->appl.rows[name];

	if (what & 32)
		store_set(row, STORE_SPEED, "1");
	else if (what & 64)
		store_make_string(row);
	else
		store_delete(row);
	if (what & 128)
		notice(w, name, !(what & 32));
}

static void step_subscription(struct world *w)
{
	unsigned what = take(w);

	if (what & 1)
		subscribe(w, what & 2);
	else if (what & 4)
		redis_set_notifies(w->appl_conn, what & 2);
	else if (w->n_notices > 0)
		deliver_notice(w);
}

static void step_audit(struct world *w)
{
	if (take(w) & 1)
		watch_resync(w->watch, "");
	else
		audit(w);
}

typedef void (*step_fn)(struct world *w);
static const step_fn steps[] = {
	step_create,  step_create,  step_delete,       step_change,     step_change, step_rename,
	step_message, step_overrun, step_fault,        step_dump,       step_dump,   step_turns,
	step_turns,   step_time,    step_redis,        step_connection, step_refuse, step_others,
	step_appl,    step_appl,    step_subscription, step_audit,      step_check,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = &world;

	log_set_level(LOG_EMERG);
	loop_reset();
	kernel_reset();
	*w = (struct world){.at = data, .end = data + size};
	build(w);
	while (w->at < w->end) {
		loop_count_step();
		steps[take(w) % ARRAY_SIZE(steps)](w);
	}
	w->checks = MIN(w->checks, CHECKS_MAX - 1);
	step_check(w);
	take_down(w);
	return 0;
}
