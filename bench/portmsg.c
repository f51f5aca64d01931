/* SPDX-License-Identifier: Apache-2.0 */
#include "portmsg.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

static int keep_attribute(const struct nlattr *attr, void *user)
{
	struct portmsg *port = user;

	if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		port->name = mnl_attr_get_str(attr);
	else if (mnl_attr_get_type(attr) == IFLA_MTU && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		port->mtu = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

bool portmsg_parse(const void *datagram, size_t len, struct portmsg *port)
{
	const struct nlmsghdr *nlh = datagram;

	*port = (struct portmsg){0};
	if (!mnl_nlmsg_ok(nlh, (int)len) || nlh->nlmsg_type != RTM_NEWLINK)
		return false;
	(void)mnl_attr_parse(nlh, sizeof(struct ifinfomsg), keep_attribute, port);
	return port->name && strncmp(port->name, "Ethernet", strlen("Ethernet")) == 0;
}
