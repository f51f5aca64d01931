/* SPDX-License-Identifier: Apache-2.0 */
#include "host/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/timer.h"

#define MESSAGE_BYTES 768
#define WAITING_MAX 8 /* a reload sends two */
#define AGAIN_USEC (100 * USEC_PER_MSEC)
#define ACCURACY_USEC (10 * USEC_PER_MSEC)

struct notify {
	int fd;
	struct sockaddr_un address;
	socklen_t address_len;
	uint64_t watchdog_usec; /* 0: the manager has no watchdog for us */
	sd_event_source *again, *watchdog;
	size_t n_waiting;
	char waiting[WAITING_MAX][MESSAGE_BYTES]; /* oldest first */
};

/* sd_notify(3): a path, or an abstract socket that begins with "@". False for others. */
static bool parse(struct notify *n, const char *text)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(n->address.sun_path))
		return false;
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, text, len);
	if (text[0] == '@')
		n->address.sun_path[0] = '\0';
	n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
	return true;
}

int notify_new(struct notify **ret)
{
	const char *text = getenv("NOTIFY_SOCKET");
	struct notify *n;

	*ret = NULL;
	if (!text)
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->fd = -1;
	if (!parse(n, text)) {
		notify_free(n);
		return 0;
	}
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0) {
		int r = -errno;

		notify_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	notify_detach(n);
	close_fd(&n->fd);
	free(n);
}

/* False when nothing more fits. A message to a manager that is gone is dropped. */
static bool try_send(const struct notify *n, const char *text)
{
	const struct sockaddr *to = (const struct sockaddr *)&n->address;

	return sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, to, n->address_len) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS && errno != EINTR);
}

static void forget_oldest(struct notify *n)
{
	n->n_waiting--;
	memmove(n->waiting[0], n->waiting[1], n->n_waiting * MESSAGE_BYTES);
}

static void send_waiting(struct notify *n)
{
	while (n->n_waiting > 0 && try_send(n, n->waiting[0]))
		forget_oldest(n);
}

static bool is_status(const char *text)
{
	return strncmp(text, "STATUS=", strlen("STATUS=")) == 0;
}

static void wait_for_room(struct notify *n, const char *text)
{
	if (n->n_waiting > 0 && is_status(text) && is_status(n->waiting[n->n_waiting - 1]))
		n->n_waiting--;
	if (n->n_waiting == WAITING_MAX)
		forget_oldest(n);
	memcpy(n->waiting[n->n_waiting++], text, strlen(text) + 1);
	if (n->again && !timer_is_running(n->again))
		timer_start(n->again, AGAIN_USEC);
}

void notify_send(struct notify *n, const char *format, ...)
{
	char text[MESSAGE_BYTES];
	va_list args;

	if (!n)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_waiting(n);
	if (n->n_waiting > 0 || !try_send(n, text))
		wait_for_room(n, text);
}

static int on_again(sd_event_source *source, uint64_t usec, void *user)
{
	struct notify *n = user;

	(void)usec;
	send_waiting(n);
	if (n->n_waiting > 0)
		timer_start(source, AGAIN_USEC);
	return 0;
}

/* Dropped if the manager does not read: it cannot miss the message meanwhile either. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *user)
{
	struct notify *n = user;

	(void)usec;
	(void)try_send(n, "WATCHDOG=1");
	timer_start(source, n->watchdog_usec / 2);
	return 0;
}

int notify_attach(struct notify *n, sd_event *event)
{
	int r;

	if (!n)
		return 0;
	r = timer_add(&n->again, event, ACCURACY_USEC, on_again, n);
	if (r < 0)
		return r;
	if (n->n_waiting > 0)
		timer_start(n->again, 0);
	if (sd_watchdog_enabled(0, &n->watchdog_usec) <= 0 || n->watchdog_usec == 0)
		return 0;
	r = timer_add(&n->watchdog, event, n->watchdog_usec / 8, on_watchdog, n);
	if (r == 0)
		timer_start(n->watchdog, 0);
	return r;
}

void notify_detach(struct notify *n)
{
	if (!n)
		return;
	send_waiting(n);
	n->again = sd_event_source_disable_unref(n->again);
	n->watchdog = sd_event_source_disable_unref(n->watchdog);
}
