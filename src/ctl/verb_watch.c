/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/changetext.h"
#include "ctl/daemonhttp.h"
#include "ctl/follow.h"
#include "ctl/names.h"
#include "ctl/out.h"
#include "ctl/prose.h"
#include "ctl/verbs.h"

#define COUNT_MAX 999999999

struct watching {
	struct ctl *ctl;
	int n;
	char **patterns;
	unsigned long left; /* changes to print before it ends; 0: no end */
};

static int read_count(struct ctl *ctl, unsigned long *count)
{
	const char *text = ctl_option(ctl, "count");
	char quote[64];

	*count = 0;
	if (!text)
		return 0;
	if (strlen(text) <= 9 && text[strspn(text, "0123456789")] == '\0')
		*count = strtoul(text, NULL, 10);
	if (*count > 0)
		return 0;
	return ctl_set_error(ctl, CTL_USAGE, NULL, "--count: \"%s\" is not a number; allowed: 1 to %d",
			     printable(text, strlen(text), quote, sizeof(quote)), COUNT_MAX);
}

static void print_change(const struct ctl *ctl, const json_t *change)
{
	char when[CHANGETEXT_BYTES], what[CHANGETEXT_BYTES], latency[CHANGETEXT_BYTES], name[CHANGETEXT_BYTES];
	const char *port = changetext_port(change);
	enum out_style style;

	(void)changetext_what(change, what, &style);
	(void)printf("%s  %-12s  %s%s%s  %s\n", changetext_time(change, when),
		     printable(port, strlen(port), name, sizeof(name)), out_on(ctl, style), what, out_off(ctl, style),
		     changetext_latency(change, latency));
}

static bool on_change(json_t *change, void *user)
{
	struct watching *w = user;

	if (!names_match(changetext_port(change), w->n, w->patterns))
		return true;
	if (w->ctl->json)
		out_json(w->ctl, json_pack("{s:O}", "change", change));
	else
		print_change(w->ctl, change);
	return w->left == 0 || --w->left > 0;
}

static void on_lost(long long lost, void *user)
{
	const struct ctl *ctl = ((struct watching *)user)->ctl;

	if (ctl->json)
		out_json(ctl, json_pack("{s:I}", "lost", (json_int_t)lost));
	else
		(void)printf("%slost %lld changes of all ports: the reader of these lines was too slow%s\n",
			     out_on(ctl, OUT_WARN), lost, out_off(ctl, OUT_WARN));
}

static void on_hello(const char *version, void *user)
{
	const struct ctl *ctl = ((struct watching *)user)->ctl;

	if (ctl->json)
		out_json_line(ctl, json_pack("{s:{s:s}}", "hello", "version", version));
	else if (ctl->legend && isatty(STDOUT_FILENO))
		ctl_say(ctl, "changes from now on, as portsyncd %s makes them; Ctrl-C ends", version);
}

static bool any_matches(const json_t *ports, char **pattern)
{
	const json_t *port;
	size_t i;

	json_array_foreach(ports, i, port) if (names_match(prose_text(port, "name"), 1, pattern)) return true;
	return false;
}

/* A misspelt name would be waited for in vain. A port may still come, so it is no error. */
static void say_unknown(struct ctl *ctl, int n, char **patterns)
{
	json_t *page;

	if (ctl->json || n == 0 || daemonhttp_json(ctl, "/ports", JSON_ARRAY, "ports", &page) < 0)
		return;
	for (int i = 0; i < n; i++) {
		char quote[64];

		if (!any_matches(json_object_get(page, "ports"), &patterns[i]))
			ctl_say(ctl, "there is no port %s yet",
				printable(patterns[i], strlen(patterns[i]), quote, sizeof(quote)));
	}
	json_decref(page);
}

/* Waits until there is more to read. While nothing changes there is no write that would find out that our reader is
 * gone. */
static int wait_for_more(const struct follow *f)
{
	struct pollfd fds[] = {{.fd = follow_fd(f), .events = POLLIN}, {.fd = STDOUT_FILENO}};
	int n;

	(void)fflush(stdout);
	n = poll(fds, ARRAY_SIZE(fds), follow_patience_ms(f));
	if (n > 0 && (fds[1].revents & (POLLERR | POLLHUP)))
		(void)raise(SIGPIPE);
	return n < 0 && errno != EINTR ? -errno : 0;
}

int verb_watch(struct ctl *ctl, int argc, char **argv)
{
	static const struct follow_ops ops = {on_hello, on_change, on_lost};
	struct watching w = {.ctl = ctl, .n = argc, .patterns = argv};
	enum follow_outcome outcome;
	struct follow *f;

	if (read_count(ctl, &w.left) < 0)
		return ctl_fail(ctl);
	f = follow_open(ctl, &ops, &w);
	if (!f)
		return ctl_fail(ctl);
	say_unknown(ctl, argc, argv);
	while ((outcome = follow_read(f)) == FOLLOW_MORE)
		if (wait_for_more(f) < 0)
			break;
	follow_close(f);
	return outcome == FOLLOW_ENDED ? CTL_GOOD : ctl_fail(ctl);
}
