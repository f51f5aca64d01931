/* SPDX-License-Identifier: Apache-2.0 */
#include "log/advice.h"

#include <string.h>

/* After a change run scripts/advice-docs. */
/* clang-format off */
const struct advice log_advice[KINDS] = {
	[KIND_REDIS_AWAY] = {
		"No connection to Redis",
		"Redis does not run, does not answer, or refused or closed the connection; the reason says which.",
		"Nothing is lost: all rows are compared once Redis is back. Look at the database container and the "
		"socket that database_config.json names.",
	},
	[KIND_REDIS_RETRY] = {
		"Another attempt to connect to Redis failed",
		"Redis is still away.",
		"See the line that reported its loss.",
	},
	[KIND_REDIS_CONNECTED] = {
		"Connected to Redis",
		"The connection is up and takes commands.",
		"There is nothing to do.",
	},
	[KIND_REDIS_BACK] = {
		"Redis is back",
		"The connection is up again; the message says how long it was away.",
		"There is nothing to do: the daemon writes what differs. If this happens often, look at Redis' own "
		"log.",
	},
	[KIND_DATABASES_AWAITED] = {
		"The file that says where Redis is does not exist yet",
		"SONiC's database container writes database_config.json when it starts, and database_global.json on "
		"a switch with several ASICs; the message names the missing one. Until then the daemon follows no "
		"link and contacts no Redis, since it could be the wrong one.",
		"On a switch: look at the database container. Elsewhere set [database] redis_unix_socket or "
		"redis_host in portsyncd.conf, and restart. If the path is wrong, correct database_config there, or "
		"the option.",
	},
	[KIND_DATABASES_KNOWN] = {
		"The file that says where Redis is exists now",
		"Startup continues.",
		NULL,
	},
	[KIND_LINKS_FOLLOWED] = {
		"The kernel's links are followed",
		"The netlink socket is open. The message gives the size of its receive buffer.",
		"If net.core.rmem_max is named as the limit, grant CAP_NET_ADMIN or raise it (deploy/sysctl).",
	},
	[KIND_EVENTS_LOST] = {
		"Link events were lost",
		"More link events came than the receive buffer holds, or one was unreadable.",
		"All links are read again. If this repeats, raise performance.receive_buffer_bytes, or give the "
		"daemon more CPU time.",
	},
	[KIND_LINKS_REREAD] = {
		"All links are read again",
		"The known state of the links was in doubt; the message says why.",
		"There is nothing to do.",
	},
	[KIND_DUMP_FAILED] = {
		"Reading all links failed",
		"The links changed while the kernel listed them, or it lacked time or memory.",
		"It is tried again. If it keeps failing, find out who creates and deletes links: ip monitor link.",
	},
	[KIND_DUMP_PARTIAL] = {
		"An interrupted list of links was used",
		"Links come and go so fast that the kernel could not list all of them at once, several times in a "
		"row. What it listed counts; links that may be missing are looked up.",
		"Find out who creates and deletes links: ip monitor link.",
	},
	[KIND_REREAD_FAILED] = {
		"The links could not be read again",
		"A reconciliation could not read all links to find what the kernel changed without a message.",
		"The next one tries again; link events are followed meanwhile.",
	},
	[KIND_NO_RECHECK] = {
		"Links are not read again",
		"The machine refused a thread at startup, so changes that the kernel does not report are not found. "
		"Those that it reports are.",
		"Raise the limit of processes (TasksMax= in systemd, pids-limit in docker) and restart.",
	},
	[KIND_SILENT_CHANGE] = {
		"A link changed without a message from the kernel",
		"A link that was read again was not as the kernel's messages said.",
		"STATE_DB is corrected. Deleting a bond does this to its members' MTU; otherwise find the driver "
		"that changes links silently, and report it.",
	},
	[KIND_KEPT_ROWS_END] = {
		"Ports have no link some time after a warm start",
		"A warm start keeps the rows of the previous process, since their links may still come. After "
		"sonic.keep_rows_secs the rows without a link are deleted.",
		"Find out why syncd does not create the links.",
	},
	[KIND_IN_SYNC] = {
		"In sync with the kernel",
		"All links were read.",
		"There is nothing to do.",
	},
	[KIND_WATCH_STATE] = {
		"State of the watch on the kernel's links",
		"For debugging: unsynced, dumping, settling, synced.",
		"There is nothing to do.",
	},
	[KIND_PORT_PUBLISHED] = {
		"The operational status of @PORT@ was published",
		"The port went up or down; STATE_DB has it. EVENT_ID counts the changes, across restarts too; "
		"LATENCY_US is the time from the kernel's message to the command to Redis.",
		"If a port flaps, look at its transceiver, its cable and the far end.",
	},
	[KIND_PORT_SETTINGS] = {
		"Settings of @PORT@ were published",
		"Its admin status or MTU changed.",
		"There is nothing to do.",
	},
	[KIND_PORT_DELETED] = {
		"@PORT@ was deleted",
		"Its link is gone, or the daemon writes its row again.",
		"If nobody removed or broke out the port, look at orchagent and syncd.",
	},
	[KIND_WRITE_REFUSED] = {
		"Redis refused a write of @PORT@",
		"REASON is Redis' answer. NOPERM: its access list forbids the command; READONLY: it is a replica; "
		"OOM: maxmemory is reached; MISCONF: it cannot save to disk.",
		"Fix what Redis complains about (deploy/redis has an access list); it is tried again.",
	},
	[KIND_WRITE_ACCEPTED] = {
		"@PORT@ was written again",
		"Redis refused its row before, and has now accepted it.",
		"There is nothing to do.",
	},
	[KIND_EVENT_REFUSED] = {
		"Redis refused an event of STATE_DB, or accepts them again",
		"event_tables of database_config.json names PORT_TABLE, so each write of a row is also published. "
		"The message has Redis' answer. The rows are not affected; consumers that rely on these events "
		"alone miss some.",
		"With NOPERM the Redis user lacks the channel PORT_TABLE_CHANNEL@6: see deploy/redis/README.md.",
	},
	[KIND_DRIFT_REPAIRED] = {
		"Another program changed the row of @PORT@",
		"It changed or deleted the row, which was repaired.",
		"Only portsyncd may write these fields. Find the writer: redis-cli MONITOR shows commands and "
		"clients.",
	},
	[KIND_READ_REFUSED] = {
		"Rows of STATE_DB cannot be read back",
		"Redis refuses to read them; the message says why.",
		"Fix what Redis complains about. Meanwhile rows are written in full.",
	},
	[KIND_LOOKUP_REFUSED] = {
		"Rows of APPL_DB cannot be looked up",
		"Redis refuses to say whether a port is configured.",
		"Fix what Redis complains about; it is tried again.",
	},
	[KIND_CONFIG_ROW_BAD] = {
		"A PORT row of CONFIG_DB is left out",
		"Its name is not valid for a port, or it is not a hash; the message says which.",
		"Correct the row; the daemon reads it at the next push of the ports.",
	},
	[KIND_CONFIG_ROW_FOREIGN] = {
		"A PORT row of CONFIG_DB is not a front-panel port",
		"Only names that begin with \"Ethernet\" are watched; the row is passed on.",
		"There is nothing to do if that is intended.",
	},
	[KIND_PUSH_REFUSED] = {
		"Redis refused a row for APPL_DB",
		"The message has Redis' answer.",
		"Fix what Redis complains about; it is tried again.",
	},
	[KIND_KEY_REPLACED] = {
		"A key of portsyncd had another type and was replaced",
		"Another program wrote a value of another type to a key that only portsyncd uses; that value is "
		"gone.",
		"There is nothing to do, unless it happens again: then find the writer (redis-cli MONITOR).",
	},
	[KIND_CONFIG_SCAN_REFUSED] = {
		"CONFIG_DB cannot be read",
		"The message has Redis' answer.",
		"Fix what Redis complains about; it is tried again.",
	},
	[KIND_CONFIG_DB_LOST] = {
		"CONFIG_DB has lost its PORT rows",
		"It was emptied while the switch was running.",
		"The daemon pushes nothing until the rows are back: load the configuration again.",
	},
	[KIND_APPL_DB_EMPTIED] = {
		"APPL_DB was emptied",
		"PortConfigDone is gone, as after a restart of Redis without its data; or rows, at a warm start.",
		"The daemon pushes the ports again. If PortConfigDone was gone, restart orchagent.",
	},
	[KIND_ROWS_UNPROVED] = {
		"APPL_DB does not say whether it still has the ports",
		"Redis refuses to look for a port's row; the message has its answer.",
		"It is asked again, and PortInitDone waits. With NOPERM startup goes on without: grant EXISTS on "
		"PORT_TABLE:* and _PORT_TABLE:* (deploy/redis).",
	},
	[KIND_MARKER_GONE] = {
		"PortInitDone is gone from APPL_DB",
		"It was deleted, while PortConfigDone and the ports' rows are there.",
		"The daemon sends it again.",
	},
	[KIND_SWITCH_TYPE_UNREADABLE] = {
		"switch_type cannot be read",
		"DEVICE_METADATA is not a hash, or Redis refuses to read it.",
		"Correct the row of CONFIG_DB.",
	},
	[KIND_OLD_LINKS_RETIRED] = {
		"Old interfaces are ignored",
		"A cold start of swss found the previous switch process's links and set them down. They are ignored "
		"until deleted and created again.",
		"On a switch wait for syncd. Without a syncd: sonic.retire_old_links = never, restart portsyncd, ip "
		"link set dev NAME up.",
	},
	[KIND_OLD_LINK_SET_DOWN] = {
		"An interface was set down",
		"swss was restarted: a cold start sets the previous switch process's interfaces down, and the new "
		"one creates them again.",
		"Elsewhere this is an outage: ip link set dev NAME up, and sonic.retire_old_links = never in "
		"portsyncd.conf.",
	},
	[KIND_OLD_LINKS_KEPT] = {
		"Existing interfaces stay up",
		"APPL_DB has PortInitDone, so only portsyncd was restarted, not swss. No interface is set down.",
		"There is nothing to do.",
	},
	[KIND_OLD_LINKS_UNDECIDED] = {
		"It is not known whether swss was restarted",
		"PortInitDone in APPL_DB cannot be read, so the daemon cannot know whether the interfaces are old. "
		"Startup waits and tries again.",
		"See what Redis answers; portsyncd's user needs EXISTS on PORT_TABLE:PortInitDone.",
	},
	[KIND_OLD_LINKS_UP] = {
		"Old interfaces could not be set down",
		"The kernel refused; most likely CAP_NET_ADMIN is missing.",
		"Grant CAP_NET_ADMIN.",
	},
	[KIND_PORT_CONFIG_DONE] = {
		"The ports are configured",
		"All PORT rows were pushed to APPL_DB, for orchagent.",
		"There is nothing to do.",
	},
	[KIND_PORT_INIT_DONE] = {
		"The ports are initialised",
		"Every configured port has a host interface and its row in STATE_DB.",
		"There is nothing to do.",
	},
	[KIND_PORTS_AWAITED] = {
		"Configured ports are awaited",
		"They are in CONFIG_DB without a host interface, or without a row in STATE_DB. PortInitDone waits "
		"for them, and other daemons for it.",
		"portsyncctl why init names what each lacks; look for them in the logs of orchagent and syncd.",
	},
	[KIND_PORT_COUNT_MENDED] = {
		"The count of PortConfigDone was repaired",
		"It did not fit the rows, and orchagent refuses a warm start with such a count.",
		"There is nothing to do.",
	},
	[KIND_PORT_COUNT_REFUSED] = {
		"The count of PortConfigDone cannot be written",
		"The message has Redis' answer.",
		"Fix what Redis complains about; it is tried again.",
	},
	[KIND_WARM_START] = {
		"Warm start",
		"The state that Redis holds was kept.",
		"There is nothing to do.",
	},
	[KIND_WARM_START_NOT_POSSIBLE] = {
		"The start is cold though a warm one was requested",
		"There is no restore_count in STATE_DB, or it is not a number.",
		"There is nothing to do on a first start; else find out who removed it.",
	},
	[KIND_WARM_TABLES_REFUSED] = {
		"The warm start tables cannot be used",
		"The message has Redis' answer.",
		"Fix what Redis complains about; it is tried again.",
	},
	[KIND_LOGGER_VALUE_BAD] = {
		"LOGGER:portsyncd has an invalid value",
		"The message names the value and what is allowed.",
		"Set it with swssloglevel.",
	},
	[KIND_LOGGER_REFUSED] = {
		"LOGGER:portsyncd cannot be used",
		"The message has Redis' answer.",
		"Fix what Redis complains about; the level in force stays.",
	},
	[KIND_TUNING_IN_FORCE] = {
		"The tuning is in force",
		"What [performance] requests was applied.",
		"There is nothing to do.",
	},
	[KIND_TUNING_REFUSED] = {
		"A setting was refused by the machine",
		"The message names the key of [performance], why, and what helps.",
		"Grant what it needs, or remove the key. The daemon works without it.",
	},
	[KIND_SANDBOX_IN_FORCE] = {
		"The sandbox is in force",
		"The daemon gave up all capabilities but CAP_NET_ADMIN, gaining rights by running a program, writing "
		"outside of the named folders, and system calls that it does not need. A warning names what the "
		"kernel could not enforce.",
		"After a warning use a kernel with Landlock (5.13 or later, lsm=landlock). The kernel's log has "
		"what the sandbox refuses, with type=1326.",
	},
	[KIND_SANDBOX_OFF] = {
		"The sandbox is off",
		"security.sandbox or --sandbox turned it off: an attacker who exploits a fault in the daemon has all "
		"the rights of its user.",
		"For debugging only: turn it on again, and restart.",
	},
	[KIND_STATE_LOADED] = {
		"Counters continue from the state file",
		"Flaps and last changes of the ports, event and audit numbers continue where the previous process "
		"left them.",
		NULL,
	},
	[KIND_STATE_JUMPED] = {
		"The state file was not saved at an orderly stop",
		"The previous process was killed, or the machine lost power. Event and audit numbers continue "
		"1,000,000 above the last ones saved, so that none is used twice. Flaps since the last save are "
		"lost.",
		"Find out what ended the process: see the lines before this one, and the kernel's (out of memory).",
	},
	[KIND_STATE_MISSING] = {
		"There is no state file yet",
		"This is the first start, or the file was removed. Counters start at 0.",
		NULL,
	},
	[KIND_STATE_REFUSED] = {
		"The state file was refused",
		"It is damaged, of a newer version, not a regular file, or others could write it; the message says "
		"which. Counters start at 0.",
		"Look at state.json.refused, and at who can write to the folder. A file of a newer version can be "
		"renamed back before that version starts. One that could not be renamed: remove it and restart, or "
		"nothing is saved.",
	},
	[KIND_STATE_IN_USE] = {
		"Another process uses the state file",
		"Two daemons share one state file. The counters of this one start at 0 and are not saved.",
		"Give each its own state.file.",
	},
	[KIND_RECORDER_OFF] = {
		"The flight recorder is off",
		"There was no memory for it; the message says how much it needs. Ports are not affected, but after "
		"an incident there is no recording.",
		"Lower recorder.bytes or give the container more memory, and restart the daemon.",
	},
	[KIND_RECORDING_WRITTEN] = {
		"A recording was written",
		"After a fault, or on request; the message says why, and where the file is.",
		"Keep it with the techsupport archive. tshark and Wireshark open it, portsyncd --replay FILE plays "
		"it.",
	},
	[KIND_RECORDING_FAILED] = {
		"A recording could not be written",
		"The folder is missing, full or not writable; the message says which. Ports are not affected.",
		"Free disk space, or create recorder.folder and restart. portsyncctl record -o FILE saves what "
		"memory has.",
	},
	[KIND_STATE_NOT_SAVED] = {
		"The state file could not be saved",
		"The disk is full or read-only, or the folder missing or not writable. A restart loses what was "
		"counted since the last save. Event and audit numbers may jump, so that none is used twice.",
		"Free disk space, or make the folder of state.file writable; it is tried again every "
		"state.save_interval_secs. A folder missing at startup needs a restart.",
	},
	[KIND_STATE_SAVED_AGAIN] = {
		"The state file could be saved again",
		"Nothing was lost.",
		NULL,
	},
	[KIND_STARTED] = {
		"portsyncd has started",
		"It follows the kernel's links.",
		"There is nothing to do.",
	},
	[KIND_RUNS_ALREADY] = {
		"Another portsyncd is running",
		"Two would write the same rows of STATE_DB. This one has ended and touched nothing.",
		"To run this one, stop that process first (systemctl stop portsyncd, supervisorctl stop portsyncd).",
	},
	[KIND_LOCK_TAKEN] = {
		"Nothing keeps a second portsyncd from starting",
		"Another process holds the abstract Unix socket by which portsyncd shows that it is running, or the "
		"socket cannot be created.",
		"Find it: ss -xlp | grep portsyncd.",
	},
	[KIND_LIMIT_INHERITED] = {
		"A limit of the machine applies",
		"portsyncd was started with a limit that it cannot raise.",
		"Start it without the limit (ulimit, prlimit, LimitCPU= and LimitFSIZE= of the unit, --ulimit of "
		"docker).",
	},
	[KIND_DESCRIPTOR_CLOSED] = {
		"A standard descriptor was closed",
		"The parent process closed input, output or error output.",
		"Give it /dev/null, or a file.",
	},
	[KIND_THREAD_MISSING] = {
		"A thread could not be started",
		"The machine refuses a thread (pids.max of the cgroup, TasksMax= of the unit, RLIMIT_NPROC, memory). "
		"The line says whether the loop does the thread's work.",
		"Raise that limit, then restart portsyncd.",
	},
	[KIND_NO_AUDIT_TRAIL] = {
		"There is no audit trail",
		"It is on, but the log goes to stderr, which cannot keep its records apart from other lines.",
		"Choose log.target = journal, syslog or rfc5424, or turn the trail off (log.audit = false).",
	},
	[KIND_PREVIOUS_STOP] = {
		"The previous process did not stop cleanly",
		"systemd says how it ended: watchdog (its loop hung), core-dump or signal (killed), oom-kill (out of "
		"memory), exit-code, timeout. All links were read again, so no event is missing.",
		"See the lines before this one, and systemd's. After watchdog see "
		"portsyncd_loop_longest_turn_seconds and portsyncd_loop_run_delay_seconds_total: usually a starved "
		"process.",
	},
	[KIND_STOPPING] = {
		"portsyncd is stopping",
		"A signal requested it; the daemon first writes what it owes.",
		"There is nothing to do.",
	},
	[KIND_STOP_INCOMPLETE] = {
		"Not everything was written before the stop",
		"Redis did not take it within two seconds, or the links could not be read again after a loss of "
		"events; the line says which. Until the next start, rows of STATE_DB may be out of date.",
		"The next start writes what differs.",
	},
	[KIND_ENDED_BY_FAULT] = {
		"portsyncd cannot go on",
		"The message says why.",
		"Fix it; the service manager starts the daemon again.",
	},
	[KIND_SUMMARY] = {
		"Summary",
		"Counters since startup; SIGHUP requests them.",
		"There is nothing to do.",
	},
	[KIND_LOG_LEVEL_SET] = {
		"The log level was changed",
		"SIGUSR1, SIGUSR2, SIGHUP or LOGGER of CONFIG_DB requested it.",
		"There is nothing to do.",
	},
	[KIND_CONFIG_READ] = {
		"The configuration was read again",
		"SIGHUP requested it. The message names what is in force now.",
		"There is nothing to do.",
	},
	[KIND_CONFIG_REFUSED] = {
		"The configuration was refused",
		"Each fault has a line with the key and what is allowed. A reload keeps the old configuration; at "
		"startup under supervisord, defaults replace those keys.",
		"Correct it: portsyncd --check-config names each fault. Then send SIGHUP; after a start with faults, "
		"restart.",
	},
	[KIND_CONFIG_NEEDS_RESTART] = {
		"Part of the configuration needs a restart",
		"These keys were changed, but only [log] changes while the daemon runs.",
		"Restart the service when convenient.",
	},
	[KIND_HTTP_LISTENING] = {
		"HTTP is served",
		"The message names the addresses of metrics and health.",
		"There is nothing to do.",
	},
	[KIND_HTTP_CLIENTS_LIMITED] = {
		"Fewer HTTP clients at once than configured",
		"http.max_clients needs more file descriptors than the process may open besides its own, so fewer "
		"clients are served at once.",
		"Raise LimitNOFILE= (systemd) or the container's limit (ulimit -n), or lower http.max_clients.",
	},
	[KIND_HTTP_CLIENT_DROPPED] = {
		"Too many HTTP clients at once",
		"There were http.max_clients clients; the one that had waited longest was dropped for a new one.",
		"If these are your own scrapers, raise http.max_clients; else find out who connects (ss -tp).",
	},
	[KIND_HTTP_CLIENT_REFUSED] = {
		"A client certificate was refused",
		"The client has no certificate, an expired one, or one that the configured CA did not sign.",
		"Renew the client's certificate (docs/deployment.md), or find out who it is.",
	},
	[KIND_HTTP_NO_CLIENT] = {
		"No HTTP client can be accepted",
		"accept(2) failed, most often for lack of file descriptors.",
		"Events are not affected. Compare process_open_fds with process_max_fds, and raise LimitNOFILE=.",
	},
	[KIND_HTTP_CERTIFICATE] = {
		"The certificate of the HTTP server is not valid",
		"It has expired, or is not valid yet; clients will refuse it.",
		"Renew it and send SIGHUP.",
	},
	[KIND_HTTP_RENEWED] = {
		"The HTTP server has a new certificate",
		"SIGHUP found other files at http.cert, http.key or http.ca. Clients that are connected keep the old "
		"ones.",
		NULL,
	},
	[KIND_HTTP_NOT_RENEWED] = {
		"A new certificate of the HTTP server is refused",
		"SIGHUP found files at http.cert, http.key or http.ca that cannot be used; the message says why. "
		"The old ones stay in use.",
		"Correct them (portsyncd --check-config reads them too) and send SIGHUP again.",
	},
	[KIND_HTTP_DOWN] = {
		"Metrics and health are not served",
		"No address of [http] could be used; the message says why, and which process has it. Ports are not "
		"affected.",
		"Free the address: it is tried again at least every 15 s. Or configure another and restart the "
		"daemon.",
	},
	[KIND_HTTP_PARTLY] = {
		"One of the HTTP addresses could not be used",
		"The message says which failed, why, and which process has it. The others work.",
		"Free the address: it is tried again at least every 15 s. If the machine lacks the address family, "
		"remove it from http.listen.",
	},
	[KIND_LINES_HELD_BACK] = {
		"Lines were suppressed",
		"More lines of one kind came than log.limit_lines in log.limit_secs.",
		"The lines before show which. To see all, raise the limit, or set log.limit_secs = 0.",
	},
	[KIND_LINES_DROPPED] = {
		"Lines were dropped",
		"The log target was too slow, or gone, and the ring of lines was full. Events were not delayed.",
		"Look at the journal or syslog daemon (systemctl status systemd-journald rsyslog).",
	},
	[AUDIT_START] = {
		"portsyncd has started",
		"Audit record.",
		NULL,
	},
	[AUDIT_STOP] = {
		"portsyncd stopped",
		"Audit record: the requester, or, with outcome failure, why it cannot go on.",
		"If that was not intended, find out who did it.",
	},
	[AUDIT_CONFIG_LOADED] = {
		"The configuration was loaded",
		"Audit record.",
		NULL,
	},
	[AUDIT_CONFIG_CHANGED] = {
		"The configuration was changed",
		"Audit record: what changed, and the requester.",
		"If that was not intended, find out who did it.",
	},
	[AUDIT_CONFIG_REFUSED] = {
		"A configuration was refused",
		"Audit record: it has faults; the one in force stays.",
		"Correct it; the log has a line for each fault.",
	},
	[AUDIT_LEVEL_CHANGED] = {
		"The log level was changed",
		"Audit record: the new level, and the requester.",
		"If that was not intended, find out who did it.",
	},
	[AUDIT_REDIS_AUTH] = {
		"Redis refused our credentials, or they cannot be read",
		"Audit record: the user is unknown, or the password or its file is missing or wrong; the record "
		"says which.",
		"Compare redis_username and redis_password_file with Redis' access list. The file is read for each "
		"attempt: no restart is needed.",
	},
	[AUDIT_REDIS_DENIED] = {
		"Redis refused a command for lack of a right",
		"Audit record; one per connection, however many commands are refused. ACL LOG of Redis names the "
		"command and the key.",
		"Give the user the rights in deploy/redis/portsyncd.acl. If it has them, find out why the daemon "
		"needs more.",
	},
	[AUDIT_CAPABILITY] = {
		"A capability is missing",
		"Audit record: the setting that was refused, or CAP_NET_ADMIN, without which the daemon does not "
		"start.",
		"Grant it (the unit does; in a container --cap-add NET_ADMIN), or remove the setting.",
	},
	[AUDIT_SANDBOX] = {
		"The sandbox",
		"Audit record: what the daemon gave up. Outcome failure: a part is not in force, or all of it is "
		"off.",
		"After a failure see security.sandbox, and the kernel's Landlock: the text names what an older one "
		"leaves open.",
	},
	[AUDIT_TUNING] = {
		"A setting was refused by the machine",
		"Audit record.",
		"See the warning beside it.",
	},
	[AUDIT_SPOOF] = {
		"Spoofed netlink messages were dropped",
		"Audit record: a process in the network namespace sends messages to the daemon's socket; they were "
		"ignored.",
		"Find it by the port id in the record (ss --netlink --processes): it may try to forge link states.",
	},
	[AUDIT_OVERRUN] = {
		"Link events were lost",
		"Audit record: the receive buffer was full.",
		"The daemon reads all links again; a record of that follows. If this happens often, raise "
		"performance.receive_buffer_bytes.",
	},
	[AUDIT_RESYNC] = {
		"In sync with the kernel",
		"Audit record: all links were read after a start or a loss.",
		NULL,
	},
	[AUDIT_PORT_INIT_DONE] = {
		"The ports are initialised",
		"Audit record.",
		NULL,
	},
	[AUDIT_PORT_STATE] = {
		"State of @PORT@ has changed",
		"Audit record: the port went up or down, or was deleted.",
		NULL,
	},
	[AUDIT_STATE_REFUSED] = {
		"Audit: the state file was refused",
		"The file that keeps counters and audit numbers across restarts was changed or damaged; the record "
		"says what is wrong. Its numbers start at 1 again.",
		"Find out who changed it. The file is kept as state.json.refused.",
	},
	[AUDIT_HELD_BACK] = {
		"Audit records were suppressed",
		"Audit record: more records of one kind came than its limit allows, as when ports flap in a storm.",
		"STATE_DB and the ports' counters have the last state. Raise log.limit_lines to record all.",
	},
};

const struct advice_case log_advice_cases[] = {
	{
		KIND_REDIS_AWAY,
		"Permission denied",
		{
			"portsyncd may not open Redis' socket",
			"Owner, group or mode of the socket or its folder keep the daemon's user out; the reason "
			"names them.",
			"For the socket: unixsocketperm 770 in redis.conf, and the daemon's user in its group; for "
			"the folder: its mode. As root in a container: CAP_DAC_OVERRIDE.",
		},
	},
	{
		KIND_REDIS_AWAY,
		"Redis says",
		{
			"Redis refuses the connection",
			"Redis has maxclients clients, is in protected mode, or still loads its data; the reason has "
			"its words.",
			"Fix what Redis complains about; it is tried again.",
		},
	},
	{
		KIND_REDIS_AWAY,
		"AUTH",
		{
			"Redis refuses the password",
			"The user is unknown, or the password missing or wrong.",
			"Compare redis_username and redis_password_file with Redis' access list. The file is read "
			"for each attempt: no restart is needed.",
		},
	},
	{
		KIND_REDIS_AWAY,
		"refused: ",
		{
			"Redis refuses a step of the set-up",
			"The user lacks a right, Redis has maxclients clients, or still loads its data; the reason "
			"has its words.",
			"Fix what Redis complains about (deploy/redis has an access list); it is tried again.",
		},
	},
	{
		KIND_REDIS_AWAY,
		"database_",
		{
			"It is not known where Redis is",
			"SONiC's database_config.json, or the global file that names it, does not exist yet.",
			"On a switch: look at the database container, which writes it. Elsewhere set [database] "
			"redis_unix_socket or redis_host, and restart.",
		},
	},
	{.words = NULL},
};
/* clang-format on */

const struct advice *advice_for(enum log_kind kind, const char *reason)
{
	for (const struct advice_case *c = log_advice_cases; reason && c->words; c++)
		if (c->kind == kind && strstr(reason, c->words))
			return &c->advice;
	return &log_advice[kind];
}
