/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of this process, its loop's thread and its event socket: proc(5). Slow: not for the loop. */
#ifndef PORTSYNCD_METRICS_PROCSTAT_H
#define PORTSYNCD_METRICS_PROCSTAT_H

#include <stdbool.h>
#include <stdint.h>

struct procstat {
	/* the process */
	uint64_t cpu_nsec;
	uint64_t virtual_bytes, resident_bytes, locked_bytes;
	uint64_t threads, open_fds;
	uint64_t max_fds; /* UINT64_MAX: no limit */

	/* the loop's thread, which is the first of the process */
	uint64_t loop_user_nsec, loop_system_nsec;
	uint64_t loop_run_delay_nsec; /* ready, but waiting for a processor */
	uint64_t loop_voluntary, loop_involuntary, loop_minor_faults, loop_major_faults;
	bool has_run_delay, has_migrations; /* not every kernel has them */
	uint64_t loop_migrations;

	/* the event socket */
	bool has_netlink;
	uint64_t netlink_queued, netlink_drops;
};

/* proc is "/proc", inode that of the event socket. What cannot be read is 0. */
void procstat_read(struct procstat *out, const char *proc, uint64_t inode);

/* When the process began, in nanoseconds since the epoch by the clock as it stands now: another call may say another
 * time. */
uint64_t procstat_started(const char *proc);

/* resident_bytes only, which is quick enough for the loop. */
uint64_t procstat_resident(const char *proc);

#endif
