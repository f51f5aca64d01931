/* SPDX-License-Identifier: Apache-2.0 */
#include "kstamps.h"

#include <err.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "common.h"

static int bpf(int command, union bpf_attr *attr)
{
	int fd = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (fd < 0)
		err(1, "bpf");
	return fd;
}

static int make_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = KSTAMPS_MAX,
		.map_flags = BPF_F_MMAPABLE,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* What the program reads of a message, and where it keeps it: at the end of its stack. */
#define READ_FROM ((int)offsetof(struct nlmsghdr, nlmsg_type))
#define INDEX_AT ((int)(sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_index)))
#define READ_LEN (INDEX_AT + (int)sizeof(int) - READ_FROM)
#define STACK_TYPE (-24)
#define STACK_INDEX (STACK_TYPE + INDEX_AT - READ_FROM)

#define INSN(op, dst, src, offset, value)                                                                              \
	{                                                                                                              \
		.code = (op), .dst_reg = BPF_REG_##dst, .src_reg = (src), .off = (offset), .imm = (value)              \
	}
#define MOVE(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, BPF_REG_##src, 0, 0)
#define SET(dst, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)
#define ADD(dst, value) INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value)
#define CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define JUMP_IF(dst, op, value, away) INSN(BPF_JMP | (op) | BPF_K, dst, 0, away, value)
#define LOAD(size, dst, src, offset) INSN(BPF_LDX | (size) | BPF_MEM, dst, BPF_REG_##src, offset, 0)
#define STORE(size, dst, src, offset) INSN(BPF_STX | (size) | BPF_MEM, dst, BPF_REG_##src, offset, 0)

static int load_program(int map)
{
	const struct bpf_insn program[] = {
		/* the message's type and its link's index; register 1 is the message from the start */
		SET(2, READ_FROM),
		MOVE(3, 10),
		ADD(3, STACK_TYPE),
		SET(4, READ_LEN),
		CALL(skb_load_bytes),
		JUMP_IF(0, BPF_JNE, 0, 13),
		LOAD(BPF_H, 1, 10, STACK_TYPE),
		JUMP_IF(1, BPF_JNE, RTM_NEWLINK, 11),
		/* the link's slot */
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0), /* the other half of the load above */
		MOVE(2, 10),
		ADD(2, STACK_INDEX),
		CALL(map_lookup_elem),
		JUMP_IF(0, BPF_JEQ, 0, 5),
		/* the first message since it was taken counts */
		MOVE(6, 0),
		LOAD(BPF_DW, 1, 6, 0),
		JUMP_IF(1, BPF_JNE, 0, 2),
		CALL(ktime_get_ns),
		STORE(BPF_DW, 6, 0, 0),
		/* the message goes no further */
		SET(0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = ARRAY_SIZE(program),
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

_Atomic uint64_t *kstamps_open(void)
{
	int map = make_map(), program = load_program(map), links = open_links();
	_Atomic uint64_t *slots = mmap(NULL, KSTAMPS_MAX * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	if (slots == MAP_FAILED)
		err(1, "mmap");
	if (setsockopt(links, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) < 0)
		err(1, "SO_ATTACH_BPF");
	/* The socket keeps the program and the program the map. */
	close_fd(&program);
	close_fd(&map);
	return slots;
}
