/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#include <string.h>

#define PORT_BYTES 512 /* of one port, about */

/* Written by hand: for 512 ports a JSON library would make some 10,000 objects. */

static void put_bool(struct text *out, const char *key, bool value)
{
	text_put(out, key);
	text_put(out, value ? "true" : "false");
}

static void put_number(struct text *out, const char *key, uint64_t value)
{
	text_put(out, key);
	text_number(out, value);
}

static void put_status(struct text *out, const char *key, bool up)
{
	text_put(out, key);
	text_put(out, up ? "\"up\"" : "\"down\"");
}

static void put_link(struct text *out, const struct port_link *link)
{
	if (!link->ifindex) {
		text_put(out, "null");
		return;
	}
	put_number(out, "{\"ifindex\": ", (uint64_t)link->ifindex);
	put_status(out, ", \"admin\": ", link->flags & IFF_UP);
	put_status(out, ", \"oper\": ", link->flags & IFF_RUNNING);
	put_number(out, ", \"mtu\": ", link->mtu);
	put_number(out, ", \"carrier_up_changes\": ", link->carrier_up);
	put_number(out, ", \"carrier_down_changes\": ", link->carrier_down);
	put_bool(out, ", \"left_from_before\": ", link->old);
	text_put(out, "}");
}

/* epoch: epoch_nsec() */
static void put_port(struct text *out, uint64_t epoch, const struct snapshot_port *port)
{
	const struct port_history *history = &port->history;
	char name[PORT_TEXT_BYTES];

	text_put(out, "{\"name\": ");
	text_json(out, text_utf8(port->name, name));
	put_bool(out, ", \"configured\": ", port->appl.configured);
	put_bool(out, ", \"awaited\": ", port->appl.expected);
	put_bool(out, ", \"in_sync\": ", port->in_sync);
	put_bool(out, ", \"owed\": ", port->owed);
	put_bool(out, ", \"refused\": ", port->refused);
	put_number(out, ", \"flaps\": ", history->flaps);
	text_put(out, ", \"last_change\": ");
	put_stamp(out, history->changed_nsec ? (history->changed_nsec + epoch) / NSEC_PER_MSEC
					     : history->changed_before_msec);
	text_put(out, ", \"link\": ");
	put_link(out, &port->link);
	text_put(out, "}");
}

void page_ports(const struct visit *visit)
{
	const struct snapshot *s = ask(visit).snapshot;
	uint64_t epoch = epoch_nsec(visit->pages);
	struct text text = {0};

	text_reserve(&text, s->n_ports * PORT_BYTES);
	text_put(&text, "{\"ports\": [");
	for (size_t i = 0; i < s->n_ports; i++) {
		text_put(&text, i == 0 ? "\n" : ",\n");
		put_port(&text, epoch, &s->ports[i]);
	}
	text_put(&text, "]}\n");
	answer_text(visit->out, JSON_TYPE, &text);
}

void page_port(const struct visit *visit)
{
	const char *name = visit->request->path + strlen("/ports/");
	const struct snapshot *s = ask(visit).snapshot;
	struct text out = {0};
	char text[PORT_TEXT_BYTES];

	for (size_t i = 0; i < s->n_ports; i++) {
		const struct snapshot_port *found = &s->ports[i];

		if (strcmp(found->name, name) != 0 && strcmp(text_utf8(found->name, text), name) != 0)
			continue;
		put_port(&out, epoch_nsec(visit->pages), found);
		text_put(&out, "\n");
		answer_text(visit->out, JSON_TYPE, &out);
		return;
	}
	answer_json(visit->out, 404, json_pack("{s:s}", "error", "there is no such port"));
}
