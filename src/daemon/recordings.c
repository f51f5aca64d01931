/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/recordings.h"

#include <string.h>

#include "log/log.h"
#include "recorder/recorder.h"

/* --- checkpoints --- */

static struct recorder_port describe(const struct port *port)
{
	const struct row *row = port->row.known == ROW_READ ? &port->row.acked : &row_nil;
	struct recorder_port out = {
		.ifindex = port->link.ifindex,
		.flags = port->link.flags,
		.mtu = port->link.mtu,
		.master = port->link.master,
		.carrier_up = port->link.carrier_up,
		.carrier_down = port->link.carrier_down,
		.old = port->link.old,
		.configured = port->appl.configured,
		.expected = port->appl.expected,
		.row_known = port->row.known == ROW_READ,
		.owed = publish_owes(port),
		.row = row_recorded(row),
	};

	memcpy(out.name, port->name, sizeof(out.name));
	return out;
}

static bool is_dumping(const struct daemon *d)
{
	return watch_state(d->watch) == WATCH_DUMPING;
}

static void checkpoint(const struct daemon *d)
{
	enum watch_state state = watch_state(d->watch);

	recorder_checkpoint_begins(state, watch_state_name(state), is_dumping(d));
	for (const struct port *port = links_next(d->links, NULL); port; port = links_next(d->links, port)) {
		const struct recorder_port known = describe(port);

		recorder_port(&known);
	}
	recorder_checkpoint_ends();
}

/* --- the loop --- */

void recordings_turn(struct daemon *d)
{
	if (recorder_checkpoint_due(is_dumping(d)))
		checkpoint(d);
	recorder_publish();
}

/* --- beginning and end --- */

void recordings_start(struct daemon *d)
{
	if (!d->config->dry_run && recorder_start((size_t)d->config->recorder_bytes) < 0)
		log_warning(KIND_RECORDER_OFF, "there is no memory for recorder.bytes = %ld: nothing is recorded",
			    d->config->recorder_bytes);
}

void recordings_free(struct daemon *d)
{
	(void)d;
	recorder_stop();
}
