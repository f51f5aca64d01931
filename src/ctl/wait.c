/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/wait.h"

#include <errno.h>
#include <time.h>

#include "base/util.h"
#include "ctl/ctl.h"

#define LEAST_SECS 1.0

static double answer_secs = CTL_ANSWER_SECS;

void wait_answers_for(double seconds)
{
	answer_secs = MIN(MAX(seconds, LEAST_SECS), CTL_ANSWER_SECS);
}

double wait_answer_seconds(void)
{
	return answer_secs;
}

uint64_t wait_deadline(void)
{
	return now_usec() + (uint64_t)(answer_secs * USEC_PER_SEC);
}

int wait_fd(int fd, short events, uint64_t deadline_usec)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = events};
		uint64_t now = now_usec(), left = deadline_usec > now ? deadline_usec - now : 0;
		int n = poll(&poll_fd, 1, (int)((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && left == 0)
			return -ETIMEDOUT;
	}
}

void wait_seconds(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * (double)NSEC_PER_SEC);
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}
