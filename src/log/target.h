/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the log's lines go: opens it, writes records to it one by one, and comes back when it went away. No call waits
 * for who reads: not even sd_journal_sendv(), nor a stderr that blocks, as long as no other process fills the journal's
 * queue or the pipe in the moment after we looked.
 */
#ifndef PORTSYNCD_LOG_TARGET_H
#define PORTSYNCD_LOG_TARGET_H

#include <stdbool.h>
#include <sys/un.h>

#include "base/backoff.h"
#include "log/address.h"
#include "log/format.h"

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket" /* sd-journal's */

enum log_sink { LOG_SINK_STDERR, LOG_SINK_STDOUT, LOG_SINK_SYSLOG, LOG_SINK_JOURNAL, LOG_SINK_RFC5424 };

struct logtarget_settings {
	enum log_sink sink;
	char syslog_path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "/dev/log" but for tests */
	char rfc5424_to[LOG_ADDRESS_MAX + 1];                          /* see logaddress.h; checked */
};

/* Private to logtarget.c; not opaque, so that the log, which must work without memory, can hold one. */
struct logtarget {
	struct logtarget_settings settings;
	struct log_address address; /* of syslog too */
	struct log_origin origin;
	struct backoff backoff;
	uint64_t retry_at; /* CLOCK_MONOTONIC us; 0: now */
	int fault;         /* errno of the last attempt; 0: it succeeded, or only has to wait */
	int fd;
	bool colour;
	unsigned torn;    /* a bit for each sink that ends in the midst of a line */
	size_t len, sent; /* of the line under way; len 0: there is none */
	char line[LOG_LINE_BYTES + 32];
};

/* Opens nothing yet. An earlier one must be closed, a first one zeroed but for fd -1. */
void logtarget_init(struct logtarget *target, const struct logtarget_settings *settings);
/* Forgets the line under way. */
void logtarget_close(struct logtarget *target);

/*
 * Writes the record. 0; -EAGAIN: not yet, the same record is to be given again once logtarget_wait() says so; any other
 * negative errno: the record cannot be written and is lost.
 */
int logtarget_write(struct logtarget *target, const struct log_record *record);
/* Why it takes nothing, an errno; 0: it does, or there is no room in it for the moment. */
int logtarget_fault(const struct logtarget *target);
/* For people. */
const char *logtarget_name(const struct logtarget *target);
/* After -EAGAIN: the descriptor that has to become writable, or -1 and the time in *until, CLOCK_MONOTONIC us. */
int logtarget_wait(const struct logtarget *target, uint64_t *until);

#endif
