/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portlog.h"

#include <inttypes.h>

#include "log/audit.h"

#define NO_CAPACITY_USEC USEC_PER_SEC /* until it is tried again */

/* One for the process, as the log's own limits. */
static uint64_t due_usec;

static const char *up_or_down(int64_t value)
{
	return value == ROW_NIL ? NULL : value ? "up" : "down";
}

/* Called before the write is sent, since sending forgets when the change came. The latency is from its receipt to here.
 */
static struct log_context fields_of(const struct port *port, const struct row *row)
{
	struct log_context fields = {
		.port = port->name,
		.ifindex = port->link.ifindex,
		.admin = up_or_down(row->value[ROW_ADMIN]),
		.oper = up_or_down(row->value[ROW_OPER]),
		.mtu = row->value[ROW_MTU] > 0 ? (uint32_t)row->value[ROW_MTU] : 0,
	};

	if (port->owed.since_nsec > 0)
		fields.latency_us = (now_nsec() - port->owed.since_nsec + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
	return fields;
}

static bool lines_wanted(void)
{
	return log_level() >= LOG_NOTICE;
}

#define REASON_OPER "the kernel's operational state"
#define PUBLISH "Publish %s(ok:%s) to state db" /* upstream's, to the byte */

static const struct log_site published_at = {"portlog_oper", __FILE__, __LINE__};
static const struct audit_event state_changed = {AUDIT_PORT_STATE, AUDIT_SUCCESS, AUDIT_KERNEL};

static void log_published(const struct port *port, const struct log_context *fields)
{
	log_line(LOG_NOTICE, KIND_PORT_PUBLISHED, &published_at, fields, PUBLISH, port->name, fields->oper);
}

/* The line with the present state looks like any other: consumers of the log need not know of limits. */
static void report_suppressed(struct port *port)
{
	struct log_context fields = fields_of(port, &port->row.acked);
	unsigned n = port->log.held;

	fields.latency_us = 0;
	fields.reason = REASON_OPER;
	port->log.held = 0;
	if (lines_wanted() && fields.oper && audit_is_kept() && audit_joins()) {
		const struct audit_event event = {AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self()};

		log_note_suppressed(n);
		audit_event_line(true, true, LOG_NOTICE, KIND_PORT_PUBLISHED, &event, &published_at, &fields,
				 PUBLISH "; %u changes before suppressed", port->name, fields.oper, n);
		return;
	}
	if (audit_is_kept()) {
		log_note_suppressed(n);
		audit_line(AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self(), LOG_HERE, &fields,
			   "%s: %s: %u similar records suppressed; %s%s now", log_kinds[AUDIT_PORT_STATE].name,
			   port->name, n, fields.oper ? "oper " : "", fields.oper ? fields.oper : "without a row");
	}
	if (!lines_wanted() || !fields.oper)
		return;
	loglimit_add_held(KIND_PORT_PUBLISHED, n);
	log_published(port, &fields);
}

static bool has_capacity(void)
{
	return lines_wanted() ? log_has_capacity() : audit_has_capacity();
}

static uint64_t ends(const struct loglimit_own *limit)
{
	return loglimit_lasts(limit) ? loglimit_ends(limit) : now_usec() + NO_CAPACITY_USEC;
}

static void hold_until(uint64_t usec)
{
	if (due_usec == 0 || usec < due_usec)
		due_usec = usec;
}

/* One limit for both: lines and records are of the same changes. */
static bool may_log(struct port *port)
{
	struct loglimit_own *limit = &port->log;
	bool pass = loglimit_pass_own(limit, AUDIT_PORT_STATE);

	if (pass && !has_capacity()) {
		limit->held++;
		pass = false;
	}
	if (!pass)
		hold_until(ends(limit));
	else if (limit->held > 0)
		report_suppressed(port);
	return pass;
}

/* Costs next to nothing if neither line nor record is wanted. */
void portlog_oper(struct port *port, const struct row *row, uint64_t event, bool changed)
{
	bool line = lines_wanted(), record = changed && audit_is_kept();
	struct log_context fields;

	if ((!line && !record) || !may_log(port))
		return;
	fields = fields_of(port, row);
	fields.event_id = event;
	fields.reason = REASON_OPER;
	if (line && record && audit_joins()) {
		audit_event_line(true, true, LOG_NOTICE, KIND_PORT_PUBLISHED, &state_changed, &published_at, &fields,
				 PUBLISH, port->name, fields.oper);
		return;
	}
	if (line)
		log_published(port, &fields);
	/* Not in upstream's words, since test suites count its lines. */
	if (record)
		audit_line(AUDIT_PORT_STATE, AUDIT_SUCCESS, AUDIT_KERNEL, LOG_HERE, &fields, "%s: oper %s", port->name,
			   fields.oper);
}

void portlog_settings(struct port *port, const struct row *row, uint64_t event)
{
	struct log_context fields;

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
	bool line = log_wanted(LOG_NOTICE, KIND_PORT_DELETED), record = audit_is_kept() && may_log(port);
	struct log_context fields;

	if (!line && !record)
		return;
	fields = fields_of(port, row);
	fields.event_id = event;
	if (port->link.gone_ifindex)
		fields.ifindex = port->link.gone_ifindex;
	fields.reason = port->link.ifindex ? "the row is written again" : "the link is gone";
	if (line && record && audit_joins()) {
		audit_event_line(true, true, LOG_NOTICE, KIND_PORT_DELETED, &state_changed, LOG_HERE, &fields,
				 "Delete %s(ok) from state db", port->name);
		return;
	}
	if (line)
		log_line(LOG_NOTICE, KIND_PORT_DELETED, LOG_HERE, &fields, "Delete %s(ok) from state db", port->name);
	if (record)
		audit_line(AUDIT_PORT_STATE, AUDIT_SUCCESS, AUDIT_KERNEL, LOG_HERE, &fields, "%s: deleted, %s",
			   port->name, fields.reason);
}

/* --- what was suppressed --- */

static void report_rest(unsigned records, unsigned ports)
{
	log_note_suppressed(records);
	audit_line(AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self(), LOG_HERE, NULL,
		   "%s: %u similar records of %u other ports suppressed", log_kinds[AUDIT_PORT_STATE].name, records,
		   ports);
}

void portlog_report_suppressed(struct links *links, bool end)
{
	unsigned records = 0, ports = 0;

	due_usec = 0;
	for (struct port *port = links_next(links, NULL); port; port = links_next(links, port)) {
		struct loglimit_own *limit = &port->log;

		if (limit->held == 0)
			continue;
		if (has_capacity() && (end || !loglimit_lasts(limit))) {
			report_suppressed(port);
		} else if (end) {
			records += limit->held;
			ports++;
			limit->held = 0;
		} else {
			hold_until(ends(limit));
		}
	}
	if (ports > 0 && audit_is_kept())
		report_rest(records, ports);
}

uint64_t portlog_due(void)
{
	return due_usec;
}
