/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verbs.h"

#include <string.h>

#define ANY_NUMBER ((size_t)-1)

static const struct ctl_option no_options[] = {{0, NULL, NULL, NULL}};

/* In the order of the help. */
const struct ctl_verb ctl_verbs[] = {
	{
		.name = "ports",
		.help = "kernel, CONFIG_DB, APPL_DB and STATE_DB side by side, differences marked",
		.arguments = "[PATTERN...]",
		.max = ANY_NUMBER,
		.words = CTL_WORDS_PORTS,
		.options = no_options,
		.run = verb_ports,
	},
	{.name = NULL},
};

const struct ctl_verb *ctl_verb_find(const char *name)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}
