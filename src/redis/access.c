/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/access.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "log/audit.h"

void access_init(struct access *access, const char *username, const char *source, access_read_fn read, void *user)
{
	*access = (struct access){.username = username, .source = source, .read = read, .user = user};
	list_init(&access->refused);
}

const char *access_describe(const struct access *access, char *out, size_t size)
{
	bool named = access->source[0] != '\0';

	(void)snprintf(out, size, "user \"%s\", %s%s", access->username ? access->username : "default",
		       named ? "password of " : "no password: redis_password_file is not set",
		       named ? access->source : "");
	return out;
}

static bool server_refused_before(const struct access *access, const struct access_entry *entry)
{
	for (const struct list *at = access->refused.next; at != &access->refused; at = at->next)
		if (strcmp(container_of(at, struct access_entry, link)->endpoint, entry->endpoint) == 0)
			return true;
	return false;
}

bool access_refused(struct access *access, struct access_entry *entry)
{
	bool before = server_refused_before(access, entry);

	list_remove(&entry->link);
	list_append(&access->refused, &entry->link);
	return !before;
}

void access_granted(struct access_entry *entry)
{
	list_remove(&entry->link);
	entry->denied = false;
}

void access_denied(const struct access *access, struct access_entry *entry, const char *why)
{
	char who[ACCESS_DESCRIPTION_BYTES];

	if (entry->denied)
		return;
	entry->denied = true;
	audit_record(AUDIT_REDIS_DENIED, AUDIT_FAILURE, AUDIT_REDIS, NULL, "%s at %s: %s (%s)", entry->label,
		     entry->endpoint, why, access_describe(access, who, sizeof(who)));
}

void access_leave(struct access_entry *entry)
{
	list_remove(&entry->link);
}
