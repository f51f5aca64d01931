/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A switch for portsyncctl: a process called portsyncd that serves the daemon's pages, and a Redis with two ports. All
 * is well with both, unless a test says otherwise.
 */
#ifndef PORTSYNCD_CTL_WORLD_H
#define PORTSYNCD_CTL_WORLD_H

#include <stddef.h>
#include <sys/types.h>

#define WORLD_ANSWER_BYTES 65536

/* What a test changes between two calls. */
struct world_faults {
	char target[32]; /* this page ("/status") is answered with these bytes; "": none */
	char answer[WORLD_ANSWER_BYTES];
	size_t len;
	size_t redis_most; /* bytes that Redis says on one connection before it hangs up */
};

struct world {
	char http[96], redis[96]; /* sockets */
	pid_t pid;
	struct world_faults *faults; /* shared with the process */
};

void world_begin(struct world *w, const char *folder);
void world_end(struct world *w);

/* The answer to this page, with its head, while all is well. Returns how long it is. */
size_t world_page(const char *target, char out[WORLD_ANSWER_BYTES]);
void world_answers(struct world *w, const char *target, const char *answer, size_t len);
/* All is well again. */
void world_heals(struct world *w);

#endif
