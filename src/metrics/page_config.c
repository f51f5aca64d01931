/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#include <stdlib.h>
#include <string.h>

/* Under the pages' lock: what the loop left is ours from then on, and the loop waits for nobody. */
static const char *take_newest(struct pages *p)
{
	char *newest = atomic_exchange(&p->new_config, NULL);

	if (newest) {
		free(p->config);
		p->config = newest;
	}
	return p->config;
}

void page_config(const struct visit *visit)
{
	const char *json = take_newest(visit->pages);

	answer_json(visit->out, json ? 200 : 503,
		    json ? json_loads(json, 0, NULL) : json_pack("{s:s}", "error", "the configuration is not known"));
}
