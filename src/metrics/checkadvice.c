/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/checkadvice.h"

/* The checks that no kind of line reports. After a change run scripts/advice-docs. */
/* clang-format off */
static const struct advice own[HEALTH_CHECKS] = {
	[HEALTH_LOOP] = {
		"The loop does not turn",
		"The process is stopped (SIGSTOP, a debugger, a frozen container), or gets no CPU time.",
		"Let it continue: kill -CONT, or end the debugger. systemd's watchdog restarts it after 30 s.",
	},
	[HEALTH_KERNEL] = {
		"Not in sync with the kernel",
		"All links must be read again, after the start or a loss of events. It lasts while links keep coming "
		"and going, or a process holds the kernel's link lock (RTNL).",
		"Wait some seconds. If it persists, see the log's lines dump_failed, and ip monitor link.",
	},
	[HEALTH_MARKERS] = {
		"APPL_DB lacks PortConfigDone or PortInitDone",
		"They were not sent yet, since CONFIG_DB was not read or a port is awaited; or one was deleted.",
		"portsyncctl why init says what they wait for. A deleted one is sent again.",
	},
	[HEALTH_NO_PORTS] = {
		"Ports have interfaces, but no port is configured",
		"CONFIG_DB has no PORT rows, or the daemon reads a different Redis from orchagent's.",
		"List the rows: redis-cli -n 4 KEYS 'PORT|*'; on a switch config reload brings them back. Compare "
		"[database] with orchagent's Redis.",
	},
	[HEALTH_PORTS] = {
		"Too few ports are in sync",
		"Rows of STATE_DB differ from the kernel's links, or ports lack a link or APPL_DB row: Redis does "
		"not accept rows, or orchagent or syncd is not ready.",
		"portsyncctl ports marks them; portsyncctl why PORT names what one lacks.",
	},
	[HEALTH_LATENCY] = {
		"Events reach Redis late",
		"Redis is slow (portsyncd_redis_latency_seconds), or the CPU is busy "
		"(portsyncd_loop_run_delay_seconds_total).",
		"SLOWLOG GET of Redis names slow commands. Give the daemon a CPU of its own, or a lower Nice= in its "
		"unit.",
	},
	[HEALTH_FAILURES] = {
		"Events fail",
		"Redis refuses rows (portsyncd_redis_errors_total), the kernel's messages are malformed "
		"(portsyncd_netlink_malformed_total), or memory is short.",
		"The log has a line for each; write_refused has Redis' answer. Fix what it complains about.",
	},
	[HEALTH_LOG_TARGET] = {
		"The log target takes no lines",
		"The log's folder is missing or not writable, its disk full, or nothing listens at log.target. Lines "
		"wait; events are not affected.",
		"The daemon's stderr says what to fix (systemctl status systemd-journald rsyslog).",
	},
	[HEALTH_MEMORY] = {
		"The daemon uses much memory",
		"There are very many links (some 700 bytes each), or health.max_memory_mb is low.",
		"Count the links: ip link | wc -l. If they are intended, raise health.max_memory_mb; else report a "
		"leak.",
	},
};
/* clang-format on */

const struct advice *check_advice(enum health_check_index check, const char *reason)
{
	static const enum log_kind kinds[HEALTH_CHECKS] = {
		[HEALTH_REDIS] = KIND_REDIS_AWAY,
		[HEALTH_AWAITED] = KIND_PORTS_AWAITED,
		[HEALTH_OLD_LINKS] = KIND_OLD_LINKS_RETIRED,
		[HEALTH_CONFIG] = KIND_CONFIG_REFUSED,
		[HEALTH_OVERRUNS] = KIND_EVENTS_LOST,
		[HEALTH_LOG] = KIND_LINES_DROPPED,
		[HEALTH_HTTP] = KIND_HTTP_PARTLY,
		[HEALTH_RECORDER] = KIND_RECORDING_FAILED,
	};

	return own[check].subject ? &own[check] : advice_for(kinds[check], reason);
}
