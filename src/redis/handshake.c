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

void handshake_wipe(struct handshake *h, struct resp_buffer *out)
{
	explicit_bzero(out->data, h->secret_bytes);
	h->secret_bytes = 0;
}

static bool passed(const char *step, const struct resp_value *answer)
{
	if (strcmp(step, "PSUBSCRIBE") == 0)
		return answer->type == RESP_ARRAY;
	if (strcmp(step, "PING") == 0 && resp_is_error(answer, "NOPERM"))
		return true;
	return answer->type == RESP_STATUS;
}

/* Before version 6 a wrong password has no word of its own. */
static bool is_old_wrongpass(const char *step, const struct resp_value *answer)
{
	return strcmp(step, "AUTH") == 0 && strcmp(answer->str, "ERR invalid password") == 0;
}

/* True if the answer denies our identity or our rights. */
static bool is_denial(const char *step, const struct resp_value *answer)
{
	return answer->type == RESP_ERROR && (resp_is_error(answer, "WRONGPASS") || resp_is_error(answer, "NOAUTH") ||
					      resp_is_error(answer, "NOPERM") || is_old_wrongpass(step, answer));
}

/* A word of capitals, but for ERR, is the kind of a fault whose text Redis wrote itself. */
static bool has_own_kind(const struct resp_value *answer)
{
	size_t word = strspn(answer->str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return word > 0 && answer->str[word] == ' ' && !resp_is_error(answer, "ERR");
}

/* How much of an error that answers AUTH does not come from us (Redis 3 to 8, src/networking.c, acl.c, server.c). */
static size_t own_words(const struct resp_value *answer)
{
	static const char *const known[] = {
		"ERR max number of clients reached",
		"ERR max number of clients + cluster connections reached",
		("ERR AUTH <password> called without any password configured for the default user. "
		 "Are you sure your configuration is correct?"),
		"ERR Client sent AUTH, but no password is set",
		"ERR wrong number of arguments for 'auth' command",
		"ERR unknown command",
	};

	if (has_own_kind(answer))
		return answer->len;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strncmp(answer->str, known[i], strlen(known[i])) == 0)
			return strlen(known[i]);
	return 0;
}

static void explain_denial(const struct handshake *h, const struct resp_value *answer, char *why, size_t size)
{
	const char *step = h->steps[h->done];
	size_t len = strcmp(step, "AUTH") == 0 ? strcspn(answer->str, " ") : answer->len;
	char who[ACCESS_DESCRIPTION_BYTES];

	(void)snprintf(why, size, "%s refused: %.*s (%s)", step, (int)MIN(len, size), answer->str,
		       access_describe(h->access, who, sizeof(who)));
}

/* An error that does not concern our identity: a server that is full, in protected mode or loading answers the first
 * command like that. */
static void explain_auth(const struct resp_value *answer, char *why, size_t size)
{
	size_t len = own_words(answer);

	if (len == 0)
		(void)snprintf(why, size, "Redis says: an error (which may repeat the password)");
	else
		(void)snprintf(why, size, "Redis says: %.*s%s", (int)MIN(len, size), answer->str,
			       len < answer->len ? " (the rest may repeat the password)" : "");
}

static void explain(const struct handshake *h, const struct resp_value *answer, char *why, size_t size)
{
	const char *step = h->steps[h->done];

	if (answer->type != RESP_ERROR)
		(void)snprintf(why, size, "protocol error: unexpected answer to %s", step);
	else if (is_denial(step, answer))
		explain_denial(h, answer, why, size);
	else if (strcmp(step, "AUTH") == 0)
		explain_auth(answer, why, size);
	else
		(void)snprintf(why, size, "%s refused: %s", step, answer->str);
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
