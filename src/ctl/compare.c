/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/compare.h"

#include <net/if.h>
#include <string.h>

#include "ctl/names.h"
#include "ports/rules.h"

#define SHOWN_BYTES 128 /* of a value that is shown */
#define OLD_NOTE                                                                                                       \
	"the link is down: perhaps one from before a cold start, which is left alone until orchagent makes it again"

const char *const compare_fields[] = {"state", "netdev_oper_status", "admin_status", "mtu", NULL};

static const char *copy(struct differences *d, const void *bytes, size_t len)
{
	char shown[SHOWN_BYTES], *ret;

	if (!bytes)
		return NULL;
	(void)printable(bytes, len, shown, sizeof(shown));
	ret = arena_take(&d->memory, strlen(shown) + 1);
	if (ret)
		memcpy(ret, shown, strlen(shown) + 1);
	d->failed |= !ret;
	return ret;
}

static void add(struct differences *d, const struct difference *difference)
{
	if (d->n == d->size) {
		size_t size = d->size ? 2 * d->size : 64;
		struct difference *grown = reallocarray(d->list, size, sizeof(*grown));

		d->failed |= !grown;
		if (!grown)
			return;
		d->list = grown;
		d->size = size;
	}
	d->list[d->n++] = *difference;
}

/* --- rows of links --- */

static void compare_field(struct differences *d, const char *port, const struct db_row *row, enum row_field field,
			  int64_t wanted)
{
	const struct db_field *held = db_field(row, row_field_name(field));
	char text[ROW_TEXT_MAX];
	const char *should_be = row_format(field, wanted, text);

	if (row_parse(field, held ? held->value : NULL, held ? held->len : 0) == wanted)
		return;
	add(d, &(struct difference){
		       .kind = DIFFERENCE_VALUE,
		       .port = copy(d, port, strlen(port)),
		       .database = "STATE_DB",
		       .field = row_field_name(field),
		       .is = held ? copy(d, held->value, held->len) : NULL,
		       .should_be = copy(d, should_be, strlen(should_be)),
	       });
}

/* Another program's fields may keep a row alive that we never wrote. */
static bool is_ours(const struct db_row *row)
{
	for (unsigned field = 0; field < ROW_FIELDS; field++)
		if (db_field(row, row_field_name((enum row_field)field)))
			return true;
	return false;
}

static void compare_port(struct differences *d, const struct link_msg *link, const struct db_row *row)
{
	const struct row wanted = rules_row(link->flags, link->mtu);
	bool old = !(link->flags & IFF_UP);

	d->ports++;
	if (row && row->is_hash && is_ours(row)) {
		for (unsigned field = 0; field < ROW_FIELDS; field++)
			compare_field(d, link->name, row, (enum row_field)field, wanted.value[field]);
		return;
	}
	add(d, &(struct difference){
		       .kind = row && !row->is_hash ? DIFFERENCE_NO_HASH : DIFFERENCE_NO_ROW,
		       .port = copy(d, link->name, strlen(link->name)),
		       .database = "STATE_DB",
		       .is = row && !row->is_hash ? "not a hash" : NULL,
		       .should_be = "a row",
		       .note = old && !(row && !row->is_hash) ? OLD_NOTE : NULL,
	       });
}

static bool is_port(const struct link_msg *link, const struct db_rows *appl)
{
	return rules_classify(link) == RULE_PRESENT && db_find(appl, link->name);
}

/* --- rows without a link --- */

/* Rows of sub-interfaces and the like are other daemons': only a portsyncd writes netdev_oper_status. */
static void compare_leftover(struct differences *d, const struct db_row *row, const struct ctl_links *links)
{
	if (strlen(row->key) == row->key_len && ctl_links_find(links, row->key))
		return;
	if (row->is_hash && !db_field(row, row_field_name(ROW_OPER)))
		return;
	add(d, &(struct difference){
		       .kind = DIFFERENCE_NO_LINK,
		       .port = copy(d, row->key, row->key_len),
		       .database = "STATE_DB",
		       .is = row->is_hash ? "a row" : "not a hash",
	       });
}

/* --- CONFIG_DB and APPL_DB --- */

static void compare_applied(struct differences *d, const struct db_row *config, const struct db_rows *appl)
{
	if (strlen(config->key) == config->key_len && db_find(appl, config->key))
		return;
	add(d, &(struct difference){
		       .kind = DIFFERENCE_NOT_APPLIED,
		       .port = copy(d, config->key, config->key_len),
		       .database = "APPL_DB",
		       .should_be = "a row",
	       });
}

static void compare_marker(struct differences *d, const char *marker, const struct db_rows *appl)
{
	if (db_find(appl, marker))
		return;
	add(d, &(struct difference){
		       .kind = DIFFERENCE_NO_MARKER, .port = marker, .database = "APPL_DB", .should_be = "a row"});
}

/* --- all of it --- */

static int by_port(const void *a, const void *b)
{
	const struct difference *left = a, *right = b;
	int order = names_compare(left->port ? left->port : "", right->port ? right->port : "");

	if (order != 0)
		return order;
	return left->kind != right->kind ? (int)left->kind - (int)right->kind
					 : strcmp(left->field ? left->field : "", right->field ? right->field : "");
}

void compare(const struct compare_input *in, struct differences *ret)
{
	ret->n = ret->ports = 0;
	ret->failed = false;
	if (ret->memory.chunk_bytes == 0)
		arena_init(&ret->memory, 1U << 14, 1U << 14);
	arena_reset(&ret->memory);
	for (size_t i = 0; i < in->links->n; i++)
		if (is_port(&in->links->links[i], in->appl))
			compare_port(ret, &in->links->links[i], db_find(in->state, in->links->links[i].name));
	/* A link that is missing from an interrupted reading may exist. */
	for (size_t i = 0; i < in->state->n && !in->links->interrupted; i++)
		compare_leftover(ret, &in->state->rows[i], in->links);
	for (size_t i = 0; i < in->config->n; i++)
		compare_applied(ret, &in->config->rows[i], in->appl);
	compare_marker(ret, COMPARE_CONFIG_DONE, in->appl);
	compare_marker(ret, COMPARE_INIT_DONE, in->appl);
	if (ret->n > 0)
		qsort(ret->list, ret->n, sizeof(*ret->list), by_port);
}

void differences_done(struct differences *d)
{
	free(d->list);
	arena_done(&d->memory);
	*d = (struct differences){0};
}

const char *difference_name(enum difference_kind kind)
{
	static const char *const names[] = {
		[DIFFERENCE_VALUE] = "value",
		[DIFFERENCE_NO_ROW] = "no_row",
		[DIFFERENCE_NO_HASH] = "not_a_hash",
		[DIFFERENCE_NO_LINK] = "no_link",
		[DIFFERENCE_NOT_APPLIED] = "not_applied",
		[DIFFERENCE_NO_MARKER] = "no_marker",
	};

	return names[kind];
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

const struct difference *differences_find(const struct differences *d, const struct difference *wanted)
{
	const struct difference *found = d->n ? bsearch(wanted, d->list, d->n, sizeof(*d->list), by_port) : NULL;

	return found && same_text(found->is, wanted->is) ? found : NULL;
}
