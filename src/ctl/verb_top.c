/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/board.h"
#include "ctl/daemonhttp.h"
#include "ctl/follow.h"
#include "ctl/out.h"
#include "ctl/screen.h"
#include "ctl/verbs.h"

#define FRAME_USEC (USEC_PER_SEC / 20) /* between two pictures */
#define STALE_USEC (2 * USEC_PER_SEC)  /* until the pages are read again, if something changes */
#define QUIET_USEC (10 * USEC_PER_SEC) /* if nothing does */
#define KEY_QUIT 'q'
#define KEY_END '\004' /* Ctrl-D */

struct top {
	struct ctl *ctl;
	struct board *board;
	struct follow *follow;
	bool dirty;
	uint64_t drawn_usec, read_usec; /* CLOCK_MONOTONIC */
	uint64_t fades_usec;            /* when the drawn picture changes without an event */
};

/* 0; or -1, ctl_fail() is due. */
static int read_pages(struct top *top)
{
	json_t *ports = NULL, *status = NULL;
	int r = daemonhttp_json(top->ctl, "/ports", JSON_ARRAY, "ports", &ports);

	if (r == 0)
		r = daemonhttp_json(top->ctl, "/status", JSON_STRING, "verdict", &status);
	if (r == 0) {
		board_set_status(top->board, status);
		if (board_set_ports(top->board, ports) < 0)
			r = ctl_set_error(top->ctl, CTL_NO_DAEMON, NULL, "no memory");
	}
	json_decref(ports);
	json_decref(status);
	top->read_usec = now_usec();
	top->dirty = true;
	return r;
}

/* --- a picture, for a pipe --- */

static int print_once(struct top *top)
{
	struct text picture = {0};
	unsigned columns, lines;

	if (top->ctl->json) {
		out_json(top->ctl, board_json(top->board));
		return CTL_GOOD;
	}
	screen_size(&columns, &lines);
	board_draw(top->board, &picture, columns, 0);
	if (picture.failed)
		out_no_memory();
	(void)fwrite(picture.data, 1, picture.len, stdout);
	free(picture.data);
	return CTL_GOOD;
}

/* --- live --- */

static void on_hello(const char *version, void *user)
{
	(void)version;
	(void)user;
}

static bool on_change(json_t *change, void *user)
{
	struct top *top = user;

	board_change(top->board, change);
	top->dirty = true;
	return true;
}

static void on_lost(long long lost, void *user)
{
	struct top *top = user;

	board_lost(top->board, lost);
	top->dirty = true;
}

static void draw(struct top *top)
{
	struct text picture = {0};
	unsigned columns, lines;

	screen_size(&columns, &lines);
	board_draw(top->board, &picture, columns, lines);
	if (!picture.failed)
		screen_draw(&picture);
	free(picture.data);
	top->dirty = false;
	top->drawn_usec = now_usec();
	top->fades_usec = board_fades_usec(top->board);
}

static uint64_t next_reading(const struct top *top)
{
	return top->read_usec + (board_is_stale(top->board) ? STALE_USEC : QUIET_USEC);
}

/* How long to wait until something is due. */
static int wait_ms(const struct top *top)
{
	uint64_t now = now_usec(), due = MIN(next_reading(top), top->fades_usec);

	if (top->dirty)
		due = MIN(due, top->drawn_usec + FRAME_USEC);
	return MIN(due > now ? (int)((due - now) / USEC_PER_MSEC) + 1 : 0, follow_patience_ms(top->follow));
}

static bool is_quit(char key)
{
	return key == KEY_QUIT || key == KEY_END;
}

/* The signal that ends us, negated; 1: a key ends us; 0: go on. */
static int take_input(struct top *top, const struct pollfd *key, const struct pollfd *signal_fd)
{
	int number = signal_fd->revents ? screen_signal() : 0;

	if (signal_fd->revents)
		top->dirty = true;
	if (number > 0)
		return -number;
	return (key->revents & (POLLHUP | POLLERR)) || (key->revents && is_quit(screen_key()));
}

/* Does what is due by now. 0; or -1, ctl_fail() is due. */
static int do_due(struct top *top)
{
	uint64_t now = now_usec();

	if (now >= next_reading(top) && read_pages(top) < 0)
		return -1;
	if (now >= top->fades_usec)
		top->dirty = true;
	if (top->dirty && now >= top->drawn_usec + FRAME_USEC)
		draw(top);
	return 0;
}

/* FOLLOW_FAILED: ctl_fail() is due; else *number is the signal that ended it, or 0. */
static enum follow_outcome live(struct top *top, int *number)
{
	struct pollfd fds[3] = {{.events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};

	for (;;) {
		int input;

		if (follow_read(top->follow) == FOLLOW_FAILED || do_due(top) < 0)
			return FOLLOW_FAILED;
		fds[0].fd = follow_fd(top->follow);
		fds[1].fd = screen_key_fd();
		fds[2].fd = screen_signal_fd();
		fds[1].revents = fds[2].revents = 0;
		(void)poll(fds, ARRAY_SIZE(fds), wait_ms(top));
		input = take_input(top, &fds[1], &fds[2]);
		if (input == 0)
			continue;
		*number = input < 0 ? -input : 0;
		return FOLLOW_ENDED;
	}
}

static int run_live(struct top *top)
{
	static const struct follow_ops ops = {on_hello, on_change, on_lost};
	enum follow_outcome outcome;
	int number = 0, r;

	top->follow = follow_open(top->ctl, &ops, top);
	if (!top->follow || read_pages(top) < 0)
		return ctl_fail(top->ctl);
	r = screen_enter();
	if (r < 0) {
		(void)ctl_set_error(top->ctl, CTL_NO_SOURCE, NULL, "the terminal: %s", strerror(-r));
		return ctl_fail(top->ctl);
	}
	outcome = live(top, &number);
	screen_leave();
	if (outcome == FOLLOW_FAILED)
		return ctl_fail(top->ctl);
	return number ? 128 + number : CTL_GOOD;
}

int verb_top(struct ctl *ctl, int argc, char **argv)
{
	struct top top = {.ctl = ctl, .board = board_new(ctl, argc, argv)};
	int code;

	if (!top.board)
		(void)ctl_set_error(ctl, CTL_NO_DAEMON, NULL, "no memory");
	if (!top.board)
		code = ctl_fail(ctl);
	else if (!ctl->json && screen_is_there())
		code = run_live(&top);
	else
		code = read_pages(&top) < 0 ? ctl_fail(ctl) : print_once(&top);
	follow_close(top.follow);
	board_free(top.board);
	return code;
}
