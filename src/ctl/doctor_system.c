/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine provides: the process itself, its rights and limits, folders, addresses, the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/holder.h"
#include "ctl/daemonhttp.h"
#include "ctl/doctor.h"
#include "ctl/proc.h"
#include "ctl/prose.h"
#include "host/landlock.h"
#include "http/options.h"
#include "settings/settings.h"

#define FILES_BESIDES_CLIENTS 64 /* of the daemon: sockets, log, state, and what libraries open */

/* --- the daemon's process --- */

static const char *manage(const struct doctor *d)
{
	return d->user.unit ? "systemctl start portsyncd"
			    : "systemctl start portsyncd; in SONiC: docker exec swss supervisorctl start portsyncd";
}

/* True if it may be asked. */
static bool check_state(struct doctor *d)
{
	char *status cleanup(free_ptr) = proc_read(d->pid, "status", NULL), remedy[64];
	const char *state = status ? proc_field(status, "State") : NULL;

	if (!state || state[0] != 'T')
		return true;
	(void)snprintf(remedy, sizeof(remedy), "kill -CONT %d", (int)d->pid);
	doctor_add(d, DOCTOR_FAIL, "daemon", remedy, "process %d was stopped by a signal", (int)d->pid);
	return false;
}

/* Who may be the cause: "", or "; process 12 traces it". */
static const char *report_tracer(const struct doctor *d, char *out, size_t size)
{
	char *status cleanup(free_ptr) = proc_read(d->pid, "status", NULL);
	const char *tracer = status ? proc_field(status, "TracerPid") : NULL;
	long pid = tracer ? strtol(tracer, NULL, 10) : 0;

	out[0] = '\0';
	if (pid > 0)
		(void)snprintf(out, size, "; process %ld traces it (a debugger, strace)", pid);
	return out;
}

static void check_answer(struct doctor *d)
{
	struct text body = {0};
	unsigned status = 0;
	char tracer[64];

	if (d->ctl->config.http_unix_socket[0] == '\0') {
		doctor_add(d, DOCTOR_OK, "daemon", NULL, "process %d runs, as user %s", (int)d->pid, d->user.name);
		return;
	}
	if (daemonhttp_get(d->ctl, "/livez", &body, &status) < 0)
		doctor_add(d, DOCTOR_FAIL, "daemon", d->ctl->error.remedy[0] ? d->ctl->error.remedy : "restart it",
			   "process %d: %s%s", (int)d->pid, d->ctl->error.message,
			   report_tracer(d, tracer, sizeof(tracer)));
	else if (status != 200)
		doctor_add(d, DOCTOR_FAIL, "daemon", "restart it; portsyncctl dump keeps what is known for a report",
			   "process %d: its loop has stopped turning%s", (int)d->pid,
			   report_tracer(d, tracer, sizeof(tracer)));
	else
		doctor_add(d, DOCTOR_OK, "daemon", NULL, "process %d runs, as user %s, and answers", (int)d->pid,
			   d->user.name);
	free(body.data);
}

/* SONiC's own daemon has this library. */
static bool is_upstream(pid_t pid)
{
	char *maps cleanup(free_ptr) = proc_read(pid, "maps", NULL);

	return maps && strstr(maps, "/libswsscommon.so");
}

static void check_another(struct doctor *d)
{
	struct stat ours, theirs;
	pid_t pid = 0;

	if (!d->pid || !proc_netns(d->pid, &ours))
		return;
	while (proc_next("portsyncd", &pid)) {
		char remedy[64];

		if (pid == d->pid || !proc_netns(pid, &theirs) || theirs.st_ino != ours.st_ino ||
		    theirs.st_dev != ours.st_dev)
			continue;
		(void)snprintf(remedy, sizeof(remedy), "stop one of them, and find out who starts both");
		doctor_add(d, DOCTOR_FAIL, "another", remedy,
			   "process %d is %s in the same network namespace as process %d: both write the same rows",
			   (int)pid, is_upstream(pid) ? "SONiC's own portsyncd" : "another portsyncd", (int)d->pid);
	}
}

void doctor_daemon(struct doctor *d)
{
	if (d->hidden)
		doctor_add(d, DOCTOR_WARN, "daemon", "run it as root", "it is not known whether portsyncd runs here");
	else if (!d->pid)
		doctor_add(d, DOCTOR_WARN, "daemon", manage(d), "portsyncd does not run here");
	if (!d->pid)
		return;
	if (is_upstream(d->pid))
		doctor_add(d, DOCTOR_WARN, "daemon", "docs/deployment.md puts ours in its place",
			   "process %d is SONiC's own portsyncd", (int)d->pid);
	else if (check_state(d))
		check_answer(d);
	check_another(d);
}

/* --- rights and limits --- */

static bool limit_of(const struct doctor *d, __rlimit_resource_t resource, rlim_t *ret)
{
	struct rlimit limit;

	if (prlimit(d->pid, resource, NULL, &limit) < 0)
		return false;
	*ret = limit.rlim_cur;
	return true;
}

static long rmem_max(void)
{
	FILE *file = fopen("/proc/sys/net/core/rmem_max", "re");
	char line[32];
	long value = -1;

	if (file && fgets(line, sizeof(line), file))
		value = strtol(line, NULL, 10);
	if (file)
		(void)fclose(file);
	return value;
}

static void check_net_admin(struct doctor *d)
{
	long most = rmem_max(), wanted = d->ctl->config.receive_buffer_bytes;
	char remedy[160];

	if (doctor_has(d, CAP_NET_ADMIN)) {
		doctor_add(d, DOCTOR_OK, "capabilities", NULL, "user %s has CAP_NET_ADMIN", d->user.name);
		return;
	}
	doctor_add(d, DOCTOR_WARN, "capabilities",
		   "AmbientCapabilities=CAP_NET_ADMIN of the unit; docker run --cap-add NET_ADMIN",
		   "user %s lacks CAP_NET_ADMIN: interfaces that a restart of swss left cannot be set down",
		   d->user.name);
	if (most < 0 || most >= wanted)
		return;
	(void)snprintf(remedy, sizeof(remedy),
		       "sysctl -w net.core.rmem_max=%ld (portsyncd-systemd's /usr/lib/sysctl.d/50-portsyncd.conf), or "
		       "CAP_NET_ADMIN",
		       wanted);
	doctor_add(d, DOCTOR_WARN, "receive_buffer", remedy,
		   "without CAP_NET_ADMIN net.core.rmem_max, %ld bytes, limits the receive buffer, which should have "
		   "%ld: messages of the kernel get lost sooner",
		   most, wanted);
}

/* Of a running daemon, whether memory is locked now: it may have given up the right to lock it since. */
static bool locks_memory(const struct doctor *d)
{
	char *status cleanup(free_ptr) = d->pid ? proc_read(d->pid, "status", NULL) : NULL;
	const char *locked = status ? proc_field(status, "VmLck") : NULL;
	rlim_t most = RLIM_INFINITY;

	if (locked)
		return strtol(locked, NULL, 10) > 0;
	return doctor_has(d, CAP_IPC_LOCK) || !limit_of(d, RLIMIT_MEMLOCK, &most) || most == RLIM_INFINITY;
}

static void check_limits(struct doctor *d)
{
	const struct config *config = &d->ctl->config;
	unsigned warned = d->n[DOCTOR_WARN];
	rlim_t files, memory, wanted = FILES_BESIDES_CLIENTS + (rlim_t)config->http_max_clients;

	if (d->user.unit && !d->pid)
		return; /* the unit sets them */
	if (limit_of(d, RLIMIT_NOFILE, &files) && files < wanted)
		doctor_add(d, DOCTOR_WARN, "limits", "ulimit -n, LimitNOFILE= of the unit, or fewer http.max_clients",
			   "RLIMIT_NOFILE is %" PRIu64 ": too few for %ld HTTP clients, which are dropped sooner",
			   (uint64_t)files, config->http_max_clients);
	if (config->lock_memory && !locks_memory(d) && limit_of(d, RLIMIT_MEMLOCK, &memory))
		doctor_add(d, DOCTOR_WARN, "limits",
			   "ulimit -l unlimited, LimitMEMLOCK=infinity of the unit, docker run --ulimit memlock=-1; or "
			   "performance.lock_memory = false",
			   "RLIMIT_MEMLOCK is %" PRIu64 " bytes: memory is not locked, and may be swapped out",
			   (uint64_t)memory);
	if (d->n[DOCTOR_WARN] == warned)
		doctor_add(d, DOCTOR_OK, "limits", NULL, "open files and locked memory are enough");
}

void doctor_rights(struct doctor *d)
{
	check_net_admin(d);
	check_limits(d);
}

/* --- folders --- */

struct folder {
	const char *check, *path;
	const char *then;
	bool file;        /* the path is that of a file in it */
	bool unit;        /* the unit makes it at the start */
	unsigned missing; /* folders at the path's end that the daemon makes */
};

#define ANY_NUMBER UINT_MAX

/* If the daemon makes a missing folder, the one above it must be writable. */
static int try_folder(const struct doctor *d, const void *arg, FILE *out)
{
	const struct folder *folder = arg;
	char path[PATH_MAX], *slash;
	unsigned missing = folder->missing;

	(void)d;
	(void)snprintf(path, sizeof(path), "%s", folder->path);
	slash = folder->file ? strrchr(path, '/') : path + strlen(path);
	do {
		*slash = '\0';
		if (faccessat(AT_FDCWD, path[0] ? path : "/", W_OK | X_OK, AT_EACCESS) == 0)
			return 0;
		if (errno != ENOENT || missing-- == 0)
			break;
		slash = strrchr(path, '/');
	} while (slash);
	(void)fputs(path[0] ? path : "/", out);
	return -errno;
}

static void check_folder(struct doctor *d, const struct folder *folder)
{
	char *said cleanup(free_ptr) = NULL, remedy[PATH_MAX + 160];
	int r;

	if (folder->path[0] == '\0')
		return;
	r = doctor_try(d, false, try_folder, folder, &said);
	if (r == -ENOTSUP)
		return;
	if (r < 0 && (!said || !said[0])) {
		doctor_add(d, DOCTOR_WARN, folder->check, "try again",
			   "%s: whether user %s may write it is not known: %s", folder->path, d->user.name,
			   strerror(-r));
		return;
	}
	if (r == 0 || (d->user.unit && !d->pid && folder->unit)) {
		doctor_add(d, DOCTOR_OK, folder->check, NULL, "%s can be written", folder->path);
		return;
	}
	(void)snprintf(remedy, sizeof(remedy), "let user %s write %s, or name another one in portsyncd.conf",
		       d->user.name, said);
	doctor_add(d, DOCTOR_WARN, folder->check, remedy, "%s: user %s may not write %s (%s): %s", folder->path,
		   d->user.name, said, strerror(-r), folder->then);
}

void doctor_folders(struct doctor *d)
{
	const struct config *config = &d->ctl->config;

	check_folder(d, &(struct folder){"state_file", config->state_file,
					 "counters and history do not survive a restart", true, true, ANY_NUMBER});
	if (config->recorder_bytes > 0)
		check_folder(d, &(struct folder){"recorder", config->recorder_folder,
						 "the flight recorder cannot write its files", false, true, 1});
	if (!d->ctl->named.socket)
		check_folder(d, &(struct folder){"http", config->http_unix_socket,
						 "its Unix socket is not there, and this command has less to say", true,
						 true, 1});
}

/* --- HTTP addresses --- */

/* According to the daemon itself. */
static bool daemon_has_its_addresses(struct doctor *d)
{
	struct text body = {0};
	unsigned status;
	json_t *health, *check;
	bool healthy;

	if (daemonhttp_get(d->ctl, "/healthz", &body, &status) < 0)
		return false;
	health = json_loadb(body.data, body.len, 0, NULL);
	check = json_object_get(json_object_get(health, "checks"), "http_address");
	healthy = strcmp(prose_text(check, "status"), "healthy") == 0;
	json_decref(health);
	free(body.data);
	return healthy;
}

/*
 * "portsyncd, process 12" of the daemon. A holder without a number is a process that this command may not look at, such
 * as the daemon in a container without CAP_SYS_PTRACE.
 */
static bool is_daemon(struct doctor *d, const char *holder)
{
	const char *number = strstr(holder, ", process ");

	if (!d->pid)
		return false;
	if (number)
		return strtol(number + strlen(", process "), NULL, 10) == d->pid;
	return daemon_has_its_addresses(d);
}

static void check_unix_socket(struct doctor *d, const char *path)
{
	char holder[HOLDER_TEXT_MAX];

	if (path && holder_of_unix(path, holder, sizeof(holder)) && !is_daemon(d, holder))
		doctor_add(d, DOCTOR_WARN, "http", "http.unix_socket in portsyncd.conf, or end that program",
			   "%s is in use by %s: this command cannot ask the daemon there", path, holder);
}

static void check_address(struct doctor *d, const char *text)
{
	char holder[HOLDER_TEXT_MAX];
	struct address address;

	if (address_parse(text, &address) < 0)
		return;
	if (!holder_of_tcp(&address, holder, sizeof(holder))) {
		if (d->pid)
			doctor_add(d, DOCTOR_WARN, "http", "the journal says why; systemctl restart portsyncd",
				   "the daemon does not listen on %s", text);
		else
			doctor_add(d, DOCTOR_OK, "http", NULL, "%s is free", text);
		return;
	}
	if (is_daemon(d, holder))
		doctor_add(d, DOCTOR_OK, "http", NULL, "%s is the daemon's", text);
	else
		doctor_add(d, DOCTOR_WARN, "http", "http.listen in portsyncd.conf, or another port for that program",
			   "%s is in use by %s: metrics are not served there", text, holder);
}

/* Enters the network namespace for /proc/self/net and new sockets. A descriptor of the previous one; -1: it stays. */
static int enter_netns(const struct config *config)
{
	char path[PATH_MAX];
	int before, fd cleanup(close_fd) = -1;

	if (!doctor_netns(config, path, sizeof(path)))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && before >= 0 && setns(fd, CLONE_NEWNET) == 0)
		return before;
	close_fd(&before);
	return -1;
}

void doctor_http(struct doctor *d)
{
	struct http_options options;
	int before cleanup(close_fd) = -1;

	if (!settings_http(&d->ctl->config, &options))
		return;
	check_unix_socket(d, options.unix_socket);
	before = enter_netns(&d->ctl->config);
	for (size_t i = 0; i < options.n_listen; i++)
		check_address(d, options.listen[i]);
	if (before >= 0)
		(void)setns(before, CLONE_NEWNET);
}

/* --- the kernel --- */

static void check_netns(struct doctor *d)
{
	struct stat daemon, ours;

	if (!d->pid || !proc_netns(d->pid, &daemon) || !proc_netns(0, &ours) ||
	    (daemon.st_ino == ours.st_ino && daemon.st_dev == ours.st_dev))
		return;
	doctor_add(d, DOCTOR_OK, "network_namespace", NULL, "the daemon is not in the one of this command%s%s",
		   d->ctl->config.netns[0] ? ": " : "", d->ctl->config.netns);
}

static void check_confinement(struct doctor *d)
{
	long landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (landlock < 1)
		doctor_add(d, DOCTOR_WARN, "landlock",
			   "a kernel with CONFIG_SECURITY_LANDLOCK and \"landlock\" in lsm=; a container's filter must "
			   "let "
			   "landlock_create_ruleset(2) through",
			   "there is no Landlock (%s): the sandbox works without it", strerror(errno));
	else
		doctor_add(d, DOCTOR_OK, "landlock", NULL, "version %ld%s%s", landlock,
			   landlock_gaps((int)landlock)[0] ? ", which leaves open: " : "",
			   landlock_gaps((int)landlock));
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL)
		doctor_add(d, DOCTOR_WARN, "seccomp", "a kernel with CONFIG_SECCOMP_FILTER",
			   "there is no seccomp: system calls are not filtered");
}

static void check_sandbox(struct doctor *d)
{
	char *status cleanup(free_ptr) = d->pid ? proc_read(d->pid, "status", NULL) : NULL;
	const char *seccomp = status ? proc_field(status, "Seccomp") : NULL;

	if (!d->ctl->config.sandbox)
		doctor_add(d, DOCTOR_WARN, "sandbox", "security.sandbox = on",
			   "the sandbox is off: for debugging only");
	else if (seccomp && seccomp[0] == '2')
		doctor_add(d, DOCTOR_OK, "seccomp", NULL, "the daemon's system calls are filtered");
}

void doctor_kernel(struct doctor *d)
{
	struct utsname name;

	check_netns(d);
	if (uname(&name) == 0)
		doctor_add(d, DOCTOR_OK, "kernel", NULL, "%s %s", name.sysname, name.release);
	check_confinement(d);
	check_sandbox(d);
}
