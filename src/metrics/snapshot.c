/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

#define US(n) (UINT64_C(n) * 1000)
#define MS(n) (UINT64_C(n) * 1000000)

static const uint64_t times[] = {US(5),   US(10),  US(15),  US(20),  US(30),  US(50),  US(75),  US(100),
				 US(150), US(200), US(300), US(500), US(750), MS(1),   MS(2),   MS(5),
				 MS(10),  MS(20),  MS(50),  MS(100), MS(200), MS(500), MS(1000)};
static const char *const time_labels[] = {"5e-06",   "1e-05",  "1.5e-05", "2e-05",  "3e-05",  "5e-05",
					  "7.5e-05", "0.0001", "0.00015", "0.0002", "0.0003", "0.0005",
					  "0.00075", "0.001",  "0.002",   "0.005",  "0.01",   "0.02",
					  "0.05",    "0.1",    "0.2",     "0.5",    "1.0"};
const struct snapshot_bounds snapshot_time_bounds = {ARRAY_SIZE(times), times, time_labels};

static const uint64_t syncs[] = {US(1000), US(2500), MS(5),    MS(10),   MS(25),    MS(50),    MS(100),  MS(250),
				 MS(500),  MS(1000), MS(2500), MS(5000), MS(10000), MS(30000), MS(60000)};
static const char *const sync_labels[] = {"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
					  "0.5",   "1.0",    "2.5",   "5.0",  "10.0",  "30.0", "60.0"};
const struct snapshot_bounds snapshot_sync_bounds = {ARRAY_SIZE(syncs), syncs, sync_labels};

static const uint64_t rows[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
static const char *const row_labels[] = {"1.0",  "2.0",   "4.0",   "8.0",   "16.0",  "32.0",
					 "64.0", "128.0", "256.0", "512.0", "1024.0"};
const struct snapshot_bounds snapshot_rows_bounds = {ARRAY_SIZE(rows), rows, row_labels};

_Static_assert(ARRAY_SIZE(times) == SNAPSHOT_BOUNDS_MAX && ARRAY_SIZE(time_labels) == SNAPSHOT_BOUNDS_MAX,
	       "time bounds");
_Static_assert(ARRAY_SIZE(syncs) == ARRAY_SIZE(sync_labels), "sync bounds");
_Static_assert(ARRAY_SIZE(rows) == ARRAY_SIZE(row_labels), "row bounds");

const char *snapshot_conn_name(size_t conn)
{
	static const char *const names[SNAPSHOT_CONNS] = {
		[SNAPSHOT_CONFIG_DB] = "CONFIG_DB",
		[SNAPSHOT_APPL_DB] = "APPL_DB",
		[SNAPSHOT_STATE_DB] = "STATE_DB",
		[SNAPSHOT_APPL_EVENTS] = "APPL_DB events",
		[SNAPSHOT_CONFIG_EVENTS] = "CONFIG_DB events",
	};

	return names[conn];
}

void snapshot_fill_hist(struct snapshot_hist *out, const struct hist *from, const struct snapshot_bounds *bounds)
{
	out->count = from->count;
	out->sum = from->sum;
	out->max = from->max;
	hist_cumulate(from, bounds->bounds, bounds->n, out->below);
}

int snapshot_reserve(struct snapshot *s, size_t ports)
{
	struct snapshot_port *grown = realloc(s->ports, ports * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->ports = grown;
	s->capacity = ports;
	return 0;
}

void snapshot_done(struct snapshot *s)
{
	free(s->ports);
	s->ports = NULL;
	s->capacity = 0;
}

static void add_up(struct snapshot_sums *sums, const struct snapshot_port *port)
{
	bool present = port->link.ifindex != 0;

	sums->configured += port->appl.configured;
	sums->present += present;
	sums->up += (port->link.flags & IFF_RUNNING) != 0;
	sums->old += port->link.old;
	sums->waiting += present && !port->link.old && !port->appl.configured;
	sums->awaited += port->appl.expected;
	sums->in_sync += port->in_sync;
	sums->owed += port->owed;
}

void snapshot_add_port(struct snapshot *s, const struct snapshot_port *port)
{
	add_up(&s->sums, port);
	if (s->n_ports < s->capacity)
		s->ports[s->n_ports] = *port;
	s->n_ports++;
}
