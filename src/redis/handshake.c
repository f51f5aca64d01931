/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/handshake.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

static int add_step(struct handshake *h, struct resp_buffer *out, size_t argc, const struct resp_arg *argv)
{
	int r = resp_append(out, argc, argv);

	if (r == 0)
		h->steps[h->n++] = argv[0].data;
	return r;
}

static int add_auth(struct handshake *h, const struct access *access, struct resp_buffer *out, char *why, size_t size)
{
	struct resp_arg argv[3] = {RESP_STR("AUTH")};
	struct secret password cleanup(secret_wipe) = {0};
	size_t argc = 1;
	int r = access->read ? access->read(&password, why, size, access->user) : 0;

	if (r < 0 || !password.text)
		return r;
	if (access->username)
		argv[argc++] = RESP_STR(access->username);
	argv[argc++] = (struct resp_arg){password.text, password.len};
	r = add_step(h, out, argc, argv);
	h->secret_bytes = out->len;
	return r;
}

static int add_select(struct handshake *h, const struct conn_options *opt, struct resp_buffer *out)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", opt->database);
	return add_step(h, out, 2, (struct resp_arg[]){RESP_STR("SELECT"), RESP_STR(number)});
}

/* A server that still loads its data, or hangs in a script, takes AUTH and SELECT but refuses this. */
static int add_ping(struct handshake *h, struct resp_buffer *out)
{
	return add_step(h, out, 1, (struct resp_arg[]){RESP_STR("PING")});
}

static int add_subscribe(struct handshake *h, const struct conn_options *opt, struct resp_buffer *out)
{
	if (!opt->pattern)
		return 0;
	return add_step(h, out, 2, (struct resp_arg[]){RESP_STR("PSUBSCRIBE"), RESP_STR(opt->pattern)});
}

int handshake_begin(struct handshake *h, const struct conn_options *opt, struct resp_buffer *out, char *why,
		    size_t size)
{
	int r;

	*h = (struct handshake){.access = opt->access};
	r = add_auth(h, opt->access, out, why, size);
	if (r == 0)
		r = add_select(h, opt, out);
	if (r == 0)
		r = add_ping(h, out);
	if (r == 0)
		r = add_subscribe(h, opt, out);
	return r;
}

static bool passed(const char *step, const struct resp_value *answer)
{
	if (strcmp(step, "PSUBSCRIBE") == 0)
		return answer->type == RESP_ARRAY;
	if (strcmp(step, "PING") == 0 && resp_is_error(answer, "NOPERM"))
		return true;
	return answer->type == RESP_STATUS;
}

/* For who we are, or for what we may. */
static bool is_denial(const char *step, const struct resp_value *answer)
{
	return answer->type == RESP_ERROR &&
	       (strcmp(step, "AUTH") == 0 || resp_is_error(answer, "NOAUTH") || resp_is_error(answer, "NOPERM"));
}

static void explain(const struct handshake *h, const struct resp_value *answer, char *why, size_t size)
{
	const char *step = h->steps[h->done];
	bool denied = is_denial(step, answer);
	size_t len = answer->len;
	char who[ACCESS_DESCRIPTION_BYTES];

	if (answer->type != RESP_ERROR) {
		(void)snprintf(why, size, "protocol error: unexpected answer to %s", step);
		return;
	}
	/* Behind the first word a server that does not know AUTH repeats the password. */
	if (strcmp(step, "AUTH") == 0)
		len = strcspn(answer->str, " ");
	(void)snprintf(why, size, "%s refused: %.*s%s%s%s", step, (int)MIN(len, size), answer->str, denied ? " (" : "",
		       denied ? access_describe(h->access, who, sizeof(who)) : "", denied ? ")" : "");
}

enum handshake_outcome handshake_take(struct handshake *h, const struct resp_value *answer, char *why, size_t size)
{
	const char *step = h->steps[h->done];

	if (!passed(step, answer)) {
		explain(h, answer, why, size);
		return is_denial(step, answer) ? HANDSHAKE_DENIED : HANDSHAKE_REFUSED;
	}
	return ++h->done == h->n ? HANDSHAKE_DONE : HANDSHAKE_GOES_ON;
}
