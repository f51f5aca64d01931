/* SPDX-License-Identifier: Apache-2.0 */
#include "http/progress.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/util.h"

#define FUTILE_CALLS 4 /* without a wait */
#define LONGEST_WAIT_MSEC 128

static ssize_t note(const struct http_transport *t, ssize_t moved)
{
	if (moved > 0)
		t->progress->made++;
	return moved;
}

static ssize_t pull(gnutls_transport_ptr_t transport, void *data, size_t size)
{
	const struct http_transport *t = transport;

	return note(t, recv(t->fd, data, size, 0));
}

static ssize_t push(gnutls_transport_ptr_t transport, const giovec_t *parts, int n)
{
	const struct http_transport *t = transport;
	const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)n};

	return note(t, sendmsg(t->fd, &message, MSG_NOSIGNAL));
}

/* GnuTLS requires it along with pull(). */
static int pull_timeout(gnutls_transport_ptr_t transport, unsigned msec)
{
	const struct http_transport *t = transport;
	struct pollfd fd = {.fd = t->fd, .events = POLLIN};

	return poll(&fd, 1, msec == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)msec);
}

void http_progress_follow(gnutls_session_t session, struct http_transport *transport, int fd,
			  struct http_progress *progress)
{
	*transport = (struct http_transport){fd, progress};
	gnutls_transport_set_ptr(session, transport);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_vec_push_function(session, push);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
}

int http_progress_wait_msec(struct http_progress *p)
{
	if (p->made != p->seen) {
		p->seen = p->made;
		p->futile = 0;
		return 0;
	}
	p->futile++;
	if (p->futile <= FUTILE_CALLS)
		return 0;
	return MIN(1 << MIN(p->futile - FUTILE_CALLS, 30U), LONGEST_WAIT_MSEC);
}
