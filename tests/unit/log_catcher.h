/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for rsyslog: a datagram socket in a folder of its own that keeps what the logger sends. */
#ifndef PORTSYNCD_LOG_CATCHER_H
#define PORTSYNCD_LOG_CATCHER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/audit.h"
#include "log/limit.h"
#include "scratch.h"

struct log_catcher {
	int fd;
	char folder[SCRATCH_BYTES], path[96];
	char line[2048]; /* the last one */
};

void catcher_listen(struct log_catcher *k);
/* Stands in for the service manager: NOTIFY_SOCKET leads here. */
void catcher_manages(struct log_catcher *k);
void catcher_manages_no_more(struct log_catcher *k);

/* Without the audit trail, which has tests of its own. */
void catcher_open(enum log_target_type type, int level, const char *syslog_path);
void catcher_start(struct log_catcher *k, int level);
void catcher_stop(struct log_catcher *k);

/* Puts the next line into k->line; false when there is none. */
bool catcher_next(struct log_catcher *k);

/* Reads all lines, counts those that hold text. */
unsigned int catcher_count(struct log_catcher *k, const char *text);

#endif
