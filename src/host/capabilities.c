/* SPDX-License-Identifier: Apache-2.0 */
#include "host/capabilities.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What capabilities_connect() may put in force. 0: nothing was kept. */
static uint32_t kept;

static bool has(capng_type_t set, unsigned int capability)
{
	return capng_have_capability(set, capability) == 1;
}

static uint32_t bit(bool wanted, unsigned int capability)
{
	return wanted ? UINT32_C(1) << capability : 0;
}

/* One of the first 32. Not by the library, which would read all sets, with fifty system calls. */
static bool permits(unsigned int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, sets) == 0 && (sets[0].permitted & bit(true, capability)) != 0;
}

bool capabilities_net_admin(void)
{
	return permits(CAP_NET_ADMIN);
}

bool capabilities_override(void)
{
	return geteuid() == 0 && permits(CAP_DAC_OVERRIDE);
}

/* wanted: a bit for each capability; none beyond the 32nd is wanted. */
static bool only(capng_type_t set, uint32_t wanted)
{
	for (unsigned int i = 0; i <= (unsigned int)CAP_LAST_CAP; i++)
		if (has(set, i) != (i < 32 && (wanted & bit(true, i)) != 0))
			return false;
	return true;
}

static int choose(bool net_admin, bool override)
{
	int r = 0;

	capng_clear(CAPNG_SELECT_ALL);
	if (net_admin)
		r = capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_NET_ADMIN, -1);
	if (r == 0 && override)
		r = capng_update(CAPNG_ADD, CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
	return r < 0 ? -EINVAL : 0;
}

/* The library's result is ignored: the outcome is read back from the kernel. */
static void apply(capng_select_t sets)
{
	int ignored = capng_apply(sets);

	(void)ignored;
}

int capabilities_give_up(bool keep_override, bool *whole)
{
	bool override = keep_override && capabilities_override();
	bool net_admin = capabilities_net_admin();
	bool bounded = capng_get_caps_process() == 0 && has(CAPNG_EFFECTIVE, CAP_SETPCAP);
	uint32_t in_force = bit(net_admin, CAP_NET_ADMIN), permitted = in_force | bit(override, CAP_DAC_OVERRIDE);
	int r = choose(net_admin, override);

	if (r < 0)
		return r;
	if (bounded) /* or the library would complain to syslog */
		apply(CAPNG_SELECT_BOUNDS);
	apply(CAPNG_SELECT_CAPS);
	apply(CAPNG_SELECT_AMBIENT);
	if (capng_get_caps_process() < 0 || !only(CAPNG_PERMITTED, permitted) || !only(CAPNG_EFFECTIVE, in_force))
		return -EPERM;
	kept = override ? permitted : 0;
	*whole = only(CAPNG_INHERITABLE, 0) && only(CAPNG_AMBIENT, 0) && only(CAPNG_BOUNDING_SET, in_force);
	return 0;
}

/* Not by the library, which would read sets that the sandbox hides from us. */
static void put_in_force(uint32_t effective)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = effective, .permitted = kept}};

	(void)syscall(SYS_capset, &header, sets);
}

int capabilities_connect(int fd, const struct sockaddr *address, socklen_t len)
{
	bool override = kept != 0 && address->sa_family == AF_UNIX;
	int r;

	if (override)
		put_in_force(kept);
	r = connect(fd, address, len) < 0 ? -errno : 0;
	if (override)
		put_in_force(kept & ~bit(true, CAP_DAC_OVERRIDE));
	return r;
}
