/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's stream of changes (/watch), line by line. */
#ifndef PORTSYNCD_CTL_FOLLOW_H
#define PORTSYNCD_CTL_FOLLOW_H

#include <jansson.h>

#include "ctl/ctl.h"

struct follow_ops {
	void (*hello)(const char *version, void *user);
	bool (*change)(json_t *change, void *user); /* false: no more is wanted */
	void (*lost)(long long lost, void *user);   /* this many changes are missing here: we were too slow */
};

struct follow;

/* NULL: ctl_fail() is due. */
struct follow *follow_open(struct ctl *ctl, const struct follow_ops *ops, void *user);
void follow_close(struct follow *f);
int follow_fd(const struct follow *f);
/* For poll(2): how long the daemon may still be silent. */
int follow_patience_ms(const struct follow *f);

enum follow_outcome {
	FOLLOW_MORE,   /* all there is was handed out: wait for follow_fd(), at most follow_patience_ms() */
	FOLLOW_ENDED,  /* no more was wanted */
	FOLLOW_FAILED, /* the daemon is gone, or silent for too long: ctl_fail() is due */
};

enum follow_outcome follow_read(struct follow *f);

#endif
