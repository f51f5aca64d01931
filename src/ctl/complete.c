/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/complete.h"

#include <stdio.h>

#include "ctl/verbs.h"

void complete_answer(struct ctl *ctl, int n, char *words[])
{
	(void)ctl;
	(void)words;
	for (const struct ctl_verb *verb = ctl_verbs; n == 1 && verb->name; verb++)
		(void)printf("%s\t%s\n", verb->name, verb->help);
}
