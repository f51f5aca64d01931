/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/recording.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "recorder/pcapng.h"

/* A recording while it is read. */
struct reading {
	struct recording *r;
	struct pcapng_reader file;
	struct pcapng_packet packet;
	bool ports, end; /* ports: a checkpoint's may come; end: the last packet was read */
	uint64_t packets;
	char *why;
	size_t size;
};

static int PRINTF_LIKE(3, 4) bad(const struct reading *in, size_t offset, const char *format, ...)
{
	char what[PCAPNG_WHY_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	(void)snprintf(in->why, in->size, "byte %zu: %s", offset, what);
	return -EBADMSG;
}

/* Grows the array for one more. 0 or -ENOMEM. */
static int grow(void *array, size_t n, size_t *size, size_t bytes)
{
	size_t want = *size ? 2 * *size : 64;
	void *old, *grown;

	if (n < *size)
		return 0;
	memcpy(&old, array, sizeof(old));
	grown = reallocarray(old, want, bytes);
	if (!grown)
		return -ENOMEM;
	memcpy(array, &grown, sizeof(grown));
	*size = want;
	return 0;
}

/* --- what a remark adds --- */

static int add_item(const struct reading *in, struct recording_item item)
{
	struct recording *r = in->r;
	int result = grow(&r->items, r->n_items, &r->items_size, sizeof(*r->items));

	if (result == 0)
		r->items[r->n_items++] = item;
	return result;
}

static int add_checkpoint(const struct reading *in)
{
	struct recording *r = in->r;
	int result = grow(&r->checkpoints, r->n_checkpoints, &r->checkpoints_size, sizeof(*r->checkpoints));

	if (result == 0)
		r->checkpoints[r->n_checkpoints++] =
			(struct recording_checkpoint){.before_item = r->n_items, .first_port = r->n_ports};
	return result;
}

/* We own the bytes, so they may be changed. */
static void *packet_data(const struct reading *in)
{
	return (char *)in->r->bytes + ((const char *)in->packet.data - (const char *)in->r->bytes);
}

static int add_port(const struct reading *in, const struct remark *remark)
{
	struct recording *r = in->r;
	int result = grow(&r->ports, r->n_ports, &r->ports_size, sizeof(*r->ports));

	if (result < 0)
		return result;
	r->checkpoints[r->n_checkpoints - 1].n_ports++;
	r->ports[r->n_ports++] = (struct recording_port){
		.remark = *remark,
		.data = remark->link ? packet_data(in) : NULL,
		.len = remark->link ? in->packet.len : 0,
	};
	return 0;
}

static int add_datagram(const struct reading *in, const struct remark *remark)
{
	in->r->n_datagrams++;
	return add_item(in, (struct recording_item){
				    .kind = RECORDING_DATAGRAM,
				    .nsec = in->packet.nsec,
				    .remark = remark->socket,
				    .data = packet_data(in),
				    .len = in->packet.len,
			    });
}

static int add_decision(const struct reading *in, const struct remark *remark)
{
	struct recording_item item = {.nsec = in->packet.nsec + remark->after * NSEC_PER_USEC};

	if (remark->kind == REMARK_LOST) {
		in->r->n_losses++;
		item.kind = RECORDING_LOSS;
		item.remark = remark->loss;
		return add_item(in, item);
	}
	if (remark->kind != REMARK_STATE || remark->state != REMARK_DUMPING)
		return 0;
	item.kind = RECORDING_DUMP;
	return add_item(in, item);
}

static int take_end(struct reading *in, const struct remark *remark)
{
	in->end = true;
	if (remark->packets == in->packets)
		return 0;
	return bad(in, in->packet.offset, "the last packet speaks of %llu before it, but there are %llu",
		   (unsigned long long)remark->packets, (unsigned long long)in->packets);
}

static int take_remark(struct reading *in, const struct remark *remark)
{
	bool ports = in->ports;

	in->ports = remark->kind == REMARK_CHECKPOINT || remark->kind == REMARK_PORT;
	switch (remark->kind) {
	case REMARK_CHECKPOINT:
		return add_checkpoint(in);
	case REMARK_PORT:
		return ports ? add_port(in, remark) : bad(in, in->packet.offset, "a port does not follow a checkpoint");
	case REMARK_DATAGRAM:
		return add_datagram(in, remark);
	case REMARK_END:
		return take_end(in, remark);
	default:
		return add_decision(in, remark);
	}
}

/* --- packets --- */

static bool is_empty(const struct pcapng_packet *packet)
{
	const struct nlmsghdr *nlh = packet->data;

	return packet->len == sizeof(*nlh) && nlh->nlmsg_type == NLMSG_NOOP;
}

/* Only the first remark is about the packet's own bytes. */
static bool fits(const struct reading *in, const struct remark *remark, bool first)
{
	switch (remark->kind) {
	case REMARK_RECORDING:
		return false;
	case REMARK_DATAGRAM:
		return first;
	case REMARK_PORT:
		return first && remark->link != is_empty(&in->packet);
	case REMARK_CHECKPOINT:
	case REMARK_END:
		return first && is_empty(&in->packet);
	default:
		return !first || is_empty(&in->packet);
	}
}

static int take_packet(struct reading *in)
{
	const char *text;
	size_t len, n = 0;

	if (in->end)
		return bad(in, in->packet.offset, "a packet follows the last one");
	while (pcapng_next_comment(&in->packet.comments, &text, &len)) {
		char why[PCAPNG_WHY_MAX];
		struct remark remark;
		enum remark_outcome outcome = remark_parse(text, len, &remark, why, sizeof(why));
		int result;

		if (outcome == REMARK_FOREIGN)
			continue;
		if (outcome == REMARK_BAD)
			return bad(in, in->packet.offset, "%s", why);
		if (!fits(in, &remark, n++ == 0))
			return bad(in, in->packet.offset, "a comment does not belong to its packet");
		result = take_remark(in, &remark);
		if (result < 0)
			return result;
	}
	in->packets++;
	return n > 0 ? 0 : bad(in, in->packet.offset, "a packet has no comment of portsyncd");
}

/* --- the file --- */

static int take_header(struct reading *in)
{
	struct remark *about = &in->r->about;
	char why[PCAPNG_WHY_MAX] = "the file is not a recording of portsyncd";
	const char *text;
	size_t len;

	if (!pcapng_next_comment(&in->file.comments, &text, &len) ||
	    remark_parse(text, len, about, why, sizeof(why)) != REMARK_GOOD || about->kind != REMARK_RECORDING)
		return bad(in, 0, "%s", why);
	if (about->version == REMARK_VERSION)
		return 0;
	(void)bad(in, 0, "the recording is of version %llu; allowed: %d", (unsigned long long)about->version,
		  REMARK_VERSION);
	return -EPROTO;
}

static int read_packets(struct reading *in)
{
	int result;

	while ((result = pcapng_next(&in->file, &in->packet)) > 0) {
		result = take_packet(in);
		if (result < 0)
			return result;
	}
	if (result < 0)
		return bad(in, in->file.offset, "%s", in->file.why);
	return in->end ? 0 : bad(in, in->file.len, "the recording ends without its last packet: it was cut off");
}

static int read_bytes(struct reading *in, size_t len)
{
	int result;

	if (pcapng_open(&in->file, in->r->bytes, len) < 0)
		return bad(in, in->file.offset, "%s", in->file.why);
	result = take_header(in);
	return result < 0 ? result : read_packets(in);
}

int recording_parse(struct recording **ret, void *bytes, size_t len, char *why, size_t size)
{
	struct recording *r = calloc(1, sizeof(*r));
	struct reading in = {.r = r, .why = why, .size = size};
	int result = -ENOMEM;

	(void)snprintf(why, size, "%s", strerror(ENOMEM));
	if (r)
		r->bytes = bytes;
	else
		free(bytes);
	if (r)
		result = read_bytes(&in, len);
	if (result < 0) {
		recording_free(r);
		return result;
	}
	why[0] = '\0';
	*ret = r;
	return 0;
}

static int give_up(int error, char *why, size_t size)
{
	(void)snprintf(why, size, "%s", file_error(error));
	return error;
}

int recording_load(struct recording **ret, const char *path, char *why, size_t size)
{
	struct stat st = {0};
	int fd cleanup(close_fd) = file_open(path, RECORDING_BYTES_MAX, &st);
	char *bytes;
	ssize_t n;

	if (fd < 0)
		return give_up(fd, why, size);
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return give_up(-ENOMEM, why, size);
	n = file_read(fd, bytes, (size_t)st.st_size);
	if (n >= 0)
		return recording_parse(ret, bytes, (size_t)n, why, size);
	free(bytes);
	return give_up((int)n, why, size);
}

const struct recording_checkpoint *recording_first(const struct recording *r)
{
	return r->n_checkpoints > 0 && r->checkpoints[0].before_item == 0 ? &r->checkpoints[0] : NULL;
}

const struct recording_checkpoint *recording_last(const struct recording *r)
{
	const struct recording_checkpoint *last = r->n_checkpoints > 0 ? &r->checkpoints[r->n_checkpoints - 1] : NULL;

	return last && last->before_item == r->n_items ? last : NULL;
}

void recording_free(struct recording *r)
{
	if (!r)
		return;
	free(r->items);
	free(r->checkpoints);
	free(r->ports);
	free(r->bytes);
	free(r);
}
