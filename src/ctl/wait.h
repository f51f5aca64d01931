/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_CTL_WAIT_H
#define PORTSYNCD_CTL_WAIT_H

#include <poll.h>
#include <stdint.h>

/* CLOCK_MONOTONIC, in microseconds, when one that says nothing from now on has been silent for too long. */
uint64_t wait_deadline(void);
/* No more than this, or a second, or CTL_ANSWER_SECS, which is the default. */
void wait_answers_for(double seconds);
/* How long it may be silent, in seconds. */
double wait_answer_seconds(void);
/* Until the descriptor is ready for these events of poll(2). 0; -ETIMEDOUT; another negative errno. */
int wait_fd(int fd, short events, uint64_t deadline_usec);
/* Sleeps. */
void wait_seconds(double seconds);

#endif
