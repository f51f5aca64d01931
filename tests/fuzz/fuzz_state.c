/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/state/state.c */
/*
 * The state file's bytes: as a whole file, and, since no fuzzer finds a checksum, as members that get the right one.
 * Whatever is read must be within its bounds and survive writing and reading.
 */
#include "state/state.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int parse(struct state *s, const char *bytes, size_t len)
{
	char why[64] = "";
	int r = state_parse(s, bytes, len, why, sizeof(why));

	must(r == 0 || r == -EINVAL || r == -EPROTO || r == -ENOMEM);
	must((r == 0) == (why[0] == '\0') && memchr(why, '\0', sizeof(why)));
	must(r == 0 || (!s->ports && !s->changes && s->n_ports == 0 && s->event_id == 0 && s->audit_seq == 0));
	return r;
}

static void check_change(const struct change *change, uint64_t before, uint64_t last)
{
	must(change->number > before && change->number <= last && change->at_usec <= STATE_MAX_NUMBER);
	must(memchr(change->port, '\0', IFNAMSIZ) && state_keeps(change->port));
	must(change->fields > 0 && change->fields <= ROW_ALL && change->kind < CHANGE_KINDS);
	must((change->kind == CHANGE_DELETED) == (change->after.bits == 0));
}

static void check_bounds(const struct state *s)
{
	must(s->event_id <= STATE_MAX_NUMBER && s->audit_seq <= STATE_MAX_NUMBER && s->saved_msec <= STATE_MAX_NUMBER);
	must(strlen(s->boot_id) == STATE_BOOT_ID_BYTES - 1);
	must(s->n_ports <= s->capacity && s->n_ports <= STATE_MAX_PORTS);
	for (size_t i = 0; i < s->n_ports; i++) {
		must(memchr(s->ports[i].name, '\0', IFNAMSIZ) && state_keeps(s->ports[i].name));
		must(s->ports[i].flaps <= STATE_MAX_NUMBER && s->ports[i].changed_msec <= STATE_MAX_NUMBER);
	}
	must(s->n_changes <= s->changes_capacity && s->n_changes <= CHANGES_KEPT_MAX);
	for (size_t i = 0; i < s->n_changes; i++)
		check_change(&s->changes[i], i > 0 ? s->changes[i - 1].number : 0, s->event_id);
}

static bool same_change(const struct change *a, const struct change *b)
{
	return a->number == b->number && a->at_usec == b->at_usec && a->latency_usec == b->latency_usec &&
	       a->kind == b->kind && a->fields == b->fields && strcmp(a->port, b->port) == 0 &&
	       a->before.bits == b->before.bits && a->after.bits == b->after.bits;
}

static void check_same(const struct state *a, const struct state *b)
{
	must(a->event_id == b->event_id && a->audit_seq == b->audit_seq && a->saved_msec == b->saved_msec);
	must(a->clean == b->clean && strcmp(a->boot_id, b->boot_id) == 0 && a->n_ports == b->n_ports);
	for (size_t i = 0; i < a->n_ports; i++)
		must(strcmp(a->ports[i].name, b->ports[i].name) == 0 && a->ports[i].flaps == b->ports[i].flaps &&
		     a->ports[i].changed_msec == b->ports[i].changed_msec);
	must(a->n_changes == b->n_changes);
	for (size_t i = 0; i < a->n_changes; i++)
		must(same_change(&a->changes[i], &b->changes[i]));
}

static void check(const char *bytes, size_t len)
{
	struct state s = {0}, again = {0};
	char *written cleanup(free_ptr) = NULL;
	size_t written_len;

	if (parse(&s, bytes, len) < 0)
		return;
	check_bounds(&s);
	must(state_format(&s, &written, &written_len) == 0);
	must(parse(&again, written, written_len) == 0);
	check_same(&s, &again);
	state_done(&s);
	state_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *sealed cleanup(free_ptr) = NULL;
	struct text members = {0};
	size_t len;

	check((const char *)data, size);
	text_add(&members, (const char *)data, size);
	must(state_seal(&members, &sealed, &len) == 0);
	check(sealed, len);
	return 0;
}
