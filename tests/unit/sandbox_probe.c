/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's sandbox alone, for tests/system/test_sandbox.py: what would it let an intruder do? Called with
 *
 *   sandbox_probe FOLDER PORT main|other ATTEMPT...
 *
 * it enters the sandbox as the daemon does: writes are allowed in FOLDER, TCP may connect to PORT; a thread is made
 * before system calls are locked; the abstract sockets "portsyncd-stream-PORT" and "portsyncd-datagram-PORT" are
 * others'. Then this thread or that one makes the attempts, a line each: "ATTEMPT ok" or "ATTEMPT EPERM". With ABSTRACT
 * in the environment abstract sockets are allowed, with UNIX_REDIS Redis has Unix sockets, with NAMES its host is a
 * name; with UNLOCKED system calls are not locked; with REFUSE=CALL it acts like a kernel that does not have this
 * system call.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/util.h"
#include "host/memory.h"
#include "host/sandbox.h"
#include "kernel/nlsock.h"

static const char *folder;
static uint16_t port;
static char **attempts;

static int result(long r)
{
	return r < 0 ? -errno : 0;
}

static int taken(int fd)
{
	int r = result(fd);

	close_fd(&fd);
	return r;
}

static const char *inside(const char *name)
{
	static _Thread_local char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static const char *outside(const char *name)
{
	static _Thread_local char path[512];

	(void)snprintf(path, sizeof(path), "%s-outside/%s", folder, name);
	return path;
}

/* --- files --- */

static int write_in(const char *path)
{
	int fd cleanup(close_fd) = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : write_all(fd, "x", 1);
}

static int write_inside(void)
{
	return write_in(inside("made"));
}

static int replace_inside(void)
{
	int r = write_in(inside("made.tmp"));

	return r < 0 ? r : result(rename(inside("made.tmp"), strdupa(inside("made"))));
}

static int remove_inside(void)
{
	return result(unlink(inside("there")));
}

static int write_outside(void)
{
	return write_in(outside("made"));
}

static int write_existing(void)
{
	return taken(open(outside("there"), O_RDWR | O_CLOEXEC));
}

static int truncate_outside(void)
{
	return taken(open(outside("there"), O_RDONLY | O_TRUNC | O_CLOEXEC));
}

static int remove_outside(void)
{
	return result(unlink(outside("there")));
}

static int rename_outside(void)
{
	char from[512];

	(void)snprintf(from, sizeof(from), "%s", inside("made"));
	return result(rename(from, outside("moved")));
}

static int write_proc(void)
{
	return taken(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
}

static int read_anything(void)
{
	return taken(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int read_private(void)
{
	return taken(open(inside("private"), O_RDONLY | O_CLOEXEC));
}

static int list_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");

	return dir ? result(closedir(dir)) : -errno;
}

static int change_mode(void)
{
	return result(chmod(inside("there"), 0666));
}

static int make_link(void)
{
	return result(symlink("/etc/passwd", inside("link")));
}

static int make_device(void)
{
	return result(mknod(inside("device"), S_IFCHR | 0600, 0x103));
}

/* --- programs and processes --- */

static int run_program(void)
{
	char *const arguments[] = {(char *)"true", NULL};

	return result(execve("/bin/true", arguments, NULL));
}

static int fork_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static void *nothing(void *unused)
{
	return unused;
}

static int make_thread(void)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, nothing, NULL);

	if (r == 0)
		(void)pthread_join(thread, NULL);
	return -r;
}

static int trace_self(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_parent(void)
{
	char byte;
	struct iovec to = {&byte, 1}, from = {&byte, 1};

	return result(process_vm_readv(getppid(), &to, 1, &from, 1, 0));
}

static int signal_parent(void)
{
	return result(kill(getppid(), 0));
}

/* By a descriptor's events: as if the parent had asked for them. */
static int command_with(int command, long value)
{
	int fd cleanup(close_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : result(fcntl(fd, command, value));
}

static int own_by_parent(void)
{
	return command_with(F_SETOWN, getppid());
}

static int own_by_parent_ex(void)
{
	const struct f_owner_ex owner = {F_OWNER_PID, getppid()};
	int fd cleanup(close_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : result(fcntl(fd, F_SETOWN_EX, &owner));
}

static int own_by_ioctl(unsigned long request)
{
	int fd cleanup(close_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pid = getppid();

	return fd < 0 ? -errno : result(ioctl(fd, request, &pid));
}

static int own_by_fiosetown(void)
{
	return own_by_ioctl(FIOSETOWN);
}

static int own_by_siocspgrp(void)
{
	return own_by_ioctl(SIOCSPGRP);
}

static int choose_signal(void)
{
	return command_with(F_SETSIG, SIGKILL);
}

static int signal_on_input(void)
{
	return command_with(F_SETFL, O_ASYNC);
}

static int usual_commands(void)
{
	int r = command_with(F_SETFL, O_NONBLOCK), copy;

	copy = r < 0 ? r : command_with(F_DUPFD_CLOEXEC, 3);
	return copy < 0 ? copy : close(copy);
}

static int slow_parent(void)
{
	return result(setpriority(PRIO_PROCESS, (id_t)getppid(), 19));
}

static int starve_parent(void)
{
	const struct sched_param none = {0};

	return result(sched_setscheduler(getppid(), SCHED_IDLE, &none));
}

static int make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? -errno : 0;
}

static int change_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 0 : result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* Beyond RLIMIT_MEMLOCK, and what the stack had when memory was locked. */
static int grow_stack(void)
{
	volatile char room[4 << 20];

	for (size_t i = sizeof(room); i > 0; i -= 4096)
		room[i - 1] = 1;
	return 0;
}

static int allocate(void)
{
	char *memory = malloc(32 << 20);

	if (!memory)
		return -errno;
	memory[0] = memory[(32 << 20) - 1] = 1;
	free(memory);
	return 0;
}

/* --- rights --- */

/* By the kernel's call: that of the C library would ask all threads. */
static int become_root(void)
{
	return result(syscall(SYS_setuid, 0));
}

static int take_capabilities(void)
{
	const struct {
		uint32_t version;
		int pid;
	} header = {0x20080522, 0};
	const uint32_t all[6] = {UINT32_MAX, UINT32_MAX, 0, UINT32_MAX, UINT32_MAX, 0};

	return result(syscall(SYS_capset, &header, all));
}

static int override(void)
{
	const struct {
		uint32_t version;
		int pid;
	} header = {0x20080522, 0};
	const uint32_t net_admin_and_override[6] = {1U << 12 | 1U << 1, 1U << 12 | 1U << 1};

	return result(syscall(SYS_capset, &header, net_admin_and_override));
}

static int be_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int dump_core(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	return result(setrlimit(RLIMIT_CORE, &all));
}

static int mount_tmpfs(void)
{
	return result(mount("none", folder, "tmpfs", 0, NULL));
}

static int new_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int load_module(void)
{
	return result(syscall(SYS_init_module, "", 0, ""));
}

static int load_bpf(void)
{
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int make_ring(void)
{
	return result(syscall(SYS_io_uring_setup, 1, NULL));
}

/* --- sockets --- */

static int packet_socket(void)
{
	return taken(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int raw_socket(void)
{
	return taken(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int datagram_socket(void)
{
	return taken(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int audit_socket(void)
{
	return taken(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
}

static int vsock_socket(void)
{
	return taken(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* Landlock holds TCP alone. */
static int multipath_socket(void)
{
	return taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262));
}

static int become_other_protocol(void)
{
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : result(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "smc", 3));
}

/* IPT_SO_SET_REPLACE of <linux/netfilter_ipv4/ip_tables.h> */
static int change_packet_filter(void)
{
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : result(setsockopt(fd, IPPROTO_IP, 64, "", 1));
}

static int connect_abstract(const char *kind, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd cleanup(close_fd) = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "portsyncd-%s-%u", kind, port);

	return fd < 0 ? -errno
		      : result(connect(fd, (const struct sockaddr *)&address,
				       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)));
}

static int abstract_stream(void)
{
	return connect_abstract("stream", SOCK_STREAM);
}

static int abstract_datagram(void)
{
	return connect_abstract("datagram", SOCK_DGRAM);
}

static int unix_socket(void)
{
	return taken(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int connect_to(uint16_t to)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(to), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : result(connect(fd, (const struct sockaddr *)&address, sizeof(address)));
}

static int connect_allowed(void)
{
	return connect_to(port);
}

static int connect_elsewhere(void)
{
	return connect_to((uint16_t)(port + 1));
}

/* A connection without connect(), which Landlock does not see. */
static int fast_open_with(ssize_t (*begin)(int fd, const struct sockaddr_in *to))
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)(port + 1)),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : result(begin(fd, &address));
}

static ssize_t begin_by_sendto(int fd, const struct sockaddr_in *to)
{
	return sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof(*to));
}

static ssize_t begin_by_sendmsg(int fd, const struct sockaddr_in *to)
{
	struct iovec byte = {(char *)"x", 1};
	const struct msghdr message = {
		.msg_name = (void *)to, .msg_namelen = sizeof(*to), .msg_iov = &byte, .msg_iovlen = 1};

	return sendmsg(fd, &message, MSG_FASTOPEN | MSG_NOSIGNAL);
}

static ssize_t begin_by_sendmmsg(int fd, const struct sockaddr_in *to)
{
	struct iovec byte = {(char *)"x", 1};
	struct mmsghdr message = {
		.msg_hdr = {.msg_name = (void *)to, .msg_namelen = sizeof(*to), .msg_iov = &byte, .msg_iovlen = 1}};

	return sendmmsg(fd, &message, 1, MSG_FASTOPEN | MSG_NOSIGNAL);
}

static int fast_open_by_messages(void)
{
	return fast_open_with(begin_by_sendmmsg);
}

static int fast_open_elsewhere(void)
{
	return fast_open_with(begin_by_sendto);
}

static int fast_open_by_message(void)
{
	return fast_open_with(begin_by_sendmsg);
}

static int listen_tcp(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	return result(listen(fd, 1));
}

/* As after a fault: with the buffer that needs CAP_NET_ADMIN, and an answer of the kernel. */
static int dump_links(void)
{
	const struct nlsock_options options = {.rcvbuf = 16 << 20, .sndbuf = 4096, .datagram_bytes = 32768};
	struct nlsock_batch batch;
	struct nlsock *s;
	int r = nlsock_open_dump(&s, &options);

	if (r < 0)
		return r;
	r = nlsock_rcvbuf_forced(s) ? nlsock_request_dump(s, 1) : -EACCES;
	if (r == 0) {
		nlsock_receive(s, &batch);
		r = batch.n > 0 ? 0 : -ENODATA;
	}
	nlsock_free(s);
	return r;
}

#define ATTEMPT(name)                                                                                                  \
	{                                                                                                              \
#name, name                                                                                            \
	}

static const struct {
	const char *name;
	int (*make)(void);
} known[] = {
	ATTEMPT(write_inside),
	ATTEMPT(replace_inside),
	ATTEMPT(remove_inside),
	ATTEMPT(write_outside),
	ATTEMPT(write_existing),
	ATTEMPT(truncate_outside),
	ATTEMPT(remove_outside),
	ATTEMPT(rename_outside),
	ATTEMPT(write_proc),
	ATTEMPT(read_anything),
	ATTEMPT(list_descriptors),
	ATTEMPT(make_device),
	ATTEMPT(change_mode),
	ATTEMPT(make_link),
	ATTEMPT(grow_stack),
	ATTEMPT(run_program),
	ATTEMPT(fork_process),
	ATTEMPT(make_thread),
	ATTEMPT(trace_self),
	ATTEMPT(read_parent),
	ATTEMPT(signal_parent),
	ATTEMPT(make_code),
	ATTEMPT(change_code),
	ATTEMPT(allocate),
	ATTEMPT(become_root),
	ATTEMPT(take_capabilities),
	ATTEMPT(be_dumpable),
	ATTEMPT(dump_core),
	ATTEMPT(mount_tmpfs),
	ATTEMPT(new_namespace),
	ATTEMPT(load_module),
	ATTEMPT(load_bpf),
	ATTEMPT(make_ring),
	ATTEMPT(packet_socket),
	ATTEMPT(raw_socket),
	ATTEMPT(datagram_socket),
	ATTEMPT(audit_socket),
	ATTEMPT(vsock_socket),
	ATTEMPT(unix_socket),
	ATTEMPT(connect_allowed),
	ATTEMPT(connect_elsewhere),
	ATTEMPT(listen_tcp),
	ATTEMPT(dump_links),
	ATTEMPT(fast_open_elsewhere),
	ATTEMPT(fast_open_by_message),
	ATTEMPT(fast_open_by_messages),
	ATTEMPT(own_by_parent),
	ATTEMPT(own_by_parent_ex),
	ATTEMPT(own_by_fiosetown),
	ATTEMPT(own_by_siocspgrp),
	ATTEMPT(choose_signal),
	ATTEMPT(signal_on_input),
	ATTEMPT(usual_commands),
	ATTEMPT(slow_parent),
	ATTEMPT(starve_parent),
	ATTEMPT(multipath_socket),
	ATTEMPT(abstract_stream),
	ATTEMPT(abstract_datagram),
	ATTEMPT(become_other_protocol),
	ATTEMPT(change_packet_filter),
	ATTEMPT(override),
	ATTEMPT(read_private),
};

static void make_attempt(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		int r;

		if (strcmp(known[i].name, name) != 0)
			continue;
		r = known[i].make();
		(void)printf("%s %s\n", name, r < 0 ? strerrorname_np(-r) : "ok");
		(void)fflush(stdout);
	}
}

static void *make_attempts(void *start)
{
	if (start)
		(void)pthread_barrier_wait(start);
	for (char **name = attempts; *name; name++)
		make_attempt(*name);
	return NULL;
}

/* Like a kernel that lacks it, or a container's filter that does not know it. 0 or a negative errno. */
static int refuse_call(const char *name)
{
	uint32_t as = getenv("REFUSE_AS_FILTER") ? EPERM : ENOSYS;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(as), seccomp_syscall_resolve_name(name), 0);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int confine(pthread_barrier_t *start, pthread_t *other, char *error, size_t size)
{
	struct sandbox *s = sandbox_new();
	const char *refused = getenv("REFUSE");
	int r = s ? sandbox_seal() : -ENOMEM;

	(void)memory_lock();
	if (r == 0 && refused)
		r = refuse_call(refused);
	if (r == 0)
		r = sandbox_allow_folder_of(s, inside("made"));
	if (r == 0)
		r = sandbox_allow_port(s, port);
	if (r == 0 && getenv("ABSTRACT"))
		sandbox_allow_abstract_sockets(s);
	if (r == 0 && getenv("UNIX_REDIS"))
		sandbox_allow_sockets(s);
	if (r == 0 && getenv("NAMES"))
		r = sandbox_allow_names(s);
	if (r == 0)
		r = sandbox_enter(s, error, size);
	if (r == 0)
		r = -pthread_create(other, NULL, start ? make_attempts : nothing, start);
	if (r == 0 && !getenv("UNLOCKED"))
		r = sandbox_lock(s, error, size);
	sandbox_free(s);
	return r;
}

int main(int argc, char *argv[])
{
	pthread_barrier_t start;
	pthread_t other;
	char error[256] = "?";
	bool by_other;

	if (argc < 4)
		return EXIT_FAILURE;
	folder = argv[1];
	port = (uint16_t)strtoul(argv[2], NULL, 10);
	by_other = strcmp(argv[3], "other") == 0;
	attempts = argv + 4;
	(void)pthread_barrier_init(&start, NULL, 2);
	if (confine(by_other ? &start : NULL, &other, error, sizeof(error)) < 0) {
		(void)fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	if (by_other)
		(void)pthread_barrier_wait(&start);
	else
		make_attempts(NULL);
	(void)pthread_join(other, NULL);
	return EXIT_SUCCESS;
}
