/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/follow.h"

#include <errno.h>
#include <string.h>

#include "ctl/daemonhttp.h"

#define SILENCE_SECS 10 /* twice what the daemon lets pass between two signs of life */

struct follow {
	struct ctl *ctl;
	const struct follow_ops *ops;
	void *user;
	struct daemonhttp *stream;
	uint64_t silent_until; /* CLOCK_MONOTONIC us */
};

static void heard(struct follow *f)
{
	f->silent_until = now_usec() + SILENCE_SECS * USEC_PER_SEC;
}

struct follow *follow_open(struct ctl *ctl, const struct follow_ops *ops, void *user)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f) {
		(void)ctl_set_error(ctl, CTL_NO_DAEMON, NULL, "no memory");
		return NULL;
	}
	*f = (struct follow){.ctl = ctl, .ops = ops, .user = user, .stream = daemonhttp_open(ctl, "/watch")};
	if (!f->stream) {
		free(f);
		return NULL;
	}
	heard(f);
	return f;
}

void follow_close(struct follow *f)
{
	if (!f)
		return;
	daemonhttp_close(f->stream);
	free(f);
}

int follow_fd(const struct follow *f)
{
	return daemonhttp_fd(f->stream);
}

int follow_patience_ms(const struct follow *f)
{
	uint64_t now = now_usec();

	return f->silent_until > now ? (int)((f->silent_until - now) / USEC_PER_MSEC) + 1 : 0;
}

static enum follow_outcome fail(struct follow *f, const char *remedy, const char *what)
{
	(void)ctl_set_error(f->ctl, CTL_NO_DAEMON, remedy, "portsyncd %s", what);
	return FOLLOW_FAILED;
}

/* An object without a known member is a sign of life, or comes from a newer daemon. */
static enum follow_outcome take(struct follow *f, json_t *json)
{
	json_t *hello = json_object_get(json, "hello"), *lost = json_object_get(json, "lost");
	const char *version = json_string_value(json_object_get(hello, "version"));

	if (hello)
		f->ops->hello(version ? version : "?", f->user);
	else if (json_is_integer(lost))
		f->ops->lost((long long)json_integer_value(lost), f->user);
	else if (json_is_string(json_object_get(json, "port")) && !f->ops->change(json, f->user))
		return FOLLOW_ENDED;
	return FOLLOW_MORE;
}

static enum follow_outcome take_line(struct follow *f, const char *line)
{
	json_t *json = json_loads(line, 0, NULL);
	enum follow_outcome outcome;

	if (!json_is_object(json)) {
		json_decref(json);
		return fail(f, NULL, "sent what is not a line of changes");
	}
	outcome = take(f, json);
	json_decref(json);
	return outcome;
}

/* The daemon ends a stream when it ends itself, or when the client has read nothing for http.timeout_secs. */
static enum follow_outcome fail_ended(struct follow *f)
{
	struct text body;
	unsigned status;

	if (daemonhttp_get(f->ctl, "/livez", &body, &status) < 0)
		return fail(f, "portsyncctl doctor says why it does not run", "has ended: there are no more changes");
	free(body.data);
	return fail(f, NULL, "has closed the stream: it was restarted, or its lines were read too slowly");
}

enum follow_outcome follow_read(struct follow *f)
{
	enum follow_outcome outcome = FOLLOW_MORE;
	const char *line;
	int r = 1;

	while (outcome == FOLLOW_MORE && (r = daemonhttp_line(f->stream, &line)) == 1) {
		heard(f);
		outcome = take_line(f, line);
	}
	if (outcome != FOLLOW_MORE)
		return outcome;
	if (r == -EPIPE || r == -ECONNRESET)
		return fail_ended(f);
	if (r < 0)
		return fail(f, NULL, strerror(-r));
	if (now_usec() >= f->silent_until)
		return fail(f, "is the process stopped (T), or the machine overloaded?", "does not answer any more");
	return FOLLOW_MORE;
}
