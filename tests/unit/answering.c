/* SPDX-License-Identifier: Apache-2.0 */
#include "answering.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "test.h"

#define REQUEST_BYTES 2048

/* For good: the test kills it. */
static void serve(int listener, int requests, const char *answer, size_t times)
{
	char request[REQUEST_BYTES];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n = recv(fd, request, sizeof(request), 0);

		if (n > 0)
			(void)!write(requests, request, (size_t)n);
		for (size_t i = 0; n > 0 && i < times; i++)
			(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		(void)close(fd);
	}
}

int answering_bind(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path));
	assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	return listener;
}

/* The peer of those who connect is the process that called listen(). */
void answering_start(struct answering *a, const char *path, const char *name, const char *answer, size_t times)
{
	int listener = answering_bind(path), ends[2];
	char ready;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)fflush(NULL);
	a->pid = fork();
	if (a->pid == 0) {
		(void)prctl(PR_SET_NAME, name);
		(void)listen(listener, 16);
		(void)!write(ends[1], "x", 1);
		(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
		serve(listener, ends[1], answer, times);
	}
	assert_true(a->pid > 0);
	assert_int_equal(read(ends[0], &ready, 1), 1);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	(void)close(ends[1]);
	(void)close(listener);
	a->requests = ends[0];
}

void answering_end(struct answering *a, const char *path)
{
	if (a->pid <= 0)
		return;
	(void)kill(a->pid, SIGKILL);
	(void)waitpid(a->pid, NULL, 0);
	(void)unlink(path);
	close_fd(&a->requests);
	a->pid = 0;
}
