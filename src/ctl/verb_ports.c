/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ctl/databases.h"
#include "ctl/links.h"
#include "ctl/names.h"
#include "ctl/out.h"
#include "ctl/verbs.h"

int verb_ports(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_links links;

	if (ctl_links_read(ctl, &links) < 0)
		return ctl_fail(ctl);
	for (size_t i = 0; i < links.n; i++)
		if (names_match(links.links[i].name, argc, argv))
			(void)printf("%s\n", links.links[i].name);
	ctl_links_done(&links);
	return CTL_GOOD;
}
