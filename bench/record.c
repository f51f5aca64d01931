/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records the kernel's messages of port Ethernet0 for bench/replay: a row of the daemon's own dump request, followed by
 * an event, byte for byte as they came through the daemon's sockets. This program causes the event by changing the
 * port's MTU.
 */
#include <err.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/util.h"
#include "common.h"
#include "kernel/linkmsg.h"
#include "kernel/nlsock.h"

#define PORT "Ethernet0"
#define TIMEOUT_MSEC 5000

static void change_mtu(void)
{
	struct ifreq request = {.ifr_name = PORT};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0)
		err(1, PORT);
	request.ifr_mtu--;
	if (ioctl(fd, SIOCSIFMTU, &request) < 0)
		err(1, PORT);
	close_fd(&fd);
}

static bool is_port(const struct nlmsghdr *nlh)
{
	struct link_msg msg;

	return linkmsg_parse(nlh, &msg) == 0 && msg.type == RTM_NEWLINK && strcmp(msg.name, PORT) == 0;
}

/* True when the datagram had the port's message. */
static bool keep_from(const struct nlsock_datagram *datagram, FILE *out)
{
	const struct nlmsghdr *nlh = datagram->data;

	for (int left = (int)datagram->len; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (!is_port(nlh))
			continue;
		if (fwrite(nlh, NLMSG_ALIGN(nlh->nlmsg_len), 1, out) != 1)
			err(1, "write");
		return true;
	}
	return false;
}

/* The first message of the port that the socket has. */
static void keep(struct nlsock *s, FILE *out)
{
	struct pollfd readable = {.fd = nlsock_fd(s), .events = POLLIN};
	struct nlsock_batch batch;

	while (poll(&readable, 1, TIMEOUT_MSEC) > 0) {
		nlsock_receive(s, &batch);
		for (size_t i = 0; i < batch.n; i++)
			if (keep_from(&batch.datagram[i], out))
				return;
	}
	errx(1, "the kernel says nothing of " PORT);
}

int main(int argc, char *argv[])
{
	const struct nlsock_options sizes = {
		.rcvbuf = 1 << 20, .sndbuf = 1 << 16, .receive_pool = 8, .datagram_bytes = 32 << 10};
	struct nlsock *events, *dump;
	FILE *out;

	if (argc != 5 || strcmp(argv[1], "--netns") != 0 || strcmp(argv[3], "--file") != 0)
		errx(2, "usage: record --netns NAME --file PATH");
	out = fopen(argv[4], "we");
	if (!out)
		err(1, "%s", argv[4]);
	enter_netns(argv[2]);
	if (nlsock_open_dump(&dump, &sizes) < 0 || nlsock_request_dump(dump, 1) < 0)
		errx(1, "no dump");
	keep(dump, out);
	if (nlsock_open_events(&events, &sizes) < 0)
		errx(1, "no events");
	change_mtu();
	keep(events, out);
	nlsock_free(dump);
	nlsock_free(events);
	if (fclose(out) != 0)
		err(1, "%s", argv[4]);
	return 0;
}
