/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder/pcapng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0aU
#define BLOCK_INTERFACE 1U
#define BLOCK_PACKET 6U

#define ORDER_MAGIC 0x1a2b3c4dU
#define ORDER_SWAPPED 0x4d3c2b1aU
#define MAJOR 1
#define LENGTH_UNKNOWN UINT64_MAX
#define LINKTYPE_NETLINK 253
#define NANOSECONDS 9 /* if_tsresol: 10^-9 s */

#define OPTION_END 0
#define OPTION_COMMENT 1
#define OPTION_APPLICATION 4 /* of a section */
#define OPTION_NAME 2        /* of an interface */
#define OPTION_TIME 9        /* of an interface */

#define BLOCK_MIN 12U /* type, length, length again */

/* The header before each datagram, big-endian. */
struct cooked {
	uint16_t packet_type;
	uint16_t hardware; /* ARPHRD_NETLINK */
	uint8_t unused[10];
	uint16_t protocol;
};

struct section {
	uint32_t byte_order;
	uint16_t major, minor;
	uint32_t length[2]; /* 64 bits, not aligned to 8 */
};

struct interface {
	uint16_t link_type, reserved;
	uint32_t snap_len;
};

struct packet {
	uint32_t interface;
	uint32_t time_high, time_low;
	uint32_t captured, original;
};

struct option_head {
	uint16_t code, length;
};

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* --- writing --- */

static void add(struct text *out, const void *bytes, size_t len)
{
	static const char zeros[4] = {0};

	text_add(out, bytes, len);
	text_add(out, zeros, padded(len) - len);
}

static void begin(struct pcapng_block *b, struct text *out, uint32_t type)
{
	const uint32_t head[] = {type, 0};

	*b = (struct pcapng_block){.out = out, .begin = out->len};
	add(out, head, sizeof(head));
}

static void add_option(struct text *out, uint16_t code, const void *value, size_t len)
{
	const struct option_head option = {.code = code, .length = (uint16_t)len};

	add(out, &option, sizeof(option));
	add(out, value, len);
}

static void end(struct pcapng_block *b)
{
	uint32_t length;

	add_option(b->out, OPTION_END, "", 0);
	length = (uint32_t)(b->out->len - b->begin + sizeof(length));
	add(b->out, &length, sizeof(length));
	if (!b->out->failed)
		memcpy(b->out->data + b->begin + sizeof(uint32_t), &length, sizeof(length));
}

static void add_interface(struct text *out)
{
	static const struct interface interface = {.link_type = LINKTYPE_NETLINK};
	static const char name[] = "links";
	static const uint8_t resolution = NANOSECONDS;
	struct pcapng_block b;

	begin(&b, out, BLOCK_INTERFACE);
	add(out, &interface, sizeof(interface));
	add_option(out, OPTION_NAME, name, sizeof(name) - 1);
	add_option(out, OPTION_TIME, &resolution, sizeof(resolution));
	end(&b);
}

void pcapng_section_begin(struct pcapng_block *b, struct text *out)
{
	static const struct section section = {
		.byte_order = ORDER_MAGIC, .major = MAJOR, .length = {UINT32_MAX, UINT32_MAX}};
	static const char application[] = "portsyncd " PORTSYNCD_VERSION;

	begin(b, out, BLOCK_SECTION);
	add(out, &section, sizeof(section));
	add_option(out, OPTION_APPLICATION, application, sizeof(application) - 1);
}

void pcapng_section_end(struct pcapng_block *b)
{
	end(b);
	add_interface(b->out);
}

void pcapng_packet_begin(struct pcapng_block *b, struct text *out, uint64_t nsec, const void *data, size_t len)
{
	const struct cooked cooked = {.hardware = htons(ARPHRD_NETLINK), .protocol = htons(NETLINK_ROUTE)};
	const struct packet packet = {
		.time_high = (uint32_t)(nsec >> 32),
		.time_low = (uint32_t)nsec,
		.captured = (uint32_t)(sizeof(cooked) + len),
		.original = (uint32_t)(sizeof(cooked) + len),
	};

	begin(b, out, BLOCK_PACKET);
	add(out, &packet, sizeof(packet));
	add(out, &cooked, sizeof(cooked));
	add(out, data, len);
}

void pcapng_packet_end(struct pcapng_block *b)
{
	end(b);
}

void pcapng_comment(struct pcapng_block *b, const char *text, size_t len)
{
	add_option(b->out, OPTION_COMMENT, text, MIN(len, (size_t)PCAPNG_COMMENT_MAX));
}

/* --- reading --- */

static int PRINTF_LIKE(3, 4) bad(struct pcapng_reader *r, size_t offset, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
	r->offset = offset;
	return -EBADMSG;
}

static uint32_t number_at(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* A block's bytes between its head and its last four. */
struct body {
	uint32_t type;
	size_t offset; /* of the block */
	const unsigned char *bytes, *end;
};

/* 1; 0 at the end of the file; -EBADMSG. */
static int next_block(struct pcapng_reader *r, struct body *body)
{
	size_t left = r->len - r->at, offset = r->at;
	const unsigned char *block = r->bytes + r->at;
	uint32_t length;

	if (left == 0)
		return 0;
	if (left < BLOCK_MIN)
		return bad(r, offset, "the file ends within the head of a block");
	length = number_at(block + sizeof(uint32_t));
	if (length < BLOCK_MIN || length % 4 != 0)
		return bad(r, offset, "a block has the length %u; allowed: a multiple of 4 from %u on", length,
			   BLOCK_MIN);
	if (length > left)
		return bad(r, offset, "the file ends within a block of %u bytes, of which it has %zu", length, left);
	if (number_at(block + length - sizeof(uint32_t)) != length)
		return bad(r, offset, "a block has the length %u in front and %u behind", length,
			   number_at(block + length - sizeof(uint32_t)));
	*body = (struct body){.type = number_at(block),
			      .offset = offset,
			      .bytes = block + 2 * sizeof(uint32_t),
			      .end = block + length - sizeof(uint32_t)};
	r->at += length;
	return 1;
}

/* NULL: there is none. */
static const unsigned char *option_value(const unsigned char *at, const unsigned char *end, struct option_head *option)
{
	if ((size_t)(end - at) < sizeof(*option))
		return NULL;
	memcpy(option, at, sizeof(*option));
	return option->code == OPTION_END ? NULL : at + sizeof(*option);
}

static int check_options(struct pcapng_reader *r, const struct body *body, const unsigned char *at)
{
	const unsigned char *value;
	struct option_head option;

	for (; (value = option_value(at, body->end, &option)) != NULL; at = value + padded(option.length))
		if (padded(option.length) > (size_t)(body->end - value))
			return bad(r, body->offset, "an option of %u bytes does not fit into its block", option.length);
	return 0;
}

bool pcapng_next_comment(struct pcapng_comments *left, const char **text, size_t *len)
{
	const unsigned char *value;
	struct option_head option;

	while ((value = option_value(left->options, left->end, &option)) != NULL) {
		left->options = value + padded(option.length);
		if (option.code != OPTION_COMMENT)
			continue;
		*text = (const char *)value;
		*len = option.length;
		return true;
	}
	return false;
}

static int read_section(struct pcapng_reader *r, const struct body *body)
{
	struct section section;
	const unsigned char *options = body->bytes + sizeof(section);

	if ((size_t)(body->end - body->bytes) < sizeof(section))
		return bad(r, body->offset, "the section header is too short");
	memcpy(&section, body->bytes, sizeof(section));
	if (section.major != MAJOR)
		return bad(r, body->offset, "pcapng has the version %u.%u; allowed: 1", section.major, section.minor);
	r->comments = (struct pcapng_comments){.options = options, .end = body->end};
	return check_options(r, body, options);
}

static int check_resolution(struct pcapng_reader *r, const struct body *body, const unsigned char *at)
{
	const unsigned char *value;
	struct option_head option;

	for (; (value = option_value(at, body->end, &option)) != NULL; at = value + padded(option.length))
		if (option.code == OPTION_TIME && option.length == 1 && *value == NANOSECONDS)
			return 0;
	return bad(r, body->offset, "the interface's times are not in nanoseconds");
}

static int read_interface(struct pcapng_reader *r, const struct body *body)
{
	struct interface interface;
	const unsigned char *options = body->bytes + sizeof(interface);

	if ((size_t)(body->end - body->bytes) < sizeof(interface))
		return bad(r, body->offset, "the interface is too short");
	memcpy(&interface, body->bytes, sizeof(interface));
	if (interface.link_type != LINKTYPE_NETLINK)
		return bad(r, body->offset, "the packets are of link type %u; allowed: %d (netlink)",
			   interface.link_type, LINKTYPE_NETLINK);
	if (check_options(r, body, options) < 0)
		return -EBADMSG;
	return check_resolution(r, body, options);
}

/* The byte order comes first: without it, no length can be read. */
static int check_magic(struct pcapng_reader *r)
{
	uint32_t order;

	if (r->len < sizeof(uint32_t) || number_at(r->bytes) != BLOCK_SECTION)
		return bad(r, 0, "this is not a pcapng file");
	if (r->len < BLOCK_MIN)
		return bad(r, 0, "the file ends within the head of a block");
	order = number_at(r->bytes + 2 * sizeof(uint32_t));
	if (order == ORDER_MAGIC)
		return 0;
	return bad(r, 2 * sizeof(uint32_t), "%s",
		   order == ORDER_SWAPPED ? "it comes from a machine of the other byte order"
					  : "this is not a pcapng file");
}

int pcapng_open(struct pcapng_reader *r, const void *bytes, size_t len)
{
	struct body body = {0};
	int result;

	*r = (struct pcapng_reader){.bytes = bytes, .len = len};
	if (check_magic(r) < 0 || next_block(r, &body) <= 0 || read_section(r, &body) < 0)
		return -EBADMSG;
	result = next_block(r, &body);
	if (result == 0 || (result > 0 && body.type != BLOCK_INTERFACE))
		return bad(r, result ? body.offset : r->at, "an interface must follow the section header");
	return result < 0 ? result : read_interface(r, &body);
}

static int check_cooked(struct pcapng_reader *r, const struct body *body, const unsigned char *bytes)
{
	struct cooked cooked;

	memcpy(&cooked, bytes, sizeof(cooked));
	if (cooked.hardware != htons(ARPHRD_NETLINK) || cooked.protocol != htons(NETLINK_ROUTE))
		return bad(r, body->offset, "a packet is not of rtnetlink");
	return 0;
}

static int read_packet(struct pcapng_reader *r, const struct body *body, struct pcapng_packet *ret)
{
	const unsigned char *data = body->bytes + sizeof(struct packet);
	struct packet packet;

	if ((size_t)(body->end - body->bytes) < sizeof(packet))
		return bad(r, body->offset, "a packet's block is too short");
	memcpy(&packet, body->bytes, sizeof(packet));
	if (packet.interface != 0)
		return bad(r, body->offset, "a packet is of interface %u; allowed: 0", packet.interface);
	if (packet.captured != packet.original || packet.captured < sizeof(struct cooked))
		return bad(r, body->offset, "a packet has %u of %u bytes; allowed: all, and %zu or more",
			   packet.captured, packet.original, sizeof(struct cooked));
	if (packet.captured > (size_t)(body->end - data))
		return bad(r, body->offset, "a packet of %u bytes does not fit into its block", packet.captured);
	if (check_cooked(r, body, data) < 0)
		return -EBADMSG;
	*ret = (struct pcapng_packet){
		.nsec = (uint64_t)packet.time_high << 32 | packet.time_low,
		.data = data + sizeof(struct cooked),
		.len = packet.captured - sizeof(struct cooked),
		.offset = body->offset,
		.comments = {.options = data + padded(packet.captured), .end = body->end},
	};
	return check_options(r, body, ret->comments.options) < 0 ? -EBADMSG : 1;
}

int pcapng_next(struct pcapng_reader *r, struct pcapng_packet *packet)
{
	struct body body = {0};
	int result;

	while ((result = next_block(r, &body)) > 0) {
		if (body.type == BLOCK_PACKET)
			return read_packet(r, &body, packet);
		if (body.type == BLOCK_SECTION || body.type == BLOCK_INTERFACE)
			return bad(r, body.offset, "there is a second %s",
				   body.type == BLOCK_SECTION ? "section" : "interface");
	}
	return result;
}
