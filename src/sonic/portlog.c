/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portlog.h"

#include <inttypes.h>

#include "observe/audit.h"

static const char *up_or_down(int64_t value)
{
	return value == ROW_NIL ? NULL : value ? "up" : "down";
}

/* Before the write is sent, which forgets when the change came. The latency is that of the receipt to here. */
static struct log_fields fields_of(const struct port *port, const struct row *row)
{
	struct log_fields fields = {
		.port = port->name,
		.ifindex = port->ifindex,
		.admin = up_or_down(row->value[ROW_ADMIN]),
		.oper = up_or_down(row->value[ROW_OPER]),
		.mtu = row->value[ROW_MTU] > 0 ? (uint32_t)row->value[ROW_MTU] : 0,
	};

	if (port->changed_nsec > 0)
		fields.latency_us = (now_nsec() - port->changed_nsec + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
	return fields;
}

static void tell_held_back(struct port *port)
{
	struct log_fields fields = fields_of(port, &port->acked);
	unsigned n = port->audited.held;

	port->audited.held = 0;
	log_note_held_back(n);
	audit_line(AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self(), LOG_HERE, &fields,
		   "%s: %s: %u like records suppressed; %s%s now", log_kinds[AUDIT_PORT_STATE].name, port->name, n,
		   fields.oper ? "oper " : "", fields.oper ? fields.oper : "without a row");
}

static bool record_wanted(struct port *port)
{
	if (!audit_wanted_of(AUDIT_PORT_STATE, &port->audited))
		return false;
	if (port->audited.held > 0)
		tell_held_back(port);
	return true;
}

/* At no cost to speak of where nobody wants to know. */
void portlog_oper(struct port *port, const struct row *row, uint64_t event)
{
	bool line = log_wanted(LOG_NOTICE, KIND_PORT_PUBLISHED), record = record_wanted(port);
	struct log_fields fields;

	if (!line && !record)
		return;
	fields = fields_of(port, row);
	fields.event_id = event;
	fields.reason = "the kernel's operational state";
	if (line)
		log_line(LOG_NOTICE, KIND_PORT_PUBLISHED, LOG_HERE, &fields, "Publish %s(ok:%s) to state db",
			 port->name, fields.oper);
	if (record)
		audit_line(AUDIT_PORT_STATE, AUDIT_SUCCESS, AUDIT_KERNEL, LOG_HERE, &fields, "%s: oper %s", port->name,
			   fields.oper);
}

void portlog_settings(struct port *port, const struct row *row, uint64_t event)
{
	struct log_fields fields;

	if (!log_wanted(LOG_INFO, KIND_PORT_SETTINGS))
		return;
	fields = fields_of(port, row);
	fields.event_id = event;
	fields.reason = "the kernel's settings";
	log_line(LOG_INFO, KIND_PORT_SETTINGS, LOG_HERE, &fields, "%s: admin %s, mtu %" PRIu32, port->name,
		 fields.admin, fields.mtu);
}

void portlog_deleted(struct port *port, const struct row *row, uint64_t event)
{
	bool line = log_wanted(LOG_NOTICE, KIND_PORT_DELETED), record = record_wanted(port);
	struct log_fields fields;

	if (!line && !record)
		return;
	fields = fields_of(port, row);
	fields.event_id = event;
	if (port->gone_ifindex)
		fields.ifindex = port->gone_ifindex;
	fields.reason = port->ifindex ? "the row is written anew" : "the link is gone";
	if (line)
		log_line(LOG_NOTICE, KIND_PORT_DELETED, LOG_HERE, &fields, "Delete %s from state db", port->name);
	if (record)
		audit_line(AUDIT_PORT_STATE, AUDIT_SUCCESS, AUDIT_KERNEL, LOG_HERE, &fields, "%s: deleted, %s",
			   port->name, fields.reason);
}

/* --- what was held back --- */

static void tell_rest(unsigned records, unsigned ports)
{
	log_note_held_back(records);
	audit_line(AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self(), LOG_HERE, NULL,
		   "%s: %u like records of %u other ports suppressed", log_kinds[AUDIT_PORT_STATE].name, records,
		   ports);
}

void portlog_tell_held_back(struct links *links, bool end)
{
	unsigned records = 0, ports = 0;

	if (!audit_is_kept())
		return;
	for (struct port *port = links_next(links, NULL); port; port = links_next(links, port)) {
		if (port->audited.held == 0 || (!end && loglimit_lasts(&port->audited)))
			continue;
		if (audit_has_room()) {
			tell_held_back(port);
		} else if (end) {
			records += port->audited.held;
			ports++;
			port->audited.held = 0;
		}
	}
	if (ports > 0)
		tell_rest(records, ports);
}
