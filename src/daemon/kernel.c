/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel: its events go into the model, and the parts that depend on the watch's state are notified. */
#include "daemon/kernel.h"

#include <string.h>

#include "base/timer.h"
#include "daemon/end.h"
#include "daemon/status.h"
#include "host/notify.h"

/* The sockets' send buffer, the datagrams of one receive call, and the first size of a receive buffer, which grows when
 * a link needs more. */
#define SEND_BYTES ((size_t)2 << 20)
#define DATAGRAMS 64
#define DATAGRAM_BYTES ((size_t)32 << 10)
#define DUMP_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define DUMP_RETRY_INITIAL_MS 10
#define DUMP_RETRY_MAX_MS 5000
#define DUMP_RETRY_BOUND 8

static int on_keeping_ended(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;
	size_t n = links_end_keeping(d->links);

	(void)source;
	(void)usec;
	if (n > 0)
		log_warning(KIND_KEPT_ROWS_END,
			    "%zu ports have no link %ld s after the warm start: their earlier rows are deleted", n,
			    d->config->keep_rows_secs);
	return 0;
}

/* A kept row is not true until its link is there. Without kept rows there is no timer: it would wake a quiet switch.
 */
void kernel_end_keeping_later(struct daemon *d)
{
	uint64_t delay = (uint64_t)d->config->keep_rows_secs * USEC_PER_SEC;

	if (d->keeping || links_kept(d->links) == 0)
		return;
	if (timer_add(&d->keeping, d->event, USEC_PER_SEC / 4, on_keeping_ended, d) < 0)
		(void)on_keeping_ended(NULL, 0, d);
	else
		timer_start(d->keeping, delay);
}

static void on_watch_state(enum watch_state state, void *user)
{
	struct daemon *d = user;

	if (d->publish)
		publish_hold(d->publish, state == WATCH_SETTLING);
	status_note_sync(d, state == WATCH_SYNCED);
	if (state != WATCH_SYNCED || d->synced_once)
		return;
	d->synced_once = true;
	if (d->startup)
		startup_links_known(d->startup);
	notify_send(d->notify, "READY=1");
}

struct watch_options kernel_options(const struct config *config)
{
	return (struct watch_options){
		.rcvbuf = (size_t)config->receive_buffer_bytes,
		.sndbuf = SEND_BYTES,
		.receive_pool = DATAGRAMS,
		.datagram_bytes = DATAGRAM_BYTES,
		.settle_usec = (uint64_t)config->settle_ms * USEC_PER_MSEC,
		.gather_usec = (uint64_t)config->gather_usecs,
		.dump_timeout_usec = DUMP_TIMEOUT_USEC,
		.retry_initial_ms = DUMP_RETRY_INITIAL_MS,
		.retry_max_ms = DUMP_RETRY_MAX_MS,
		.retry_bound = DUMP_RETRY_BOUND,
	};
}

int kernel_build(struct daemon *d)
{
	const struct watch_options options = kernel_options(d->config);
	int r = mirror_new(&d->mirror, d->event, &options, d->links, on_watch_state, d);

	if (r == 0)
		d->watch = mirror_watch(d->mirror);
	else
		daemon_fail(d, "the kernel's link events cannot be followed: %s", strerror(-r));
	return r;
}
