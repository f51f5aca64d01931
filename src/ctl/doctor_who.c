/* SPDX-License-Identifier: Apache-2.0 */
/* Which process is the daemon, and what its user may do. */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ctl/doctor.h"
#include "ctl/proc.h"
#include "redis/endpoint.h"

#define UNIT_USER "portsyncd"
#define TRY_SECS 10 /* for a file system that hangs */

/* --- the process --- */

/* The process that listens there; 0: nobody; -EACCES: we may not connect. */
static pid_t serving(const char *path)
{
	struct endpoint endpoint;
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	int fd cleanup(close_fd) = path[0] != '\0' ? endpoint_unix(&endpoint, path) : -ENOENT;

	if (fd == 0)
		fd = endpoint_connect(&endpoint.addresses[0], NULL);
	if (fd == -EACCES)
		return -EACCES;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return 0;
	return proc_is_called(peer.pid, "portsyncd") ? peer.pid : 0;
}

bool doctor_netns(const struct config *config, char *path, size_t size)
{
	bool named = config->netns[0] != '\0';
	const char *name = named ? config->netns : config->namespace_name;

	(void)snprintf(path, size, "/run/netns/%s", name);
	return named || (name[0] != '\0' && access(path, F_OK) == 0);
}

static bool wanted_netns(const struct config *config, struct stat *ret)
{
	char path[PATH_MAX];

	return doctor_netns(config, path, sizeof(path)) ? stat(path, ret) == 0 : proc_netns(0, ret);
}

/* The process of that name in this namespace; 0: there is none; -EACCES: there is one that we may not look at. */
static pid_t running_in(const struct stat *netns)
{
	struct stat found;
	pid_t pid = 0, ret = 0;

	while (proc_next("portsyncd", &pid)) {
		if (!proc_netns(pid, &found))
			ret = errno == EACCES ? -EACCES : ret;
		else if (found.st_ino == netns->st_ino && found.st_dev == netns->st_dev)
			return pid;
	}
	return ret;
}

void doctor_find_daemon(struct doctor *d)
{
	const struct config *config = &d->ctl->config;
	pid_t pid = serving(config->http_unix_socket), other;
	struct stat netns;

	if (pid <= 0 && wanted_netns(config, &netns)) {
		other = running_in(&netns);
		pid = other ? other : pid;
	}
	d->pid = MAX(pid, 0);
	d->hidden = pid < 0;
}

/* --- its user --- */

const char *doctor_user_name(uid_t uid, char *out, size_t size)
{
	const struct passwd *entry = getpwuid(uid);

	if (entry)
		(void)snprintf(out, size, "%s", entry->pw_name);
	else
		(void)snprintf(out, size, "%u", (unsigned)uid);
	return out;
}

const char *doctor_group_name(gid_t gid, char *out, size_t size)
{
	const struct group *entry = getgrgid(gid);

	if (entry)
		(void)snprintf(out, size, "%s", entry->gr_name);
	else
		(void)snprintf(out, size, "%u", (unsigned)gid);
	return out;
}

static void take_groups(struct doctor_user *user, const char *list)
{
	char *end;

	for (user->n_groups = 0; user->n_groups < DOCTOR_GROUPS_MAX; list = end) {
		unsigned long gid = strtoul(list, &end, 10);

		if (end == list || memchr(list, '\n', (size_t)(end - list)))
			break;
		user->groups[user->n_groups++] = (gid_t)gid;
	}
}

static uint64_t hexadecimal(const char *text)
{
	return text ? strtoull(text, NULL, 16) : 0;
}

/* The second number of the line, which is the effective one. */
static bool effective(const char *status, const char *field, unsigned *ret)
{
	const char *text = proc_field(status, field);
	char *end = NULL;

	if (!text)
		return false;
	(void)strtoul(text, &end, 10);
	*ret = (unsigned)strtoul(end, NULL, 10);
	return true;
}

static bool take_process(struct doctor_user *user, pid_t pid)
{
	char *status cleanup(free_ptr) = proc_read(pid, "status", NULL);
	const char *groups = status ? proc_field(status, "Groups") : NULL;

	if (!status || !effective(status, "Uid", &user->uid) || !effective(status, "Gid", &user->gid))
		return false;
	if (groups)
		take_groups(user, groups);
	user->capabilities = hexadecimal(proc_field(status, "CapPrm"));
	(void)doctor_user_name(user->uid, user->name, sizeof(user->name));
	return true;
}

static bool take_account(struct doctor_user *user, const char *name)
{
	int n = DOCTOR_GROUPS_MAX;
	const struct passwd *entry = getpwnam(name);
	char *end = NULL;

	if (!entry && name[0] != '\0')
		entry = getpwuid((uid_t)strtoul(name, &end, 10));
	if (!entry || (end && *end != '\0'))
		return false;
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	(void)snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
	user->n_groups = getgrouplist(entry->pw_name, entry->pw_gid, user->groups, &n) < 0 ? 0 : (size_t)n;
	return true;
}

/* The file of the unit, if there is one; NULL. */
static const char *find_unit(void)
{
	static const char *const units[] = {"/etc/systemd/system/portsyncd.service",
					    "/lib/systemd/system/portsyncd.service"};

	if (access("/run/systemd/system", F_OK) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (access(units[i], F_OK) == 0)
			return getpwnam(UNIT_USER) ? units[i] : NULL;
	return NULL;
}

/* What a process started by us would have, since supervisord starts the daemon the way we are started. */
static void take_own_capabilities(struct doctor_user *user)
{
	struct doctor_user own = {0};

	if (take_process(&own, getpid()) && own.uid == user->uid)
		user->capabilities = own.capabilities;
	else
		user->capabilities = UINT64_C(1) << CAP_NET_ADMIN; /* as the unit gives it */
}

int doctor_find_user(struct doctor *d)
{
	const char *name = ctl_option(d->ctl, "user");
	struct doctor_user *user = &d->user;

	*user = (struct doctor_user){0};
	if (!name && d->pid && take_process(user, d->pid))
		return 0;
	user->unit = name ? NULL : find_unit();
	if (name && !take_account(user, name))
		return ctl_set_error(d->ctl, CTL_USAGE, NULL, "--user: there is no such user");
	if (!name && !(user->unit && take_account(user, UNIT_USER)))
		return take_process(user, getpid()) ? 0 : ctl_set_error(d->ctl, CTL_NO_SOURCE, NULL, "no /proc");
	take_own_capabilities(user);
	return 0;
}

bool doctor_has(const struct doctor *d, unsigned capability)
{
	return (d->user.capabilities >> capability & 1) != 0;
}

/* --- as that user --- */

/* Gives up root's privileges over files even if the user is root, as the daemon does. */
static int become(const struct doctor *d, bool override)
{
	const struct doctor_user *user = &d->user;

	override = override && user->uid == 0 && doctor_has(d, CAP_DAC_OVERRIDE);
	if (geteuid() == 0 &&
	    (setgroups(user->n_groups, user->groups) < 0 || setresgid(user->gid, user->gid, user->gid) < 0))
		return -ENOTSUP;
	if (geteuid() != user->uid && setresuid(user->uid, user->uid, user->uid) < 0)
		return -ENOTSUP;
	capng_clear(CAPNG_SELECT_CAPS);
	if (override)
		(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -ENOTSUP : 0;
}

static _Noreturn void be_child(const struct doctor *d, bool override, doctor_try_fn try, const void *arg, int to)
{
	FILE *out = fdopen(to, "w");
	int r = out ? become(d, override) : -ENOMEM;

	(void)alarm(TRY_SECS);
	json_set_alloc_funcs(malloc, free); /* without memory the try fails, as the daemon would */
	if (r == 0)
		r = try(d, arg, out);
	if (out)
		(void)fflush(out);
	_exit(-r);
}

static char *read_all(int fd)
{
	char *text = NULL, bytes[1024];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	ssize_t n;

	while (out && (n = read(fd, bytes, sizeof(bytes))) > 0)
		(void)fwrite(bytes, 1, (size_t)n, out);
	if (out && fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int doctor_try(const struct doctor *d, bool override, doctor_try_fn try, const void *arg, char **said)
{
	int ends[2], status;
	pid_t child;

	*said = NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)fflush(NULL);
	child = fork();
	if (child == 0)
		be_child(d, override, try, arg, ends[1]);
	(void)close(ends[1]);
	*said = child > 0 ? read_all(ends[0]) : NULL;
	(void)close(ends[0]);
	if (child < 0 || !*said || waitpid(child, &status, 0) < 0)
		return -ENOMEM;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ETIMEDOUT;
}
