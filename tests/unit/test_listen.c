/* SPDX-License-Identifier: Apache-2.0 */
/* Where the pages are served: whose file is there already, and who may reach ours. */
#include "http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "scratch.h"
#include "test.h"

struct fixture {
	char folder[SCRATCH_BYTES], path[128];
	struct http_socket_file file;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_make(fx->folder);
	(void)snprintf(fx->path, sizeof(fx->path), "%s/run/http.sock", fx->folder);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

static int listen_there(struct fixture *fx)
{
	return http_listen_unix(fx->path, &fx->file);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static int connect_there(const struct fixture *fx)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd cleanup(close_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, fx->path, strlen(fx->path));
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static void folder_and_socket_are_made_whatever_the_umask(void **state)
{
	struct fixture *fx = *state;
	mode_t before = umask(0077);
	char folder[96];
	int fd = listen_there(fx);

	(void)umask(before);
	assert_true(fd >= 0);
	assert_int_equal(mode_of(fx->path), 0660);
	(void)snprintf(folder, sizeof(folder), "%s/run", fx->folder);
	assert_int_equal(mode_of(folder), 0755);
	assert_int_equal(connect_there(fx), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	http_unlisten_unix(fx->path, &fx->file);
	assert_int_equal(access(fx->path, F_OK), -1);
	(void)close(fd);
}

static void who_listens_is_not_pushed_aside(void **state)
{
	struct fixture *fx = *state;
	struct http_socket_file other;
	int fd = listen_there(fx);

	assert_true(fd >= 0);
	assert_int_equal(http_listen_unix(fx->path, &other), -EADDRINUSE);
	assert_int_equal(connect_there(fx), 0);
	(void)close(fd);
}

/* As a process leaves it that was killed. */
static void a_socket_that_nobody_listens_on_is_replaced(void **state)
{
	struct fixture *fx = *state;
	struct http_socket_file old;
	int fd = listen_there(fx);

	assert_true(fd >= 0);
	old = fx->file;
	(void)close(fd);
	assert_int_equal(connect_there(fx), -ECONNREFUSED);
	fd = listen_there(fx);
	assert_true(fd >= 0);
	assert_int_equal(connect_there(fx), 0);
	if (old.ino != fx->file.ino) { /* file systems may use a number again */
		http_unlisten_unix(fx->path, &old);
		assert_int_equal(access(fx->path, F_OK), 0); /* it is another's by now */
	}
	(void)close(fd);
}

static void a_file_of_another_kind_stays(void **state)
{
	struct fixture *fx = *state;
	int fd = listen_there(fx), file;

	(void)close(fd);
	assert_int_equal(unlink(fx->path), 0);
	file = open(fx->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(file >= 0 && write(file, "x", 1) == 1);
	(void)close(file);
	assert_int_equal(listen_there(fx), -EEXIST);
	assert_int_equal(mode_of(fx->path), 0600);
}

/* As of syslog's /dev/log: who listens there cannot be asked, so it is not removed. */
static void a_socket_of_another_type_stays(void **state)
{
	struct fixture *fx = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = listen_there(fx), datagrams cleanup(close_fd) = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)close(fd);
	assert_int_equal(unlink(fx->path), 0);
	memcpy(at.sun_path, fx->path, strlen(fx->path));
	assert_int_equal(bind(datagrams, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen_there(fx), -EPROTOTYPE);
	assert_int_equal(access(fx->path, F_OK), 0);
}

static void paths_that_cannot_be(void **state)
{
	struct fixture *fx = *state;
	char path[192];

	(void)snprintf(path, sizeof(path), "%s/%0120d", fx->folder, 0);
	assert_int_equal(http_listen_unix(path, &fx->file), -ENAMETOOLONG);
	/* Only the last folder is made. */
	(void)snprintf(path, sizeof(path), "%s/none/run/http.sock", fx->folder);
	assert_int_equal(http_listen_unix(path, &fx->file), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/file", fx->folder);
	(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)snprintf(path, sizeof(path), "%s/file/http.sock", fx->folder);
	assert_int_equal(http_listen_unix(path, &fx->file), -ENOTDIR);
}

/* The file system has no room, or none for us: nothing is left behind. */
static void a_folder_that_takes_no_socket(void **state)
{
	struct fixture *fx = *state;

	(void)snprintf(fx->path, sizeof(fx->path), "/proc/self/http.sock");
	assert_true(listen_there(fx) < 0);
	assert_int_equal(access(fx->path, F_OK), -1);
}

static void tcp_may_come_before_its_address(void **state)
{
	struct address address;
	struct sockaddr_in bound;
	socklen_t len = sizeof(bound);
	int fd, other;

	(void)state;
	assert_int_equal(address_parse("192.0.2.1:1", &address), 0); /* of nobody (RFC 5737) */
	address.sa.in.sin_port = 0;                                  /* any */
	fd = http_listen_tcp(&address);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(address_parse("127.0.0.1:1", &address), 0);
	address.sa.in.sin_port = 0;
	fd = http_listen_tcp(&address);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
	address.sa.in.sin_port = bound.sin_port;
	other = http_listen_tcp(&address);
	assert_int_equal(other, -EADDRINUSE);
	(void)close(fd);
}

/* Else [::] would take the port of 0.0.0.0 as well, which may have an entry of its own. */
static void ipv6_is_only_ipv6(void **state)
{
	struct address address;
	int only = 0, fd;
	socklen_t len = sizeof(only);

	(void)state;
	assert_int_equal(address_parse("[::1]:1", &address), 0);
	address.sa.in6.sin6_port = 0;
	fd = http_listen_tcp(&address);
	if (fd < 0) { /* this machine has no IPv6 */
		assert_true(http_listen_lacks_ipv6(&address, fd));
		return;
	}
	assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len), 0);
	assert_int_equal(only, 1);
	(void)close(fd);
}

static void only_the_loopback_of_ipv6_is_not_missed(void **state)
{
	struct address v6, v4, any;

	(void)state;
	assert_int_equal(address_parse("[::1]:1", &v6), 0);
	assert_int_equal(address_parse("127.0.0.1:1", &v4), 0);
	assert_int_equal(address_parse("[::]:1", &any), 0);
	assert_true(http_listen_lacks_ipv6(&v6, -EADDRNOTAVAIL));
	assert_true(http_listen_lacks_ipv6(&v6, -EAFNOSUPPORT));
	assert_false(http_listen_lacks_ipv6(&v6, -EADDRINUSE));
	assert_false(http_listen_lacks_ipv6(&v4, -EADDRNOTAVAIL));
	assert_false(http_listen_lacks_ipv6(&any, -EADDRNOTAVAIL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(folder_and_socket_are_made_whatever_the_umask),
		TEST(who_listens_is_not_pushed_aside),
		TEST(a_socket_that_nobody_listens_on_is_replaced),
		TEST(a_file_of_another_kind_stays),
		TEST(a_socket_of_another_type_stays),
		TEST(paths_that_cannot_be),
		TEST(a_folder_that_takes_no_socket),
		TEST(tcp_may_come_before_its_address),
		TEST(ipv6_is_only_ipv6),
		TEST(only_the_loopback_of_ipv6_is_not_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
