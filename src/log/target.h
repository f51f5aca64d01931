/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go: opens the target, writes records one by one, reconnects. No call waits for the reader, not even
 * sd_journal_sendv() or a blocking stderr, unless another process fills the journal's queue or the pipe just after our
 * check.
 */
#ifndef PORTSYNCD_LOG_TARGET_H
#define PORTSYNCD_LOG_TARGET_H

#include <stdbool.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/backoff.h"
#include "log/format.h"

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket" /* sd-journal's */

enum log_target_type { LOG_TO_STDERR, LOG_TO_STDOUT, LOG_TO_SYSLOG, LOG_TO_JOURNAL, LOG_TO_RFC5424 };

struct logtarget_settings {
	enum log_target_type type;
	char syslog_path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "/dev/log" but for tests */
	char rfc5424_to[ADDRESS_DESTINATION_MAX + 1];                  /* a destination; checked */
};

/* Private to target.c; not opaque, since the log must work without allocating one. */
struct logtarget {
	struct logtarget_settings settings;
	struct destination address; /* of syslog too */
	struct log_origin origin;
	struct backoff backoff;
	uint64_t retry_at; /* CLOCK_MONOTONIC us; 0: now */
	int fault;         /* errno of the last attempt; 0: it succeeded or must wait */
	int fd;
	bool colour;
	unsigned torn;    /* a bit for each target whose last line is incomplete */
	size_t len, sent; /* of the present line; len 0: none */
	char line[LOG_LINE_BYTES + 32];
};

/* Opens nothing yet. Close a used target first; a new one is all zero but for fd -1. */
void logtarget_init(struct logtarget *target, const struct logtarget_settings *settings);
/* Discards the present line. */
void logtarget_close(struct logtarget *target);

/*
 * Writes the record. 0, -EAGAIN (pass the same record again when logtarget_wait() says so), or another negative errno:
 * the record is lost.
 */
int logtarget_write(struct logtarget *target, const struct log_record *record);
/* The errno for which it refuses lines; 0 if it accepts them or is only full for the moment. */
int logtarget_fault(const struct logtarget *target);
/* Its name, for people. */
const char *logtarget_name(const struct logtarget *target);
/* After -EAGAIN: the descriptor to wait for until it is writable, or -1 and a time in *until, CLOCK_MONOTONIC us. */
int logtarget_wait(const struct logtarget *target, uint64_t *until);

#endif
