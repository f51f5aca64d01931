/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_fixture.h"

#include <libmnl/libmnl.h>
#include <stdlib.h>

#include "daemon/connections.h"
#include "daemon/judge.h"
#include "daemon/status.h"
#include "host/notify.h"
#include "ports/changes.h"

struct fixture *daemon_begin(void)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct daemon *d;

	assert_non_null(fx);
	d = &fx->daemon;
	catcher_start(&fx->log, LOG_NOTICE);
	catcher_manages(&fx->manager);
	fake_reset();
	config_defaults(&fx->config);
	fx->config.http_listen.n = 0;
	fx->config.http_unix_socket[0] = '\0';
	fx->config.recorder_folder[0] = '\0';
	(void)snprintf(fx->redis_path, sizeof(fx->redis_path), "%s/redis", fx->log.folder);
	(void)snprintf(fx->config.redis_unix_socket, sizeof(fx->config.redis_unix_socket), "%s", fx->redis_path);
	*d = (struct daemon){.config = &fx->config, .sleep_fd = -1, .single = -1};
	assert_int_equal(notify_new(&d->notify), 0);
	assert_int_equal(sd_event_new(&d->event), 0);
	d->links = links_new(8);
	d->changes = changes_new(16);
	assert_true(d->links && d->changes);
	return fx;
}

void daemon_end(struct fixture *fx)
{
	struct daemon *d = &fx->daemon;

	mirror_free(d->mirror);
	connections_free(d);
	status_free(d);
	changes_free(d->changes);
	judge_free(d);
	links_free(d->links);
	dbconfig_free(d->dbconfig);
	sd_event_source_disable_unref(d->keeping);
	notify_free(d->notify);
	databases_end(&fx->redis);
	sd_event_unref(d->event);
	catcher_manages_no_more(&fx->manager);
	catcher_stop(&fx->log);
	free(fx);
}

static size_t put_link(char *buf, uint16_t type, int ifindex, const char *name, unsigned flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	info->ifi_index = ifindex;
	info->ifi_flags = flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, 9100);
	return nlh->nlmsg_len;
}

void kernel_dump_has(unsigned n, int ifindex, const char *name)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));

	fake_dump_data(n, buf, put_link(buf, RTM_NEWLINK, ifindex, name, UP));
}

void kernel_dump_ends(unsigned n)
{
	char buf[NLMSG_HDRLEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_flags = NLM_F_MULTI;
	fake_dump_data(n, buf, nlh->nlmsg_len);
}

void kernel_reports(uint16_t type, int ifindex, const char *name, unsigned flags)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));

	fake_event_data(buf, put_link(buf, type, ifindex, name, flags));
}

static void flush(struct daemon *d)
{
	startup_turn(d->startup);
	loglevel_turn(d->loglevel);
	conn_poll_replies(d->state_conn);
	publish_flush(d->publish);
	appl_ports_turn(d->appl_ports);
	conn_flush(d->state_conn);
	conn_flush(d->appl_conn);
	conn_flush(d->config_conn);
}

void daemon_turn(struct fixture *fx, uint64_t usec)
{
	struct daemon *d = &fx->daemon;

	assert_true(sd_event_run(d->event, usec) >= 0);
	if (d->watch)
		watch_turn(d->watch);
	if (d->startup)
		flush(d);
}

const char *daemon_serves(struct fixture *fx)
{
	(void)snprintf(fx->config.http_unix_socket, sizeof(fx->config.http_unix_socket), "%s/http", fx->log.folder);
	return fx->config.http_unix_socket;
}

int daemon_ask(const char *at, const char *page)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[128];

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", at);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", page);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

bool daemon_heard(int fd, char *out, size_t size, size_t *len)
{
	ssize_t n = recv(fd, out + *len, size - 1 - *len, MSG_DONTWAIT);

	if (n > 0)
		*len += (size_t)n;
	out[*len] = '\0';
	return n == 0;
}
