/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_CTL_WAIT_H
#define PORTSYNCD_CTL_WAIT_H

#include <poll.h>
#include <stdint.h>

/* When a peer that is silent from now on has been silent for too long: CLOCK_MONOTONIC us. */
uint64_t wait_deadline(void);
/* Sets how long a peer may be silent, within a second and CTL_ANSWER_SECS, the default. */
void wait_answers_for(double seconds);
/* How long a peer may be silent, in seconds. */
double wait_answer_seconds(void);
/* Waits until the descriptor is ready for these events of poll(2). 0; -ETIMEDOUT; another negative errno. */
int wait_fd(int fd, short events, uint64_t deadline_usec);
/* Sleeps. */
void wait_seconds(double seconds);

#endif
