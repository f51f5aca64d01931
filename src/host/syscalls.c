/* SPDX-License-Identifier: Apache-2.0 */
#include "host/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define TYPE_MASK 0xf /* of socket(2): the rest are flags */

/* A name that an architecture does not have is skipped: those with 64-bit times are for 32-bit machines. */
/* clang-format off */
static const char *const allowed[] = {
	/* the loop */
	"epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "poll", "ppoll", "ppoll_time64", "restart_syscall",
	"signalfd4", "timerfd_create", "timerfd_settime", "timerfd_settime64",
	/* sockets; which ones, see add_sockets(); add_socket_options(), add_sending() */
	"accept4", "connect", "getsockopt", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg",
	"shutdown",
	/* files; writing them is Landlock's to forbid; see add_files(), add_descriptors() too */
	"_llseek", "access", "close", "faccessat", "flock", "fstat", "fstat64", "fstatat64", "fsync", "getdents64",
	"lseek", "newfstatat", "read", "rename", "renameat", "renameat2", "statx", "unlink", "unlinkat", "write", "writev",
	/* memory, but for code */
	"brk", "madvise", "memfd_create", "mlock", "mremap", "munmap",
	/* threads; see add_priorities() too */
	"exit", "exit_group", "futex", "futex_time64", "getpriority", "rseq", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "sched_getaffinity", "set_robust_list",
	/* time, and who we are */
	"clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "getegid", "getegid32",
	"geteuid", "geteuid32", "getgid", "getgid32", "getpid", "getrandom", "getrusage", "gettid", "gettimeofday",
	"getuid", "getuid32", "sysinfo", "uname",
};
/* clang-format on */

static const char *const deadly[] = {
	"acct",
	"add_key",
	"bpf",
	"chroot",
	"create_module",
	"delete_module",
	"execve",
	"execveat",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"ioperm",
	"iopl",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"mount",
	"mount_setattr",
	"move_mount",
	"name_to_handle_at",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"personality",
	"pidfd_getfd",
	"pivot_root",
	"process_vm_readv",
	"process_vm_writev",
#ifndef PORTSYNCD_SANITIZED
	"ptrace",
#endif
	"quotactl",
	"reboot",
	"request_key",
	"setns",
	"swapoff",
	"swapon",
	"umount",
	"umount2",
	"unshare",
	"userfaultfd",
	"uselib",
};

#ifdef PORTSYNCD_SANITIZED
/* What the sanitizers need themselves, above all to stop the other threads and look for leaks at the end. */
static const char *const of_sanitizers[] = {
	"clone", "getdents", "getppid", "prctl", "ptrace", "readlink", "sched_yield", "sigaltstack", "wait4",
};
#endif

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int number = seccomp_syscall_resolve_name(names[i]), r;

		if (number < 0)
			continue;
		r = seccomp_rule_add(filter, action, number, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct scmp_arg_cmp equals(unsigned int argument, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp masked(unsigned int argument, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* An architecture that does not have the call needs no rule. */
static int allow_if(scmp_filter_ctx filter, int number, unsigned int n, const struct scmp_arg_cmp *conditions)
{
	return number < 0 ? 0 : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, n, conditions);
}

/* TCP and no other stream: Landlock does not restrict MPTCP, SCTP and SMC. */
static int add_stream(scmp_filter_ctx filter, int family)
{
	static const int protocols[] = {0, IPPROTO_TCP};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(protocols); i++) {
		const struct scmp_arg_cmp conditions[] = {
			equals(0, (uint64_t)family),
			masked(1, TYPE_MASK, SOCK_STREAM),
			equals(2, (uint64_t)protocols[i]),
		};

		r = allow_if(filter, SCMP_SYS(socket), ARRAY_SIZE(conditions), conditions);
	}
	return r;
}

/* For Redis, the targets of the log, and the kernel's links. */
static int add_sockets(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp local[] = {equals(0, AF_UNIX)};
	const struct scmp_arg_cmp route[] = {
		equals(0, AF_NETLINK),
		masked(1, TYPE_MASK, SOCK_RAW),
		equals(2, NETLINK_ROUTE),
	};
	int r = allow_if(filter, SCMP_SYS(socket), ARRAY_SIZE(local), local);

	if (r == 0)
		r = allow_if(filter, SCMP_SYS(socket), ARRAY_SIZE(route), route);
	if (r == 0)
		r = add_stream(filter, AF_INET);
	return r == 0 ? add_stream(filter, AF_INET6) : r;
}

/* Without those by which CAP_NET_ADMIN changes packet filters, or TCP turns into another protocol (TCP_ULP). */
static int add_socket_options(scmp_filter_ctx filter)
{
	static const int levels[] = {SOL_SOCKET, SOL_NETLINK};
	static const struct {
		int level, name;
	} options[] = {
		{IPPROTO_TCP, TCP_CORK},      {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_KEEPIDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_QUICKACK},
		{IPPROTO_TCP, TCP_SYNCNT},    {IPPROTO_IP, IP_RECVERR},   {IPPROTO_TCP, TCP_USER_TIMEOUT},
		{IPPROTO_IPV6, IPV6_RECVERR},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(levels); i++) {
		const struct scmp_arg_cmp all[] = {equals(1, (uint64_t)levels[i])};

		r = allow_if(filter, SCMP_SYS(setsockopt), ARRAY_SIZE(all), all);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options); i++) {
		const struct scmp_arg_cmp one[] = {
			equals(1, (uint64_t)options[i].level),
			equals(2, (uint64_t)options[i].name),
		};

		r = allow_if(filter, SCMP_SYS(setsockopt), ARRAY_SIZE(one), one);
	}
	return r;
}

/* No TCP Fast Open: it connects without connect(), so that Landlock is not asked. */
static int add_sending(scmp_filter_ctx filter)
{
	const struct {
		int number;
		unsigned int flags; /* which argument they are */
	} calls[] = {{SCMP_SYS(send), 3}, {SCMP_SYS(sendto), 3}, {SCMP_SYS(sendmsg), 2}};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++) {
		const struct scmp_arg_cmp usual[] = {masked(calls[i].flags, MSG_FASTOPEN, 0)};

		r = allow_if(filter, calls[i].number, ARRAY_SIZE(usual), usual);
	}
	return r;
}

/* Before Linux 6.2 Landlock lets a file opened for reading be truncated. */
static int add_opening(scmp_filter_ctx filter, int number, unsigned int flags)
{
	const struct scmp_arg_cmp ways[] = {
		masked(flags, O_TRUNC, 0),
		masked(flags, O_TRUNC | O_ACCMODE, O_TRUNC | O_WRONLY),
		masked(flags, O_TRUNC | O_ACCMODE, O_TRUNC | O_RDWR),
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ways); i++)
		r = allow_if(filter, number, 1, &ways[i]);
	return r;
}

static int add_files(scmp_filter_ctx filter)
{
	int r = add_opening(filter, SCMP_SYS(openat), 2);

	return r == 0 ? add_opening(filter, SCMP_SYS(open), 1) : r;
}

/* None by which a descriptor sends a signal, to whatever process (F_SETOWN, F_SETSIG, O_ASYNC, leases, ...). */
static int add_descriptor_commands(scmp_filter_ctx filter, int number)
{
	static const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_ADD_SEALS, F_GET_SEALS};
	const struct scmp_arg_cmp flags[] = {equals(1, F_SETFL), masked(2, O_ASYNC, 0)};
	int r = allow_if(filter, number, ARRAY_SIZE(flags), flags);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(commands); i++) {
		const struct scmp_arg_cmp command[] = {equals(1, (uint64_t)commands[i])};

		r = allow_if(filter, number, ARRAY_SIZE(command), command);
	}
	return r;
}

static int add_descriptors(scmp_filter_ctx filter)
{
	int r = add_descriptor_commands(filter, SCMP_SYS(fcntl));

	return r == 0 ? add_descriptor_commands(filter, SCMP_SYS(fcntl64)) : r;
}

/* A thread's own, not those of other processes of our user. */
static int add_priorities(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp nice[] = {equals(0, PRIO_PROCESS), equals(1, 0)};
	const struct scmp_arg_cmp policy[] = {equals(0, 0)};
	int r = allow_if(filter, SCMP_SYS(setpriority), ARRAY_SIZE(nice), nice);

	return r == 0 ? allow_if(filter, SCMP_SYS(sched_setscheduler), ARRAY_SIZE(policy), policy) : r;
}

/* No page becomes code that was not. */
static int add_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_code[] = {masked(2, PROT_EXEC, 0)};
	int r = allow_if(filter, SCMP_SYS(mmap), ARRAY_SIZE(no_code), no_code);

	if (r == 0)
		r = allow_if(filter, SCMP_SYS(mmap2), ARRAY_SIZE(no_code), no_code);
	return r == 0 ? allow_if(filter, SCMP_SYS(mprotect), ARRAY_SIZE(no_code), no_code) : r;
}

/* For the mode of a recording, whatever the umask is. */
static int add_modes(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp recording[] = {equals(1, 0640)};

	return allow_if(filter, SCMP_SYS(fchmod), ARRAY_SIZE(recording), recording);
}

/* A thread's name; whether a stream is a terminal; our own limits, to be read; abort(). */
static int add_rest(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp name[] = {equals(0, PR_SET_NAME)};
	const struct scmp_arg_cmp terminal[] = {equals(1, TCGETS)};
	const struct scmp_arg_cmp limits[] = {equals(0, 0), equals(2, 0)};
	const struct scmp_arg_cmp self[] = {equals(0, (uint64_t)getpid())};
	int r = allow_if(filter, SCMP_SYS(prctl), ARRAY_SIZE(name), name);

	if (r == 0)
		r = allow_if(filter, SCMP_SYS(ioctl), ARRAY_SIZE(terminal), terminal);
	if (r == 0)
		r = allow_if(filter, SCMP_SYS(prlimit64), ARRAY_SIZE(limits), limits);
	return r == 0 ? allow_if(filter, SCMP_SYS(tgkill), ARRAY_SIZE(self), self) : r;
}

static int add_rules(scmp_filter_ctx filter)
{
	static int (*const parts[])(scmp_filter_ctx) = {
		add_sockets,    add_socket_options, add_sending, add_files, add_descriptors,
		add_priorities, add_memory,         add_modes,   add_rest,
	};
	int r = add_names(filter, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));

	if (r == 0)
		r = add_names(filter, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly));
#ifdef PORTSYNCD_SANITIZED
	if (r == 0)
		r = add_names(filter, SCMP_ACT_ALLOW, of_sanitizers, ARRAY_SIZE(of_sanitizers));
#endif
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = parts[i](filter);
	return r;
}

/* What glibc's resolver does: it asks for both families at once, and for our own address to sort what it finds. */
static int add_names_of_hosts(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct scmp_arg_cmp usual[] = {masked(3, MSG_FASTOPEN, 0)}; /* as in add_sending() */
	const struct scmp_arg_cmp waiting[] = {equals(1, FIONREAD)};
	int r = allow_if(filter, SCMP_SYS(sendmmsg), ARRAY_SIZE(usual), usual);

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(getsockname), 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		const struct scmp_arg_cmp datagrams[] = {
			equals(0, (uint64_t)families[i]),
			masked(1, TYPE_MASK, SOCK_DGRAM),
			equals(2, 0),
		};

		r = allow_if(filter, SCMP_SYS(socket), ARRAY_SIZE(datagrams), datagrams);
	}
	return r == 0 ? allow_if(filter, SCMP_SYS(ioctl), ARRAY_SIZE(waiting), waiting) : r;
}

/* What http/listen.h does with an address that was in use at the start. */
static int add_listening(scmp_filter_ctx filter)
{
	static const char *const calls[] = {"bind", "chmod", "fchmod", "fchmodat", "listen", "mkdir", "mkdirat"};
	static const struct {
		int level, name;
	} options[] = {{IPPROTO_IP, IP_FREEBIND}, {IPPROTO_IPV6, IPV6_FREEBIND}, {IPPROTO_IPV6, IPV6_V6ONLY}};
	int r = add_names(filter, SCMP_ACT_ALLOW, calls, ARRAY_SIZE(calls));

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options); i++) {
		const struct scmp_arg_cmp one[] = {
			equals(1, (uint64_t)options[i].level),
			equals(2, (uint64_t)options[i].name),
		};

		r = allow_if(filter, SCMP_SYS(setsockopt), ARRAY_SIZE(one), one);
	}
	return r;
}

static int add_more(scmp_filter_ctx filter, const struct syscalls_more *more)
{
	int r = more->capset ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(capset), 0) : 0;

	if (r == 0 && more->names)
		r = add_names_of_hosts(filter);
	return r == 0 && more->listening ? add_listening(filter) : r;
}

/* The tree makes a call cost the same wherever it stands in the list; logging is optional. */
static int set_attributes(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	return r;
}

int syscalls_confine(const struct syscalls_more *more)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	r = set_attributes(filter);
	if (r == 0)
		r = add_rules(filter);
	if (r == 0)
		r = add_more(filter, more);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
