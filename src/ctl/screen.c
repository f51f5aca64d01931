/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/util.h"

#define ENTER "\033[?1049h\033[?25l\033[2J" /* the other screen, no cursor, empty */
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define EMPTY_LINE "\033[2K"
#define PLAIN "\033[0m"
#define REST_OF_SCREEN "\033[J"

static struct {
	bool entered, keys; /* keys: stdin is a terminal in our mode */
	struct termios before;
	int signals;
} screen = {.signals = -1};

bool screen_is_there(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

static void say(const char *codes)
{
	(void)write_all(STDOUT_FILENO, codes, strlen(codes));
}

/* Keys come one by one and are not shown; Ctrl-C is still a signal. */
static void take_keys(void)
{
	struct termios raw;

	screen.keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen.before) == 0;
	if (!screen.keys)
		return;
	raw = screen.before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static int catch_signals(void)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		(void)sigaddset(&mask, wanted[i]);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	screen.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return screen.signals < 0 ? -errno : 0;
}

int screen_enter(void)
{
	int r = screen.signals < 0 ? catch_signals() : 0;

	if (r < 0)
		return r;
	take_keys();
	screen.entered = true;
	(void)atexit(screen_leave);
	say(ENTER);
	return 0;
}

void screen_leave(void)
{
	if (!screen.entered)
		return;
	screen.entered = false;
	say(LEAVE);
	if (screen.keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

void screen_size(unsigned *columns, unsigned *lines)
{
	struct winsize size = {0};

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col ? size.ws_col : 80;
	*lines = size.ws_row ? size.ws_row : 24;
}

/* How many bytes of a line fit: escape codes take no column, nor do the later bytes of a character. */
static size_t fitting(const char *line, size_t len, unsigned columns)
{
	unsigned taken = 0;
	bool code = false;

	for (size_t i = 0; i < len; i++) {
		bool begins = !code && line[i] != '\033' && ((unsigned char)line[i] & 0xc0) != 0x80;

		if (begins && taken++ == columns)
			return i;
		code = line[i] == '\033' || (code && (line[i] < '@' || line[i] == '['));
	}
	return len;
}

/* In one write and without clearing first, so that nothing flickers. */
void screen_draw(const struct text *picture)
{
	struct text out = {0};
	unsigned columns, lines;

	screen_size(&columns, &lines);
	text_put(&out, HOME);
	for (size_t at = 0; at < picture->len && lines > 0; lines--) {
		const char *line = picture->data + at, *end = memchr(line, '\n', picture->len - at);
		size_t len = end ? (size_t)(end - line) : picture->len - at;

		if (at > 0)
			text_put(&out, "\r\n");
		text_put(&out, EMPTY_LINE);
		text_add(&out, line, fitting(line, len, columns));
		text_put(&out, PLAIN);
		at += len + 1;
	}
	if (lines > 0)
		text_put(&out, "\r\n" REST_OF_SCREEN);
	if (!out.failed)
		(void)write_all(STDOUT_FILENO, out.data, out.len);
	free(out.data);
}

int screen_key_fd(void)
{
	return screen.keys ? STDIN_FILENO : -1;
}

int screen_signal_fd(void)
{
	return screen.signals;
}

char screen_key(void)
{
	char key;

	return screen.keys && read(STDIN_FILENO, &key, 1) == 1 ? key : '\0';
}

/* Ctrl-Z: the shell has its own screen meanwhile. */
static void pause_for_shell(void)
{
	screen_leave();
	(void)raise(SIGSTOP);
	(void)screen_enter();
}

int screen_signal(void)
{
	struct signalfd_siginfo info;

	if (read(screen.signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGTSTP)
		pause_for_shell();
	return info.ssi_signo == SIGTSTP || info.ssi_signo == SIGWINCH ? 0 : (int)info.ssi_signo;
}
