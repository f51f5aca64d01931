/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#include <string.h>

static const char *up_or_down(bool up)
{
	return up ? "up" : "down";
}

static json_t *link_json(const struct port_link *link)
{
	if (!link->ifindex)
		return json_null();
	return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:b}", "ifindex", link->ifindex, "admin",
			 up_or_down(link->flags & IFF_UP), "oper", up_or_down(link->flags & IFF_RUNNING), "mtu",
			 (json_int_t)link->mtu, "carrier_up_changes", (json_int_t)link->carrier_up,
			 "carrier_down_changes", (json_int_t)link->carrier_down, "left_from_before", link->old);
}

static json_t *last_change(const struct visit *visit, const struct port_history *history)
{
	return history->changed_nsec ? stamp(visit->pages, history->changed_nsec)
				     : stamp_msec(history->changed_before_msec);
}

static json_t *port_json(const struct visit *visit, const struct snapshot_port *port)
{
	char name[PORT_TEXT_BYTES];

	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:I, s:o, s:o}", "name", text_utf8(port->name, name),
			 "configured", port->appl.configured, "awaited", port->appl.expected, "in_sync", port->in_sync,
			 "owed", port->owed, "refused", port->refused, "flaps", (json_int_t)port->history.flaps,
			 "last_change", last_change(visit, &port->history), "link", link_json(&port->link));
}

void page_ports(const struct visit *visit)
{
	const struct snapshot *s = ask(visit).snapshot;
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_ports; i++)
		(void)json_array_append_new(list, port_json(visit, &s->ports[i]));
	answer_json(visit->out, 200, json_pack("{s:o}", "ports", list));
}

void page_port(const struct visit *visit)
{
	const char *name = visit->request->path + strlen("/ports/");
	const struct snapshot *s = ask(visit).snapshot;
	char text[PORT_TEXT_BYTES];

	for (size_t i = 0; i < s->n_ports; i++) {
		const struct snapshot_port *found = &s->ports[i];

		if (strcmp(found->name, name) != 0 && strcmp(text_utf8(found->name, text), name) != 0)
			continue;
		answer_json(visit->out, 200, port_json(visit, found));
		return;
	}
	answer_json(visit->out, 404, json_pack("{s:s}", "error", "there is no such port"));
}
