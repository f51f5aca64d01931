/* SPDX-License-Identifier: Apache-2.0 */
/* A process that serves a Unix socket, with one answer to every question, and hangs up. */
#ifndef PORTSYNCD_ANSWERING_H
#define PORTSYNCD_ANSWERING_H

#include <stddef.h>
#include <sys/types.h>

struct answering {
	pid_t pid;    /* the peer of those who connect; 0: it does not run */
	int requests; /* what it was asked comes out of this pipe, which does not block */
};

/* A socket that is bound to this path, and does not listen yet. */
int answering_bind(const char *path);
/* name: of the process. answer: "": it only hangs up. times: so often it gives the answer. */
void answering_start(struct answering *a, const char *path, const char *name, const char *answer, size_t times);
/* Removes the socket, too. Nothing if it does not run. */
void answering_end(struct answering *a, const char *path);

#endif
