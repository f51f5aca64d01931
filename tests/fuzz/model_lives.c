/* SPDX-License-Identifier: Apache-2.0 */
#include "model_lives.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "base/util.h"
#include "daemon/counters.h"
#include "log/audit.h"
#include "model_loop.h"
#include "state/saver.h"
#include "state/state.h"

#define PORTS 2
#define KEPT 8      /* changes */
#define ISSUED 8192 /* changes in all lives */
#define RANGES 8192 /* of numbers in all lives */
#define SAVE_SECS 60
#define SAVER_FD 1000 /* not a real one */
#define FIRST_WALL (UINT64_C(1700000000) * USEC_PER_SEC)
#define LAST_WALL (UINT64_C(8270000000) * USEC_PER_SEC)

enum number { EVENT, AUDIT, NUMBERS };

static const char *const port_names[PORTS] = {"Ethernet0", "Ethernet4"};

/* The truth at one moment. */
struct truth {
	bool clean;
	uint64_t number[NUMBERS];
	uint64_t flaps[PORTS], changed_msec[PORTS];
	size_t issued, at_hand; /* changes, and how many of the last ones the process knows */
	uint64_t saved_msec;
	unsigned boot;
};

/* Numbers that were issued: those after the first, up to the last. */
struct range {
	uint64_t after, last;
	bool apart; /* from the clock, since nothing could be saved */
};

struct port_life {
	bool present, running;
	uint64_t flaps;
	uint64_t changed_usec, changed_msec; /* CLOCK_MONOTONIC in this life; or since the epoch, in an earlier one */
};

/* Of the fake thread: OWNER_LOOP, OWNER_THREAD and OWNER_DONE. */
enum saving { SAVING_NOTHING, SAVING, SAVED };

struct saver {
	enum saving saving;
	struct state state;
	struct truth truth;
	int outcome;
	char why[STATEFILE_WHY_BYTES];
};

static struct lives {
	/* the machine's */
	uint64_t ahead_usec; /* CLOCK_REALTIME before CLOCK_MONOTONIC */
	unsigned boot;
	enum lives_disk disk;
	bool ill; /* the disk refused or hung since the last good write */
	bool sticks;
	struct {
		bool there, damaged, stuck;
		char *bytes;
		size_t len;
		struct truth truth;
	} file;
	/* all lives' */
	struct range ranges[NUMBERS][RANGES];
	size_t n_ranges[NUMBERS];
	bool set_back; /* the clock, since numbers were last taken from it: it can show that time again */
	struct change issued[ISSUED];
	size_t n_issued;
	/* of one life */
	bool alive, threadless, collecting, apart;
	struct config config;
	struct daemon daemon;
	struct changes *changes;
	struct saver saver;
	uint64_t number[NUMBERS];
	size_t at_hand;
	struct port_life ports[PORTS];
} lives;

static void must(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "model_lives: %s\n", what);
	abort();
}

/* --- the clocks --- */

uint64_t __wrap_realtime_nsec(void);

uint64_t lives_clock(void)
{
	return loop_now() + lives.ahead_usec;
}

uint64_t __wrap_realtime_nsec(void)
{
	return lives_clock() * NSEC_PER_USEC;
}

void lives_set_clock(uint64_t usec)
{
	const uint64_t before = lives_clock();

	lives.ahead_usec = MIN(MAX(usec, loop_now()), LAST_WALL) - MIN(loop_now(), LAST_WALL);
	lives.set_back |= lives_clock() < before;
}

int sd_id128_get_boot(sd_id128_t *ret)
{
	*ret = (sd_id128_t){.qwords = {lives.boot, lives.boot}};
	return 0;
}

/* --- what is true --- */

static uint64_t changed_msec(const struct port_life *port)
{
	if (!port->changed_usec)
		return port->changed_msec;
	return (lives_clock() - (loop_now() - port->changed_usec)) / USEC_PER_MSEC;
}

static struct truth truth_now(bool clean)
{
	struct truth t = {.clean = clean,
			  .issued = lives.n_issued,
			  .at_hand = lives.at_hand,
			  .saved_msec = lives_clock() / USEC_PER_MSEC,
			  .boot = lives.boot};

	memcpy(t.number, lives.number, sizeof(t.number));
	for (unsigned i = 0; i < PORTS; i++) {
		t.flaps[i] = lives.ports[i].flaps;
		t.changed_msec[i] = changed_msec(&lives.ports[i]);
	}
	return t;
}

static struct range *find_range(enum number which, uint64_t last)
{
	struct range *r = lives.ranges[which];

	for (size_t i = 0; i < lives.n_ranges[which]; i++)
		if (r[i].last == last)
			return &r[i];
	must(lives.n_ranges[which] < RANGES, "too many lives");
	r += lives.n_ranges[which]++;
	*r = (struct range){.after = last, .last = last, .apart = lives.apart};
	return r;
}

/* A real machine takes longer than a microsecond for each. */
static void issue(enum number which, uint64_t n)
{
	const uint64_t after = lives.number[which];

	for (const struct range *r = lives.ranges[which]; r < &lives.ranges[which][lives.n_ranges[which]]; r++)
		must(after >= r->last || after + n <= r->after, "a number comes twice");
	find_range(which, after)->last = after + n;
	lives.number[which] += n;
	if (which == AUDIT)
		audit_go_on(audit_last() + n);
	loop_advance_to(loop_now() + n);
}

/* From here on numbers come from the clock. */
static void go_apart(void)
{
	lives.apart = true;
	if (!lives.set_back)
		return;
	lives.set_back = false;
	for (enum number which = 0; which < NUMBERS; which++) {
		struct range *r = lives.ranges[which];
		size_t n = 0;

		for (size_t i = 0; i < lives.n_ranges[which]; i++)
			if (!r[i].apart)
				r[n++] = r[i];
		lives.n_ranges[which] = n;
	}
}

/* --- the file, in place of state/statefile.c --- */

int __wrap_statefile_new(struct statefile **ret, const char *path);
void __wrap_statefile_free(struct statefile *f);
enum statefile_found __wrap_statefile_load(struct statefile *f, struct state *s, char why[STATEFILE_WHY_BYTES]);
int __wrap_statefile_save(struct statefile *f, const struct state *s, char why[STATEFILE_WHY_BYTES]);

int __wrap_statefile_new(struct statefile **ret, const char *path)
{
	(void)path;
	*ret = (struct statefile *)&lives.file;
	lives.file.stuck = false;
	return 0;
}

void __wrap_statefile_free(struct statefile *f)
{
	(void)f;
}

static void remove_file(void)
{
	free(lives.file.bytes);
	lives.file.bytes = NULL;
	lives.file.len = 0;
	lives.file.there = lives.file.damaged = false;
}

enum statefile_found __wrap_statefile_load(struct statefile *f, struct state *s, char why[STATEFILE_WHY_BYTES])
{
	int r;

	(void)f;
	why[0] = '\0';
	if (!lives.file.there)
		return STATEFILE_MISSING;
	r = state_parse(s, lives.file.bytes, lives.file.len, why, STATEFILE_WHY_BYTES);
	must((r == 0) == !lives.file.damaged, r == 0 ? "a damaged file is used" : "a good file is refused");
	must(r == 0 || why[0], "no reason for the refusal");
	if (r == 0)
		return STATEFILE_LOADED;
	lives.file.stuck = lives.sticks;
	lives.sticks = false;
	if (lives.file.stuck)
		return STATEFILE_STUCK;
	remove_file();
	return STATEFILE_REFUSED;
}

int __wrap_statefile_save(struct statefile *f, const struct state *s, char why[STATEFILE_WHY_BYTES])
{
	struct truth truth = lives.collecting ? lives.saver.truth : truth_now(s->clean);
	char *bytes;
	size_t len;

	(void)f;
	must(truth.clean == s->clean, "the file says of the end what is not so");
	if (lives.file.stuck || lives.disk != DISK_GOOD) {
		lives.ill = true;
		(void)snprintf(why, STATEFILE_WHY_BYTES, "no space");
		return lives.file.stuck ? -EEXIST : -ENOSPC;
	}
	must(state_format(s, &bytes, &len) == 0, "out of memory");
	remove_file();
	lives.file.there = true;
	lives.file.bytes = bytes;
	lives.file.len = len;
	lives.file.truth = truth;
	lives.ill = false;
	return 0;
}

/* --- the thread, in place of state/saver.c --- */

int __wrap_saver_new(struct saver **ret, struct statefile *file);
bool __wrap_saver_free(struct saver *s, uint64_t patience_usec);
struct state *__wrap_saver_claim(struct saver *s, size_t ports);
void __wrap_saver_give(struct saver *s, enum worker_pace pace);
int __wrap_saver_fd(const struct saver *s);
bool __wrap_saver_take(struct saver *s, int *r, char why[STATEFILE_WHY_BYTES]);
bool __wrap_saver_wait(const struct saver *s, uint64_t patience_usec);

int __wrap_saver_new(struct saver **ret, struct statefile *file)
{
	(void)file;
	if (lives.threadless)
		return -EAGAIN;
	lives.saver.saving = SAVING_NOTHING;
	*ret = &lives.saver;
	return 0;
}

bool __wrap_saver_free(struct saver *s, uint64_t patience_usec)
{
	(void)patience_usec;
	if (!s)
		return true;
	if (s->saving == SAVING)
		return false;
	state_done(&s->state);
	return true;
}

struct state *__wrap_saver_claim(struct saver *s, size_t ports)
{
	if (s->saving == SAVING || state_reserve(&s->state, ports) < 0)
		return NULL;
	s->state.n_ports = 0;
	return &s->state;
}

void __wrap_saver_give(struct saver *s, enum worker_pace pace)
{
	(void)pace;
	s->saving = SAVING;
	s->truth = truth_now(s->state.clean);
}

int __wrap_saver_fd(const struct saver *s)
{
	(void)s;
	return SAVER_FD;
}

bool __wrap_saver_take(struct saver *s, int *r, char why[STATEFILE_WHY_BYTES])
{
	if (s->saving != SAVED)
		return false;
	s->saving = SAVING_NOTHING;
	*r = s->outcome;
	memcpy(why, s->why, STATEFILE_WHY_BYTES);
	return true;
}

static void write_in_hand(void)
{
	struct saver *s = &lives.saver;

	if (s->saving != SAVING)
		return;
	lives.collecting = true;
	must(state_collect(&s->state) == 0, "out of memory");
	/* The loop may be ahead of the thread. */
	must(s->state.n_changes + (lives.n_issued - s->truth.issued) >= s->truth.at_hand, "changes are not written");
	s->truth.at_hand = s->state.n_changes;
	s->outcome = __wrap_statefile_save(NULL, &s->state, s->why);
	lives.collecting = false;
	s->saving = SAVED;
}

bool __wrap_saver_wait(const struct saver *s, uint64_t patience_usec)
{
	if (lives.disk == DISK_HANGS && s->saving == SAVING)
		loop_advance_to(loop_now() + patience_usec);
	else
		write_in_hand();
	return s->saving != SAVING;
}

bool lives_fd_readable(int fd)
{
	return fd == SAVER_FD && lives.saver.saving == SAVED;
}

void lives_disk_turn(void)
{
	if (lives.disk == DISK_HANGS)
		lives.ill = true;
	else if (lives.alive && !lives.threadless)
		write_in_hand();
}

void lives_set_disk(enum lives_disk disk)
{
	lives.disk = disk;
}

void lives_stick(void)
{
	lives.sticks = true;
}

void lives_damage(size_t byte, unsigned bit, bool cut)
{
	if (!lives.file.there || lives.file.damaged)
		return;
	byte %= lives.file.len;
	lives.file.damaged = true;
	if (cut)
		lives.file.len = byte;
	else
		lives.file.bytes[byte] = (char)(lives.file.bytes[byte] ^ (1 << (bit & 7)));
}

void lives_rewrite(unsigned version)
{
	struct state s = {0};
	char why[STATEFILE_WHY_BYTES], members[1024], ports[256] = "";
	struct text text = {0};
	size_t at = 0;

	if (!lives.file.there || lives.file.damaged)
		return;
	must(state_parse(&s, lives.file.bytes, lives.file.len, why, sizeof(why)) == 0, "a good file is refused");
	for (size_t i = 0; i < s.n_ports; i++)
		at += (size_t)snprintf(ports + at, sizeof(ports) - at,
				       "%s\"%s\": {\"flaps\": %llu, \"last_change\": %llu}", i ? ", " : "",
				       s.ports[i].name, (unsigned long long)s.ports[i].flaps,
				       (unsigned long long)s.ports[i].changed_msec);
	(void)snprintf(members, sizeof(members),
		       "{\"version\": %u, \"saved_at\": %llu, \"clean\": %s, \"boot_id\": \"%s\", \"event_id\": %llu, "
		       "\"audit_sequence\": %llu, \"ports\": {%s}",
		       version, (unsigned long long)s.saved_msec, s.clean ? "true" : "false", s.boot_id,
		       (unsigned long long)s.event_id, (unsigned long long)s.audit_seq, ports);
	state_done(&s);
	remove_file();
	text_put(&text, members);
	must(state_seal(&text, &lives.file.bytes, &lives.file.len) == 0, "out of memory");
	lives.file.there = true;
	lives.file.damaged = version != 1;
	lives.file.truth.at_hand = 0;
}

/* --- numbers, in place of sonic/publish.c --- */

uint64_t __wrap_publish_last_event(const struct publish *p);
void __wrap_publish_skip_events(struct publish *p, uint64_t numbers);

uint64_t __wrap_publish_last_event(const struct publish *p)
{
	(void)p;
	return lives.number[EVENT];
}

/* Those of the records, too. */
void __wrap_publish_skip_events(struct publish *p, uint64_t numbers)
{
	(void)p;
	must(lives.ill || lives.threadless || lives.file.damaged || !lives.file.there ||
		     lives.saver.saving != SAVING_NOTHING, /* its outcome is not known */
	     "it was not saved in time");
	for (enum number which = 0; which < NUMBERS; which++)
		lives.number[which] += numbers;
	go_apart();
}

void lives_burst(unsigned numbers)
{
	if (!lives.alive)
		return;
	for (unsigned i = 0; i < 2; i++) { /* the previous write, then the present one */
		lives_turn();
		if (!lives.ill && lives.disk == DISK_GOOD)
			lives_disk_turn();
	}
	for (enum number which = 0; which < NUMBERS; which++)
		issue(which, numbers);
}

static void send_link(unsigned port)
{
	struct link_msg msg = {.type = RTM_NEWLINK,
			       .ifindex = (int)port + 1,
			       .flags = IFF_UP | (lives.ports[port].running ? IFF_RUNNING : 0),
			       .mtu = 9100};

	(void)snprintf(msg.name, sizeof(msg.name), "%s", port_names[port]);
	(void)links_event(lives.daemon.links, &msg, loop_now() * NSEC_PER_USEC);
}

void lives_link_came(unsigned port)
{
	struct port_life *p = &lives.ports[port];

	if (p->present && p->running) {
		p->flaps++;
		issue(EVENT, 1); /* the row is written */
	}
	p->present = true;
	p->running = false;
}

void lives_flap(unsigned port)
{
	struct port_life *p = &lives.ports[port];
	struct change change = {.at_usec = lives_clock(), .kind = CHANGE_SET, .fields = ROW_BIT(ROW_OPER)};
	struct row row = row_nil;

	if (!lives.alive || !p->present || lives.n_issued == ISSUED)
		return;
	p->running = !p->running;
	p->flaps++;
	p->changed_usec = loop_now();
	send_link(port);
	issue(EVENT, 1);
	row.value[ROW_STATE] = 1;
	row.value[ROW_OPER] = p->running;
	row.value[ROW_ADMIN] = 1;
	row.value[ROW_MTU] = 9100;
	change.after = row_pack(&row);
	row.value[ROW_OPER] = !p->running;
	change.before = row_pack(&row);
	change.number = lives.number[EVENT];
	(void)snprintf(change.port, sizeof(change.port), "%s", port_names[port]);
	lives.issued[lives.n_issued++] = change;
	lives.at_hand = MIN(lives.at_hand + 1, (size_t)KEPT);
	changes_add(lives.changes, &change);
}

/* --- a start --- */

/* From the file's truth, before the daemon reads it. */
static void expect(void)
{
	const struct truth *t = &lives.file.truth;
	bool used = lives.file.there && !lives.file.damaged;

	memset(lives.ports, 0, sizeof(lives.ports));
	lives.n_issued = used ? t->issued : 0;
	lives.at_hand = used ? t->at_hand : 0;
	for (enum number which = 0; which < NUMBERS; which++) {
		lives.number[which] = used ? t->number[which] + (t->clean ? 0 : STATE_STRIDE) : 0;
		/* Numbers begin again, and the record of the start says so. */
		if (lives.file.damaged)
			lives.n_ranges[which] = 0;
	}
	for (unsigned i = 0; used && i < PORTS; i++) {
		lives.ports[i].flaps = t->flaps[i];
		lives.ports[i].changed_msec = t->changed_msec[i];
	}
}

/* Nothing was saved: the next life finds what this one found. */
static void expect_apart(void)
{
	const uint64_t found[NUMBERS] = {[EVENT] = counters_last_event(&lives.daemon), [AUDIT] = audit_last()};

	for (enum number which = 0; which < NUMBERS; which++) {
		must(found[which] > lives.number[which], "numbers are those of a life that is saved");
		lives.number[which] = found[which];
	}
	go_apart();
}

static const char *expected_end(void)
{
	if (!lives.file.there || lives.file.damaged)
		return "unknown";
	if (lives.file.truth.clean)
		return PREVIOUS_ORDERLY;
	return lives.file.truth.boot == lives.boot ? "unclean" : "reboot";
}

static bool same_change(const struct change *a, const struct change *b)
{
	return a->number == b->number && a->at_usec == b->at_usec && a->latency_usec == b->latency_usec &&
	       a->kind == b->kind && a->fields == b->fields && strcmp(a->port, b->port) == 0 &&
	       a->before.bits == b->before.bits && a->after.bits == b->after.bits;
}

/* The last written changes, in order. */
static void judge_changes(void)
{
	struct change found[KEPT];
	uint64_t next = changes_begin(lives.changes), lost = 0;
	size_t n = changes_read(lives.changes, &next, found, KEPT, &lost);

	must(lost == 0 && n == lives.at_hand, "the history is of another length");
	for (size_t i = 0; i < n; i++)
		must(same_change(&found[i], &lives.issued[lives.n_issued - n + i]), "a change is another");
}

static void judge_ports(void)
{
	const struct baseline_port *before = NULL;
	size_t n = 0, expected = 0;

	while ((before = links_baseline_next(lives.daemon.links, before)) != NULL) {
		for (unsigned i = 0; i < PORTS; i++) {
			if (strcmp(before->name, port_names[i]) != 0)
				continue;
			must(before->flaps == lives.ports[i].flaps, "flaps were lost");
			must(before->changed_msec == lives.ports[i].changed_msec,
			     "the last change came at another time");
			n++;
		}
	}
	for (unsigned i = 0; i < PORTS; i++)
		expected += lives.ports[i].flaps > 0 || lives.ports[i].changed_msec > 0;
	must(n == expected, "a port was lost");
}

void lives_begin(struct links *links, bool threadless)
{
	struct daemon *d = &lives.daemon;
	const char *end = expected_end();

	*d = (struct daemon){.config = &lives.config, .single = -1};
	lives.alive = true;
	lives.threadless = threadless;
	lives.apart = false;
	audit_go_on(0);
	expect();
	counters_load(d);
	if (lives.ill)
		expect_apart();
	must(strcmp(counters_previous_stop(d), end) == 0, "the end before is told wrongly");
	must(counters_last_event(d) == lives.number[EVENT], "events go on from another number");
	must(audit_last() == lives.number[AUDIT], "records go on from another number");
	lives.changes = d->changes = changes_new(KEPT);
	must(d->changes != NULL, "out of memory");
	counters_restore_changes(d);
	d->links = links;
	(void)sd_event_new(&d->event);
	d->publish = (struct publish *)d; /* only its last event is used */
	counters_build(d);
	judge_changes();
	judge_ports();
}

void lives_turn(void)
{
	if (lives.alive)
		counters_turn(&lives.daemon);
}

/* --- an end --- */

static void forget_process(void)
{
	counters_free(&lives.daemon);
	changes_free(lives.changes);
	lives.changes = NULL;
	lives.alive = false;
}

/* The thread ends with the process, so it may or may not finish its write. */
static void end_thread(bool lands)
{
	enum lives_disk disk = lives.disk;

	if (disk == DISK_HANGS)
		lives.disk = DISK_GOOD; /* finally */
	if (lands)
		write_in_hand();
	lives.disk = disk;
	lives.saver.saving = SAVING_NOTHING;
}

void lives_kill(bool lands)
{
	if (!lives.alive)
		return;
	end_thread(lands);
	forget_process();
}

void lives_stop(bool lands)
{
	if (!lives.alive)
		return;
	counters_finish(&lives.daemon);
	if (lives.disk == DISK_GOOD && !lives.file.stuck)
		must(lives.file.there && lives.file.truth.clean, "an orderly stop is not in the file");
	end_thread(lands);
	forget_process();
}

void lives_reboot(uint64_t wall)
{
	lives.boot++;
	lives_set_clock(wall);
	lives.set_back |= wall == 0 || lives_clock() < wall; /* the loop's clock has begun again */
}

void lives_reset(void)
{
	free(lives.file.bytes);
	lives = (struct lives){.boot = 1};
	(void)snprintf(lives.config.state_file, sizeof(lives.config.state_file), "/state");
	lives.config.state_save_interval_secs = SAVE_SECS;
	audit_enable(false);
	lives_set_clock(FIRST_WALL);
}

void lives_done(void)
{
	remove_file();
}

/* --- judgement --- */

void lives_judge(void)
{
	const struct truth *t = &lives.file.truth;

	if (!lives.alive || !lives.file.there || lives.file.damaged)
		return;
	must(!t->clean || lives.ill || memcmp(t->number, lives.number, sizeof(t->number)) == 0,
	     "the file speaks of an orderly stop while numbers are issued");
}

bool lives_can_save(void)
{
	return lives.alive && !lives.threadless && !lives.file.stuck;
}

void lives_judge_rest(void)
{
	const struct truth now = truth_now(false), *t = &lives.file.truth;

	if (!lives_can_save())
		return;
	must(lives.file.there && memcmp(t->number, now.number, sizeof(now.number)) == 0, "numbers are not saved");
	must(t->issued == now.issued, "changes are not saved");
	must(memcmp(t->flaps, now.flaps, sizeof(now.flaps)) == 0, "flaps are not saved");
}
