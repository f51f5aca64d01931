/* SPDX-License-Identifier: Apache-2.0 */
#include "stamps.h"

#include <err.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "common.h"

#define INDEX_MAX 131072U

unsigned stamps_next_mtu(unsigned mtu)
{
	return mtu >= STAMPS_MTU_FIRST && mtu < STAMPS_MTU_LAST ? mtu + 1 : STAMPS_MTU_FIRST;
}

size_t stamps_at(unsigned port, unsigned mtu)
{
	return (size_t)port * STAMPS_STEPS + mtu - STAMPS_MTU_FIRST;
}

struct stamps *stamps_map(const char *path, unsigned ports)
{
	size_t len = sizeof(struct stamps) + stamps_at(ports, STAMPS_MTU_FIRST) * sizeof(uint64_t);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stamps *s;

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		err(1, "%s", path);
	s = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		err(1, "%s", path);
	close_fd(&fd);
	return s;
}

/* --- the kernel's clock --- */

/* By interface index. */
struct place {
	uint32_t number; /* of the port's stamps, plus one; 0: no port */
	uint32_t step;   /* which of them comes next */
};

static int bpf(int command, union bpf_attr *attr)
{
	int fd = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (fd < 0)
		err(1, "bpf");
	return fd;
}

/* An array that the kernel and we share. */
static void *make_map(int *fd, size_t value_size, uint32_t n)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = (uint32_t)value_size,
		.max_entries = n,
		.map_flags = BPF_F_MMAPABLE,
	};
	void *values;

	*fd = bpf(BPF_MAP_CREATE, &attr);
	values = mmap(NULL, n * value_size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (values == MAP_FAILED)
		err(1, "mmap");
	return values;
}

/* What the program reads of a message, and the layout of its stack. */
#define TYPE_FROM ((int)offsetof(struct nlmsghdr, nlmsg_type))
#define INDEX_FROM ((int)(sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_index)))
#define READ_LEN (INDEX_FROM + (int)sizeof(int) - TYPE_FROM)
#define AT_TYPE (-24)
#define AT_INDEX (AT_TYPE + INDEX_FROM - TYPE_FROM)
#define AT_STAMP (-4)

#define TO_END INT16_MAX
#define INSN(op, dst, src, offset, value)                                                                              \
	{                                                                                                              \
		.code = (op), .dst_reg = BPF_REG_##dst, .src_reg = (src), .off = (offset), .imm = (value)              \
	}
#define MOVE(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, BPF_REG_##src, 0, 0)
#define SET(dst, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)
#define ADD(dst, value) INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value)
#define ADD_REG(dst, src) INSN(BPF_ALU64 | BPF_ADD | BPF_X, dst, BPF_REG_##src, 0, 0)
#define MULTIPLY(dst, value) INSN(BPF_ALU64 | BPF_MUL | BPF_K, dst, 0, 0, value)
#define CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define SKIP_IF(dst, op, value, away) INSN(BPF_JMP | (op) | BPF_K, dst, 0, away, value)
#define LOAD(size, dst, src, offset) INSN(BPF_LDX | (size) | BPF_MEM, dst, BPF_REG_##src, offset, 0)
#define STORE(size, dst, src, offset) INSN(BPF_STX | (size) | BPF_MEM, dst, BPF_REG_##src, offset, 0)
/* Takes the place of two instructions. */
#define SET_MAP(dst, fd) INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

static int load_program(int places, int stamps)
{
	struct bpf_insn program[] = {
		/* an RTM_NEWLINK? Register 1 is the message. */
		SET(2, TYPE_FROM),
		MOVE(3, 10),
		ADD(3, AT_TYPE),
		SET(4, READ_LEN),
		CALL(skb_load_bytes),
		SKIP_IF(0, BPF_JNE, 0, TO_END),
		LOAD(BPF_H, 1, 10, AT_TYPE),
		SKIP_IF(1, BPF_JNE, RTM_NEWLINK, TO_END),
		/* of a port? */
		SET_MAP(1, places),
		MOVE(2, 10),
		ADD(2, AT_INDEX),
		CALL(map_lookup_elem),
		SKIP_IF(0, BPF_JEQ, 0, TO_END),
		LOAD(BPF_W, 1, 0, offsetof(struct place, number)),
		SKIP_IF(1, BPF_JEQ, 0, TO_END),
		/* the place of this stamp, and the step of the next one */
		LOAD(BPF_W, 2, 0, offsetof(struct place, step)),
		ADD(1, -1),
		MULTIPLY(1, STAMPS_STEPS),
		ADD_REG(1, 2),
		STORE(BPF_W, 10, 1, AT_STAMP),
		ADD(2, 1),
		SKIP_IF(2, BPF_JNE, STAMPS_STEPS, 1),
		SET(2, 0),
		STORE(BPF_W, 0, 2, offsetof(struct place, step)),
		/* the time */
		SET_MAP(1, stamps),
		MOVE(2, 10),
		ADD(2, AT_STAMP),
		CALL(map_lookup_elem),
		SKIP_IF(0, BPF_JEQ, 0, TO_END),
		MOVE(6, 0),
		CALL(ktime_get_ns),
		STORE(BPF_DW, 6, 0, 0),
		/* the end: the message goes no further */
		SET(0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = ARRAY_SIZE(program),
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(program); i++)
		if (program[i].off == TO_END)
			program[i].off = (int16_t)(ARRAY_SIZE(program) - 2 - (i + 1));
	return bpf(BPF_PROG_LOAD, &attr);
}

_Atomic uint64_t *stamps_of_kernel(const struct stamps_port *ports, unsigned n)
{
	int places_map, stamps_map_fd, program, links = open_links();
	struct place *places = make_map(&places_map, sizeof(*places), INDEX_MAX);
	_Atomic uint64_t *stamps = make_map(&stamps_map_fd, sizeof(*stamps), n * STAMPS_STEPS);

	for (unsigned i = 0; i < n; i++) {
		if (ports[i].ifindex >= INDEX_MAX)
			errx(1, "interface index %u: too large", ports[i].ifindex);
		places[ports[i].ifindex] = (struct place){
			.number = i + 1,
			.step = stamps_next_mtu(ports[i].mtu) - STAMPS_MTU_FIRST,
		};
	}
	program = load_program(places_map, stamps_map_fd);
	if (setsockopt(links, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) < 0)
		err(1, "SO_ATTACH_BPF");
	/* The socket keeps the program alive, and the program the maps. */
	close_fd(&program);
	close_fd(&places_map);
	close_fd(&stamps_map_fd);
	return stamps;
}
