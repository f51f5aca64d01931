/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/export.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "recorder/pcapng.h"
#include "recorder/remark.h"

#define REMARKS_MAX 64 /* of one packet: tshark shows them all */
#define LINK_BYTES 256

struct export
{
	struct text *out;
	struct text remark; /* reused */
	uint64_t epoch_nsec;
	struct pcapng_block packet;
	uint64_t packet_nsec; /* its time, CLOCK_MONOTONIC */
	unsigned remarks;     /* in it */
	bool open;
	uint64_t packets;
};

static void free_text(struct text *t)
{
	free(t->data);
}

/* --- packets and remarks --- */

static void close_packet(struct export *x)
{
	if (x->open)
		pcapng_packet_end(&x->packet);
	x->open = false;
}

static void open_packet(struct export *x, uint64_t nsec, const void *data, size_t len)
{
	close_packet(x);
	pcapng_packet_begin(&x->packet, x->out, nsec + x->epoch_nsec, data, len);
	x->packet_nsec = nsec;
	x->remarks = 0;
	x->open = true;
	x->packets++;
}

static void open_empty(struct export *x, uint64_t nsec)
{
	static const struct nlmsghdr nothing = {.nlmsg_len = sizeof(nothing), .nlmsg_type = NLMSG_NOOP};

	open_packet(x, nsec, &nothing, sizeof(nothing));
}

static void add_comment(struct pcapng_block *b, struct text *scratch, const struct remark *remark)
{
	scratch->len = 0;
	remark_format(scratch, remark);
	pcapng_comment(b, scratch->data, scratch->len);
}

static void remark(struct export *x, const struct remark *said)
{
	add_comment(&x->packet, &x->remark, said);
	x->remarks++;
}

/* Adds a remark of this time, to the open packet or in one of its own. */
static void remark_later(struct export *x, uint64_t nsec, struct remark *said)
{
	if (!x->open || x->remarks >= REMARKS_MAX || nsec < x->packet_nsec)
		open_empty(x, nsec);
	said->after = (nsec - x->packet_nsec) / NSEC_PER_USEC;
	remark(x, said);
}

/* --- entries --- */

static void set_text(struct remark *said, const void *text, size_t len)
{
	(void)snprintf(said->text, sizeof(said->text), "%.*s", (int)len, (const char *)text);
}

static void set_row(struct remark *said, const struct recorder_row *row)
{
	said->row[0] = row->state;
	said->row[1] = row->oper;
	said->row[2] = row->admin;
	said->row[3] = row->mtu;
}

static void put_datagram(struct export *x, const struct recorder_entry *entry)
{
	const struct remark said = {.kind = REMARK_DATAGRAM, .socket = entry->detail};

	open_packet(x, entry->nsec, entry->data, entry->len);
	remark(x, &said);
}

static void put_decision(struct export *x, const struct recorder_entry *entry)
{
	static const enum remark_kind kinds[] = {
		[RECORDER_OWED] = REMARK_OWED,
		[RECORDER_SENT] = REMARK_SENT,
		[RECORDER_ACKED] = REMARK_ACKED,
	};
	const struct recorder_decision *decision = (const void *)entry->data;
	struct remark said = {
		.kind = entry->kind == RECORDER_ENTRY_REFUSED ? REMARK_REFUSED : kinds[entry->detail],
		.owed = decision->fields,
	};

	memcpy(said.port, decision->port, sizeof(said.port));
	set_row(&said, &decision->row);
	if (entry->kind == RECORDER_ENTRY_REFUSED)
		set_text(&said, decision + 1, entry->len - sizeof(*decision));
	remark_later(x, entry->nsec, &said);
}

static void put_link(struct export *x, const struct recorder_entry *entry, const struct recorder_port *port)
{
	_Alignas(struct nlmsghdr) unsigned char buffer[LINK_BYTES] = {0}; /* libmnl leaves padding as it is */
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_NEWLINK;
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = port->ifindex;
	info->ifi_flags = port->flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, port->name);
	mnl_attr_put_u32(nlh, IFLA_MTU, port->mtu);
	if (port->master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, port->master);
	mnl_attr_put_u32(nlh, IFLA_CARRIER_UP_COUNT, port->carrier_up);
	mnl_attr_put_u32(nlh, IFLA_CARRIER_DOWN_COUNT, port->carrier_down);
	open_packet(x, entry->nsec, nlh, nlh->nlmsg_len);
}

static void put_port(struct export *x, const struct recorder_entry *entry)
{
	const struct recorder_port *port = (const void *)entry->data;
	struct remark said = {
		.kind = REMARK_PORT,
		.link = port->ifindex != 0,
		.old = port->old,
		.configured = port->configured,
		.known = port->row_known,
		.owes = port->owed,
	};

	if (port->ifindex)
		put_link(x, entry, port);
	else
		open_empty(x, entry->nsec);
	memcpy(said.port, port->name, sizeof(said.port));
	set_row(&said, &port->row);
	remark(x, &said);
}

static void put_checkpoint(struct export *x, const struct recorder_entry *entry)
{
	const struct remark said = {.kind = REMARK_CHECKPOINT, .state = entry->detail};

	open_empty(x, entry->nsec);
	remark(x, &said);
}

static void put_entry(struct export *x, const struct recorder_entry *entry)
{
	struct remark said = {0};

	switch ((enum recorder_kind)entry->kind) {
	case RECORDER_ENTRY_DATAGRAM:
		put_datagram(x, entry);
		return;
	case RECORDER_ENTRY_DECISION:
	case RECORDER_ENTRY_REFUSED:
		put_decision(x, entry);
		return;
	case RECORDER_ENTRY_CHECKPOINT:
		put_checkpoint(x, entry);
		return;
	case RECORDER_ENTRY_PORT:
		put_port(x, entry);
		return;
	case RECORDER_ENTRY_END: /* what follows must not look like a part of it */
		close_packet(x);
		return;
	case RECORDER_ENTRY_PAD:
		return;
	case RECORDER_ENTRY_LOST:
		said = (struct remark){.kind = REMARK_LOST, .loss = entry->detail};
		break;
	case RECORDER_ENTRY_STATE:
		said = (struct remark){.kind = REMARK_STATE, .state = entry->detail};
		break;
	case RECORDER_ENTRY_CONNECTION:
		said = (struct remark){.kind = REMARK_CONN, .up = entry->detail};
		set_text(&said, entry->data, entry->len);
		break;
	case RECORDER_ENTRY_NOTE:
		said = (struct remark){.kind = REMARK_NOTE};
		set_text(&said, entry->data, entry->len);
		break;
	}
	remark_later(x, entry->nsec, &said);
}

/* --- the file --- */

static bool begins_ports(const struct recorder_entry *entry)
{
	return entry->kind == RECORDER_ENTRY_CHECKPOINT;
}

static bool is_of_checkpoint(const struct recorder_entry *entry)
{
	return begins_ports(entry) || entry->kind == RECORDER_ENTRY_PORT || entry->kind == RECORDER_ENTRY_END;
}

/* The data of the entry that begins the last checkpoint, and how many datagrams there are. */
static const unsigned char *survey(struct recorder_copy *copy, uint64_t *datagrams)
{
	const struct recorder_entry *entry;
	const unsigned char *last = NULL;

	*datagrams = 0;
	recorder_rewind(copy);
	while ((entry = recorder_next(copy))) {
		if (begins_ports(entry))
			last = entry->data;
		*datagrams += entry->kind == RECORDER_ENTRY_DATAGRAM;
	}
	recorder_rewind(copy);
	return last;
}

/* Leaves out all checkpoints but the first and the last: the entries say what the others would. */
static void put_entries(struct export *x, struct recorder_copy *copy, const unsigned char *last, enum export_end end)
{
	const struct recorder_entry *entry;
	bool wanted = false, is_last = false;
	unsigned checkpoints = 0;

	while ((entry = recorder_next(copy))) {
		if (begins_ports(entry)) {
			is_last = entry->data == last;
			wanted = checkpoints++ == 0 || is_last;
		}
		if (wanted || !is_of_checkpoint(entry))
			put_entry(x, entry);
		if (is_last && end == EXPORT_TO_CHECKPOINT && entry->kind == RECORDER_ENTRY_END)
			return;
	}
}

static void put_section(struct export *x, const char *reason, const char *host, uint64_t dropped)
{
	struct remark said = {.kind = REMARK_RECORDING, .version = REMARK_VERSION, .dropped = dropped};
	struct pcapng_block b;

	(void)snprintf(said.text, sizeof(said.text), "%s", reason);
	(void)snprintf(said.daemon, sizeof(said.daemon), "%s", PORTSYNCD_VERSION);
	(void)snprintf(said.host, sizeof(said.host), "%s", host);
	pcapng_section_begin(&b, x->out);
	add_comment(&b, &x->remark, &said);
	pcapng_comment(&b, reason, strlen(reason));
	pcapng_section_end(&b);
}

static void put_end(struct export *x, uint64_t nsec)
{
	const struct remark said = {.kind = REMARK_END, .packets = x->packets};

	open_empty(x, nsec);
	remark(x, &said);
	close_packet(x);
}

int export_copy(struct text *out, struct recorder_copy *copy, enum export_end end, const char *reason, const char *host,
		uint64_t epoch_nsec)
{
	struct export x = {.out = out, .epoch_nsec = epoch_nsec};
	struct text remark_text cleanup(free_text) = {0};
	const unsigned char *last;
	uint64_t datagrams;

	text_reserve(out, copy->len + copy->len / 4);
	text_reserve(&remark_text, sizeof(struct remark));
	x.remark = remark_text;
	last = survey(copy, &datagrams);
	put_section(&x, reason, host, copy->datagrams - MIN(datagrams, copy->datagrams));
	put_entries(&x, copy, last, end);
	put_end(&x, x.packet_nsec);
	remark_text = x.remark;
	if (!out->failed && !x.remark.failed)
		return 0;
	free(out->data);
	*out = (struct text){0};
	return -ENOMEM;
}

int export_recording(struct text *out, enum export_end end, const char *reason)
{
	struct recorder_copy copy cleanup(recorder_copy_free) = {0};
	struct utsname host;
	int r = recorder_copy(&copy);

	if (r < 0)
		return r;
	if (uname(&host) < 0)
		host.nodename[0] = '\0';
	return export_copy(out, &copy, end, reason, host.nodename, realtime_nsec() - now_nsec());
}
