/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel with up to LINKS links behind kernel/nlsock.h. It follows rtnetlink(7) and net/netlink/af_netlink.c: a
 * change becomes an event; once the receive queue is full the next receive returns ENOBUFS, and events are dropped
 * until the queue has been read empty; a dump reads one link after the other while they change.
 */
#ifndef PORTSYNCD_MODEL_KERNEL_H
#define PORTSYNCD_MODEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reference.h"

#define LINKS 10 /* ifindex 1 to LINKS */

struct model_link {
	struct ref_link ref;
	uint32_t master;
	uint64_t changed; /* loop_tick() of the last change that owes an event */
	unsigned id;      /* of the link, or of the link under this name: a rename makes a new one */
	bool silent;      /* changed without an event since kernel_known() */
	bool unusable; /* has the ifindex of an old link whose end was lost: by its ifindex it would pass for that link
			*/
};

/* The fault of the next events. */
enum kernel_fault { KERNEL_GOOD, KERNEL_TRUNCATED, KERNEL_MALFORMED, KERNEL_FAULTS };

void kernel_reset(void);

/* Each makes one change and one event, or nothing if that is impossible. */
void kernel_create(int ifindex, const char *name, unsigned flags, unsigned mtu, const char *kind);
void kernel_delete(int ifindex);
/* silent: without an event, as kernels do when a bond is deleted. */
void kernel_change(int ifindex, unsigned flags, unsigned mtu, uint32_t master, bool silent);
/* Silent changes were found. */
void kernel_known(void);
void kernel_rename(int ifindex, const char *name);
/* A message of family AF_BRIDGE: nothing changes. */
void kernel_bridge_message(int ifindex, bool deleted);
/* An unsolicited message of a link that changes nothing. */
void kernel_repeat(int ifindex);

void kernel_overrun(void);
void kernel_spoofed(void);
void kernel_error(void);
void kernel_set_fault(enum kernel_fault fault);

/* A running dump goes on by n links, and ends after the last. */
void kernel_dump_step(unsigned n);
/* The dump lacks a row, and from now on its messages say that it was interrupted. */
void kernel_dump_interrupt(void);
enum kernel_dump_end { DUMP_REFUSED, DUMP_OVERRUN, DUMP_TRUNCATED, DUMP_GARBAGE, DUMP_BROKEN, DUMP_ENDS };
void kernel_dump_break(enum kernel_dump_end how);
bool kernel_dumping(void);
/* Further dumps cannot be opened, or asked for. */
void kernel_refuse_dumps(bool open, bool request);

const struct model_link *kernel_links(void);
/* The event that ended the link of this id was read. */
bool kernel_end_heard(unsigned id);
/* The links that are ports now are old ones. */
void kernel_mark_old(void);
/* True while sockets are open. */
bool kernel_in_use(void);

#endif
