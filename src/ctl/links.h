/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's links, read by an RTM_GETLINK of our own. */
#ifndef PORTSYNCD_CTL_LINKS_H
#define PORTSYNCD_CTL_LINKS_H

#include "ctl/ctl.h"
#include "kernel/linkmsg.h"

struct ctl_links {
	struct link_msg *links; /* in natural order of their names */
	size_t n;
	bool interrupted; /* the links kept changing: these are right, but some may be missing */
};

/*
 * All links of the network namespace of --netns, or that of --namespace where this machine has one with that name, or
 * ours. 0; or -1, ctl_fail() is due.
 */
int ctl_links_read(struct ctl *ctl, struct ctl_links *ret);
void ctl_links_done(struct ctl_links *links);

/* NULL: there is none. */
const struct link_msg *ctl_links_find(const struct ctl_links *links, const char *name);

#endif
