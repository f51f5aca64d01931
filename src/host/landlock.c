/* SPDX-License-Identifier: Apache-2.0 */
#include "host/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

#include "base/util.h"

/* The headers of Debian 12 end at version 2; the numbers are the kernel's (include/uapi/linux/landlock.h). */
#define FS_TRUNCATE (UINT64_C(1) << 14)  /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)  /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define RULE_NET_PORT 2 /* 4 */

/* An older kernel accepts a longer struct as long as the rest is 0. */
struct ruleset {
	uint64_t fs, net, scoped;
};

struct port_rule {
	uint64_t access, port;
};

#define FS_VERSION_1                                                                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                  \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                 \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                   \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

#define FS_IN_FOLDERS                                                                                                  \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | FS_TRUNCATE)

static struct ruleset forbidden_by(int version, bool abstract_sockets)
{
	struct ruleset set = {.fs = FS_VERSION_1};

	if (version >= 2)
		set.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		set.fs |= FS_TRUNCATE;
	if (version >= LANDLOCK_HOLDS_TCP)
		set.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (version >= 5)
		set.fs |= FS_IOCTL_DEV;
	if (version >= LANDLOCK_HOLDS_ABSTRACT_SOCKETS)
		set.scoped = SCOPE_SIGNAL | (abstract_sockets ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET);
	return set;
}

static int add_rule(int fd, int type, const void *rule)
{
	return syscall(SYS_landlock_add_rule, fd, type, rule, 0) < 0 ? -errno : 0;
}

static int allow_folder(int fd, const struct ruleset *set, const char *path, uint64_t more)
{
	int folder cleanup(close_fd) = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = (FS_IN_FOLDERS | more) & set->fs,
		.parent_fd = folder,
	};

	if (folder < 0)
		return 0;
	return add_rule(fd, LANDLOCK_RULE_PATH_BENEATH, &rule);
}

static int allow_port(int fd, const struct ruleset *set, uint64_t access, uint16_t port)
{
	const struct port_rule rule = {.access = access, .port = port};

	return set->net == 0 ? 0 : add_rule(fd, RULE_NET_PORT, &rule);
}

const char *landlock_gaps(int version)
{
	if (version >= LANDLOCK_HOLDS_ABSTRACT_SOCKETS)
		return "";
	return version >= LANDLOCK_HOLDS_TCP
		       ? "abstract Unix sockets (held from Linux 6.12 on)"
		       : "TCP ports (held from Linux 6.7 on), abstract Unix sockets (from 6.12 on)";
}

/* Rules for one folder add up. */
static int allow_all(int fd, const struct ruleset *set, const struct landlock_allowed *allowed)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < allowed->n_folders; i++)
		r = allow_folder(fd, set, allowed->folders[i], 0);
	if (r == 0 && allowed->sockets)
		r = allow_folder(fd, set, allowed->sockets, LANDLOCK_ACCESS_FS_MAKE_SOCK);
	for (size_t i = 0; r == 0 && i < allowed->n_ports; i++)
		r = allow_port(fd, set, NET_CONNECT_TCP, allowed->ports[i]);
	for (size_t i = 0; r == 0 && i < allowed->n_listening; i++)
		r = allow_port(fd, set, NET_BIND_TCP, allowed->listening[i]);
	return r;
}

int landlock_confine(const struct landlock_allowed *allowed)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset set;
	int fd cleanup(close_fd) = -1, r;

	/* No kernel refuses to say its version, but a container's filter that does not know Landlock may.
	 */
	if (version < 0)
		return errno == EPERM ? -ENOSYS : -errno;
	set = forbidden_by((int)version, allowed->abstract_sockets);
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (fd < 0)
		return -errno;
	r = allow_all(fd, &set, allowed);
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		r = -errno;
	return r < 0 ? r : (int)version;
}
