/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of log lines. A kind has a name (MSGID of RFC 5424), a UUID (MESSAGE_ID of the journal, by which the
 * catalogue deploy/portsyncd.catalog knows it) and a rate: the number of lines that may pass within the limit's window,
 * 0 for any number. The rate of PORT_PUBLISHED is for each port (sonic/portlog). A kind's meaning never changes;
 * another meaning is another kind.
 */
#ifndef PORTSYNCD_LOG_KINDS_H
#define PORTSYNCD_LOG_KINDS_H

#include <stdbool.h>

/* clang-format off */
#define LOG_KINDS(X) \
	X(REDIS_AWAY, "redis_away", "5858df5c87a84322a614520a748b483f", 20) \
	X(REDIS_RETRY, "redis_retry", "a1de52a6dd5d495a81b02b4e8b287053", 20) \
	X(REDIS_CONNECTED, "redis_connected", "521cdde3700b4ed690a21f24e1e1535d", 20) \
	X(REDIS_BACK, "redis_back", "c2bfd2b0f2c74962b76b7712dc448659", 20) \
	X(DATABASES_AWAITED, "databases_awaited", "79b694d4934f4541811d46792f9cee64", 20) \
	X(DATABASES_KNOWN, "databases_known", "8ba1c9cfb43f490d8a9d899e37945db7", 20) \
	X(LINKS_FOLLOWED, "links_followed", "e331ba89f1ae4cb1a2b46e4d08d3dd9c", 0) \
	X(EVENTS_LOST, "events_lost", "7545b12b06cf4ae880a381ebca530d0d", 3) \
	X(LINKS_REREAD, "links_reread", "af0ea53a925e4d82a1272a01250234c1", 3) \
	X(DUMP_FAILED, "dump_failed", "40346956ab524deb9429b7d2776dcc6a", 20) \
	X(DUMP_PARTIAL, "dump_partial", "8c1f6e0b7d3a4b0f9a2e5d44c6b1e973", 3) \
	X(REREAD_FAILED, "reread_failed", "3f0f6b6d0c7e4b5c8f3a1d2e9b847065", 3) \
	X(NO_RECHECK, "no_recheck", "c0d9a41e7b6f4f3a8e5d2c17f9b06a83", 0) \
	X(SILENT_CHANGE, "silent_change", "b5f1c5d2a9e04c7e9d6b3a8f70c1e24d", 20) \
	X(KEPT_ROWS_END, "kept_rows_end", "6a3e1c9f5b704d2c8e0f7d41a2b95c38", 3) \
	X(IN_SYNC, "in_sync", "cbd718193eeb4df1bad31387ab2cce8e", 20) \
	X(WATCH_STATE, "watch_state", "e3a3eb2118b047f7a6d1a8a97ce88b0d", 200) \
	X(PORT_PUBLISHED, "port_published", "750f3ed969794aa2ac5c34bb6521b6a1", 6) \
	X(PORT_SETTINGS, "port_settings", "88733babaae34819853bdb0845f81780", 200) \
	X(PORT_DELETED, "port_deleted", "89e31f530c164159b2ce3e422b264c10", 200) \
	X(WRITE_REFUSED, "write_refused", "7406a57899294bd58e6ace8af5d23eac", 10) \
	X(WRITE_ACCEPTED, "write_accepted", "3ce67174222348e2990a140da403dd5e", 20) \
	X(EVENT_REFUSED, "event_refused", "7073e2256b2d4c1986680e73d35bb00c", 10) \
	X(DRIFT_REPAIRED, "drift_repaired", "fd895fcf64874ec8b5a93fefcf9e84cb", 10) \
	X(READ_REFUSED, "read_refused", "d2fac6ad3549440e8e3723faab2c59e1", 3) \
	X(LOOKUP_REFUSED, "lookup_refused", "885ff3d99eb746ffb2bcc13b3f0a4732", 3) \
	X(CONFIG_ROW_BAD, "config_row_bad", "e4bf99da80d048bbb9c5558b92039081", 50) \
	X(CONFIG_ROW_FOREIGN, "config_row_foreign", "3a966dea8299461081f9d3bc92690b15", 20) \
	X(PUSH_REFUSED, "push_refused", "b6ff6b0724c54835b287dace6234e1b9", 20) \
	X(KEY_REPLACED, "key_replaced", "2e153c03c4144dd5ab61ef5ed3970d5d", 20) \
	X(CONFIG_SCAN_REFUSED, "config_scan_refused", "b21a81c0ce194c899577bf3300f1ecde", 20) \
	X(CONFIG_DB_LOST, "config_db_lost", "8259326459b14c9f8af4ada4f026e232", 20) \
	X(APPL_DB_EMPTIED, "appl_db_emptied", "e27fe63ab99c4d9890e965d4c0fce095", 20) \
	X(ROWS_UNPROVED, "rows_unproved", "bff5f314009f461f8aa57ff6dbd3958c", 20) \
	X(MARKER_GONE, "marker_gone", "601c510f3ff9483a8841f026332b5083", 20) \
	X(SWITCH_TYPE_UNREADABLE, "switch_type_unreadable", "797b89b9fd9f484dbd58b30b74f435a4", 20) \
	X(OLD_LINKS_RETIRED, "old_links_retired", "668b3eb78cae4d32a57aed5e6b81210f", 0) \
	X(OLD_LINK_SET_DOWN, "old_link_set_down", "5340e4e33d824b99b2b81fade9a25126", 0) \
	X(OLD_LINKS_KEPT, "old_links_kept", "fdf47c1c9d574ba7827ff3ffaa17216d", 0) \
	X(OLD_LINKS_UNDECIDED, "old_links_undecided", "34f7d11596cb43cf9ca7b590d9fe57b1", 20) \
	X(OLD_LINKS_UP, "old_links_up", "70a0ab60fc6d485188f2004afea8fbff", 0) \
	X(PORT_CONFIG_DONE, "port_config_done", "34eb84ca52f042a497e517182aff434b", 20) \
	X(PORT_INIT_DONE, "port_init_done", "3bb0da02532d42d09dc9b779abda79cf", 20) \
	X(PORTS_AWAITED, "ports_awaited", "188c941ec6bc4623a8d5881bfdd39a7f", 20) \
	X(PORT_COUNT_MENDED, "port_count_mended", "7bd9f4b1256c4666ba3e7e5da6938c43", 20) \
	X(PORT_COUNT_REFUSED, "port_count_refused", "4c740fcc68034071b807ab48b8ab3c38", 20) \
	X(WARM_START, "warm_start", "55f759ad14ff487ab6345d83c69f6685", 0) \
	X(WARM_START_NOT_POSSIBLE, "warm_start_not_possible", "eec1afc725174a57b022e54a9ca7ce80", 0) \
	X(WARM_TABLES_REFUSED, "warm_tables_refused", "50e92e5452c0495e89799156027cdecc", 20) \
	X(LOGGER_VALUE_BAD, "logger_value_bad", "e33a2b522a7446139758261034ad257a", 20) \
	X(LOGGER_REFUSED, "logger_refused", "25a1caff91b64d129d760b0eb63fe0a3", 20) \
	X(TUNING_IN_FORCE, "tuning_in_force", "2e60496272a947bba80fda9cd97fa6c1", 0) \
	X(TUNING_REFUSED, "tuning_refused", "1479a03b596f42aa95e10d24250297f5", 0) \
	X(SANDBOX_IN_FORCE, "sandbox_in_force", "40dc81aa7c254bd6a96d6e0ddb5d6262", 0) \
	X(SANDBOX_OFF, "sandbox_off", "14d6b5ef85bc4a93b63e6e801dbeb8ed", 0) \
	X(STATE_LOADED, "state_loaded", "91493c3a65a0496eae57481664a52d6c", 0) \
	X(STATE_JUMPED, "state_jumped", "5987da3f8ad84ea3a55efcb2c6549f24", 0) \
	X(STATE_MISSING, "state_missing", "d9852301a40b4ac1a7ea7a479ed3817e", 0) \
	X(STATE_REFUSED, "state_refused", "9bc7200ad3114fdeb060584ce78aebe8", 0) \
	X(STATE_IN_USE, "state_in_use", "fdc45442b2c1451ea3328ae94f13e174", 0) \
	X(STATE_NOT_SAVED, "state_not_saved", "69d9e6dddbae46cc85cdb2f03f62fbad", 3) \
	X(STATE_SAVED_AGAIN, "state_saved_again", "06ed7da3d8cc4e85ae08f5d7a57b52d8", 3) \
	X(RECORDER_OFF, "recorder_off", "762fea23cca34409ba48587714a595c1", 0) \
	X(RECORDING_WRITTEN, "recording_written", "779f8b1741d64739924508b14436ee1e", 20) \
	X(RECORDING_FAILED, "recording_failed", "d544eb6f3a054c868515a8ba6a4767bf", 3) \
	X(STARTED, "started", "a163c85229ee43be9c370d062858619f", 0) \
	X(RUNS_ALREADY, "runs_already", "8d21b66028bf4fd499625c5b0f29e6f7", 0) \
	X(LOCK_TAKEN, "lock_taken", "56fd1284bac54d29876360048d8fff54", 0) \
	X(LIMIT_INHERITED, "limit_inherited", "9da61886f691414d92eecec3c9c21357", 0) \
	X(DESCRIPTOR_CLOSED, "descriptor_closed", "7be902a8479c42a990eece2ea17700b4", 0) \
	X(THREAD_MISSING, "thread_missing", "08946a9e01914634883066d0df2b7245", 0) \
	X(NO_AUDIT_TRAIL, "no_audit_trail", "79fef89cf74a4e31a3929d57064574b2", 0) \
	X(PREVIOUS_STOP, "previous_stop", "9b3a51ad3ac24f269123366c32224e78", 0) \
	X(STOPPING, "stopping", "64249832a6f6477c9f8a7015c844aefe", 0) \
	X(STOP_INCOMPLETE, "stop_incomplete", "04afaa4aa67d457184d1ea243be387a6", 0) \
	X(ENDED_BY_FAULT, "ended_by_fault", "eef0d542da4949b8bb270e3ba22523f1", 0) \
	X(SUMMARY, "summary", "1b0bac5ec1e647bf8a6d50efbe22faea", 0) \
	X(LOG_LEVEL_SET, "log_level_set", "2507383ed7c847388e32ef6b4bafa68e", 20) \
	X(CONFIG_READ, "config_read", "91dd8aa0b17244ec87f91408b3db66cc", 0) \
	X(CONFIG_REFUSED, "config_refused", "bf28e743a2f14fdb8671f926eab69c02", 60) \
	X(CONFIG_NEEDS_RESTART, "config_needs_restart", "cf778e21c20e47fcbe3a6f479ed14a22", 20) \
	X(HTTP_LISTENING, "http_listening", "33023b35026b4b348896bce385b33a4e", 0) \
	X(HTTP_CLIENTS_LIMITED, "http_clients_limited", "70b81d801d2e43d0a4edaae2f01e1562", 0) \
	X(HTTP_CLIENT_DROPPED, "http_client_dropped", "662e14ff2338414cbbdf59f5534c7215", 3) \
	X(HTTP_CLIENT_REFUSED, "http_client_refused", "a739e0d683fd42e6bbe9442ce601961c", 3) \
	X(HTTP_NO_CLIENT, "http_no_client", "17467650a7b842878df042d5292b7cc0", 3) \
	X(HTTP_CERTIFICATE, "http_certificate", "fb0c530cca5d489b97669ce005e3ae76", 0) \
	X(HTTP_RENEWED, "http_certificate_renewed", "f37cb1aa9d60415b8c6e3d45a298cc04", 0) \
	X(HTTP_NOT_RENEWED, "http_certificate_refused", "25f0e1a103c5446db2d4cc9cc9e21a7f", 0) \
	X(HTTP_DOWN, "http_down", "379ac2f86fd4422fa8c3d3f7d252a8f2", 0) \
	X(HTTP_PARTLY, "http_partly", "830c398b759a4840b116cf072742c886", 0) \
	X(LINES_HELD_BACK, "lines_held_back", "404de17c377748a4bbb7fa7c15232e6d", 0) \
	X(LINES_DROPPED, "lines_dropped", "1a27e21b05fb470ea4416d3297aee42e", 0)

/* Records of the audit trail; the name is AUDIT_EVENT. The rate of PORT_STATE is for each port (sonic/portlog). */
#define AUDIT_KINDS(X) \
	X(START, "start", "69fe90167a9343638a7ebd496d058972", 0) \
	X(STOP, "stop", "6d6ebec3ad8c4ecaa6dfae02a8bf30ac", 0) \
	X(CONFIG_LOADED, "config_loaded", "49c419d0c8bb4eddaa5ff6b9d361b8ec", 0) \
	X(CONFIG_CHANGED, "config_changed", "b1a9583bff1b4fb29c04e06cdc74729c", 0) \
	X(CONFIG_REFUSED, "config_refused", "f3f519ce7f2c4cd9a02d3de85596b280", 0) \
	X(LEVEL_CHANGED, "log_level_changed", "5f7de1f4dedc48ada4e469f1aa3220ea", 0) \
	X(REDIS_AUTH, "redis_auth_failed", "24d64f83bf324106a584ecbfe862adaf", 20) \
	X(REDIS_DENIED, "redis_access_denied", "03e6b05136b64dd2b92981b09b68b86c", 20) \
	X(CAPABILITY, "capability_missing", "d2b6e1ec8bf148918cfa5142308fd883", 0) \
	X(SANDBOX, "sandbox_applied", "aa70dd5a80f544d795249f6aa3b03ff5", 0) \
	X(TUNING, "tuning_refused", "492b3a116acd4e929e043919f290db50", 0) \
	X(SPOOF, "netlink_spoof_dropped", "423c10ec3c71417492a5a115a5907831", 20) \
	X(OVERRUN, "receive_overrun", "382cc8e679f74aa68f5c61c151953653", 20) \
	X(RESYNC, "resync", "45483486aacf46b0a6f6c50842567ee0", 20) \
	X(PORT_INIT_DONE, "port_init_done", "cbd23c3201b94ee09d9fee52a501fdbe", 20) \
	X(PORT_STATE, "port_state_change", "77c0430adb194fc2a1392a4226121ab4", 6) \
	X(STATE_REFUSED, "state_file_refused", "85c86037a3864c8e96732d23d6ac651c", 0) \
	X(HELD_BACK, "records_held_back", "a16937c2102545b6924fee10d41b50a3", 0)
/* clang-format on */

#define LOG_KIND_ENUM(symbol, name, id, lines) KIND_##symbol,
#define AUDIT_KIND_ENUM(symbol, name, id, lines) AUDIT_##symbol,
enum log_kind { LOG_KINDS(LOG_KIND_ENUM) AUDIT_KINDS(AUDIT_KIND_ENUM) KINDS };
#undef LOG_KIND_ENUM
#undef AUDIT_KIND_ENUM

#define LOG_KIND_NAME_MAX 32 /* bytes: RFC 5424 6.2.7 */

struct log_kind_info {
	const char *name;
	const char *id; /* the UUID, 32 hexadecimal digits */
	unsigned lines; /* within a window; 0: any number */
	bool audit;
};

extern const struct log_kind_info log_kinds[KINDS];

#endif
