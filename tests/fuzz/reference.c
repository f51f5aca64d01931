/* SPDX-License-Identifier: Apache-2.0 */
#include "reference.h"

#include <stdio.h>
#include <string.h>

/* linux/if.h */
#define UP 0x1
#define RUNNING 0x40

bool reference_is_port(const struct ref_link *link)
{
	/* "PortChannel..." begins differently, so S10 needs only the check of the kind. */
	if (strncmp(link->name, "Ethernet", 8) != 0)
		return false;
	return strcmp(link->kind, "team") != 0;
}

const struct ref_link *reference_link(const struct ref_link *links, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (links[i].exists && strcmp(links[i].name, name) == 0 && reference_is_port(&links[i]) &&
		    !links[i].old)
			return &links[i];
	return NULL;
}

enum ref_answer reference_answer(const struct ref_link *links, size_t n, const char *name, bool configured,
				 struct ref_row *row)
{
	const struct ref_link *link = reference_link(links, n, name);

	if (strncmp(name, "Ethernet", 8) != 0)
		return REF_FOREIGN;
	if (!link)
		return REF_NOTHING;
	if (!configured)
		return REF_FOREIGN;
	(void)snprintf(row->state, sizeof(row->state), "ok");
	(void)snprintf(row->oper, sizeof(row->oper), "%s", link->flags & RUNNING ? "up" : "down");
	(void)snprintf(row->admin, sizeof(row->admin), "%s", link->flags & UP ? "up" : "down");
	(void)snprintf(row->mtu, sizeof(row->mtu), "%u", link->mtu);
	return REF_ROW;
}
