/* SPDX-License-Identifier: Apache-2.0 */
/* In a build with -Dsandbox=false this takes the place of confine.c and of the sandbox in host/. */
#include "daemon/confine.h"
#include "log/audit.h"

int confine_seal(struct daemon *d)
{
	(void)d;
	audit_event(LOG_WARNING, KIND_SANDBOX_OFF, AUDIT_SANDBOX, AUDIT_FAILURE, audit_self(),
		    "this build has no sandbox: a fault in this process has all the rights of its user");
	return 0;
}

int confine_check(struct daemon *d)
{
	(void)d;
	return 0;
}

int confine_enter(struct daemon *d)
{
	(void)d;
	return 0;
}

int confine_lock(struct daemon *d)
{
	(void)d;
	return 0;
}

void confine_free(struct daemon *d)
{
	(void)d;
}

struct sandbox_parts confine_parts(const struct daemon *d)
{
	(void)d;
	return (struct sandbox_parts){.files = false};
}

bool confine_allows_log(const struct daemon *d, const struct config *config)
{
	(void)d;
	(void)config;
	return true;
}
