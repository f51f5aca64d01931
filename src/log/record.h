/* SPDX-License-Identifier: Apache-2.0 */
/* A line between its caller and the log thread. Fixed size, so that the ring needs no memory for each line. */
#ifndef PORTSYNCD_LOG_RECORD_H
#define PORTSYNCD_LOG_RECORD_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "log/kinds.h"

#define LOG_TEXT_BYTES 1024 /* with its NUL; longer text ends in "..." */
#define LOG_REASON_BYTES 160
#define LOG_SUBJECT_BYTES 48

struct log_record {
	uint64_t realtime_usec;
	enum log_kind kind;
	int level; /* LOG_EMERG .. LOG_DEBUG */
	int line;
	int ifindex;                 /* 0, and NULL and "" below: none */
	const char *function, *file; /* of static storage, as the next two */
	const char *admin, *oper;
	uint64_t event_id, latency_us;
	uint32_t mtu;
	char port[IFNAMSIZ];
	char reason[LOG_REASON_BYTES];
	/* Of an audit record: */
	uint64_t audit_seq;  /* its number; 0: not an audit record */
	enum log_kind event; /* of AUDIT_KINDS; equals kind if the record is not also a log line */
	const char *outcome;
	char subject[LOG_SUBJECT_BYTES];
	char text[LOG_TEXT_BYTES];
};

#endif
