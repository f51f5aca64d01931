/* SPDX-License-Identifier: Apache-2.0 */
#include "host/capabilities.h"

#include <cap-ng.h>
#include <errno.h>

static bool has(capng_type_t set, unsigned int capability)
{
	return capng_have_capability(set, capability) == 1;
}

bool capabilities_net_admin(void)
{
	return capng_get_caps_process() == 0 && has(CAPNG_PERMITTED, CAP_NET_ADMIN);
}

bool capabilities_ipc_lock(void)
{
	return capng_get_caps_process() == 0 && has(CAPNG_EFFECTIVE, CAP_IPC_LOCK);
}

bool capabilities_setgid(void)
{
	return capng_get_caps_process() == 0 && has(CAPNG_EFFECTIVE, CAP_SETGID);
}

static bool only(capng_type_t set, bool net_admin)
{
	for (unsigned int i = 0; i <= (unsigned int)CAP_LAST_CAP; i++)
		if (has(set, i) != (net_admin && i == CAP_NET_ADMIN))
			return false;
	return true;
}

/* What the kernel says, not what the library believes. */
static bool in_force(bool net_admin, bool bounded, bool inheritable)
{
	if (capng_get_caps_process() < 0)
		return false;
	return only(CAPNG_PERMITTED, net_admin) && only(CAPNG_EFFECTIVE, net_admin) &&
	       (only(CAPNG_INHERITABLE, false) || (inheritable && only(CAPNG_INHERITABLE, true))) &&
	       only(CAPNG_AMBIENT, false) && (!bounded || !has(CAPNG_BOUNDING_SET, CAP_SYS_ADMIN));
}

int capabilities_give_up(bool *bounded)
{
	bool net_admin = capabilities_net_admin(), refused;

	*bounded = has(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_ALL);
	if (net_admin &&
	    capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_NET_ADMIN, -1) < 0)
		return -EINVAL;
	if (*bounded && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return -EPERM;
	/* A supervisor that gave us one capability may refuse capset(): then an inheritable one stays, which no_new_privs
	 * makes void (capabilities(7)), and the rest has to be as it should be. */
	refused = capng_apply(CAPNG_SELECT_CAPS) < 0;
	if (capng_apply(CAPNG_SELECT_AMBIENT) < 0)
		return -EPERM;
	return in_force(net_admin, *bounded, refused) ? 0 : -EPERM;
}
