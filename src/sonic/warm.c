/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/warm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "log/log.h"

#define KEY_BYTES 48

enum warm_question { ASK_SYSTEM, ASK_SWSS, ASK_COUNT, QUESTIONS };

struct warm {
	struct conn *conn;
	char enable_keys[2][KEY_BYTES];
	char count_key[KEY_BYTES];
	warm_fn fn;
	void *user;
	bool enabled, refused, decided, writing, written;
	bool owed;    /* a command for which there was no capacity */
	bool replace; /* the key of restore_count is not a hash */
	bool said;    /* that the tables cannot be read */
	enum warm_answer answer;
	char count_text[24]; /* what Redis held; "" for nothing */
	uint32_t count;      /* what it is to hold */
};

struct warm *warm_new(struct conn *state, const char *separator, warm_fn fn, void *user)
{
	struct warm *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->conn = state;
	w->fn = fn;
	w->user = user;
	(void)snprintf(w->enable_keys[0], KEY_BYTES, "WARM_RESTART_ENABLE_TABLE%ssystem", separator);
	(void)snprintf(w->enable_keys[1], KEY_BYTES, "WARM_RESTART_ENABLE_TABLE%sswss", separator);
	(void)snprintf(w->count_key, KEY_BYTES, "WARM_RESTART_TABLE%sportsyncd", separator);
	return w;
}

void warm_free(struct warm *w)
{
	free(w);
}

static void on_count_written(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct warm *w = user;
	bool again;

	(void)item;
	(void)cookie;
	w->writing = false;
	w->written = reply && reply->type != RESP_ERROR;
	again = resp_is_error(reply, "WRONGTYPE") && !w->replace;
	w->replace = resp_is_error(reply, "WRONGTYPE");
	w->owed = again || !reply;
	if (!again && reply && reply->type == RESP_ERROR)
		log_warning(KIND_WARM_TABLES_REFUSED, "%s: restore_count cannot be written, it is tried again: %s",
			    w->count_key, reply->str);
}

static void on_deleted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	(void)reply;
	(void)user;
	(void)item;
	(void)cookie;
}

/* If it is refused, so is the write that follows. */
static bool send_delete(struct warm *w)
{
	const struct resp_arg argv[] = {RESP_STR("DEL"), RESP_STR(w->count_key)};

	w->owed = conn_command(w->conn, on_deleted, w, NULL, 0, ARRAY_SIZE(argv), argv) < 0;
	if (!w->owed)
		log_warning(KIND_KEY_REPLACED, "%s: is not a hash, is replaced", w->count_key);
	return !w->owed;
}

static void write_count(struct warm *w)
{
	char count[16];
	struct resp_arg argv[4];

	(void)snprintf(count, sizeof(count), "%" PRIu32, w->count);
	argv[0] = RESP_STR("HSET");
	argv[1] = RESP_STR(w->count_key);
	argv[2] = RESP_STR("restore_count");
	argv[3] = RESP_STR(count);
	if (w->replace && !send_delete(w))
		return;
	w->writing = conn_command(w->conn, on_count_written, w, NULL, 0, ARRAY_SIZE(argv), argv) == 0;
	w->owed = !w->writing;
}

/* If the database was emptied the count went with it, and the next warm start would be a cold one. */
static void on_count_checked(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct warm *w = user;

	(void)item;
	(void)cookie;
	w->writing = false;
	w->replace = resp_is_error(reply, "WRONGTYPE");
	if (w->replace || (reply && reply->type == RESP_NIL))
		write_count(w);
}

static int ask_count(struct warm *w, conn_reply_fn fn)
{
	const struct resp_arg argv[] = {RESP_STR("HGET"), RESP_STR(w->count_key), RESP_STR("restore_count")};

	return conn_command(w->conn, fn, w, NULL, ASK_COUNT, ARRAY_SIZE(argv), argv);
}

void warm_settle(struct warm *w)
{
	if (!w->decided || w->writing)
		return;
	if (!w->written)
		write_count(w);
	else
		w->writing = ask_count(w, on_count_checked) == 0;
	w->owed = !w->writing;
}

void warm_turn(struct warm *w)
{
	if (w->owed && !w->writing && conn_capacity(w->conn) > 0)
		warm_settle(w);
}

/* Digits only, and less than the maximum, since one is added. */
static bool parse_count(const char *text, uint32_t *ret)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value >= UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static void decide(struct warm *w)
{
	uint32_t count = 0;

	w->decided = true;
	w->answer = WARM_COLD;
	w->count = 0;
	if (!w->enabled)
		return;
	if (w->count_text[0] == '\0') {
		log_warning(KIND_WARM_START_NOT_POSSIBLE,
			    "warm start is enabled, but %s has no restore_count: this start is cold", w->count_key);
		return;
	}
	if (!parse_count(w->count_text, &count)) {
		log_warning(KIND_WARM_START_NOT_POSSIBLE,
			    "warm start is enabled, but %s restore_count \"%s\" is not a number: this start is cold",
			    w->count_key, w->count_text);
		return;
	}
	w->answer = WARM_WARM;
	w->count = count + 1;
	log_notice(KIND_WARM_START, "warm start, restore count %" PRIu32, w->count);
}

static void take_answer(struct warm *w, enum warm_question question, const struct resp_value *reply)
{
	/* A key that is not a hash counts as missing, as does a value too large; any other refusal is temporary. */
	if (reply->type == RESP_ERROR && !resp_is_error(reply, "WRONGTYPE") && !resp_too_large(reply)) {
		if (!w->said)
			log_warning(KIND_WARM_TABLES_REFUSED,
				    "the warm start tables cannot be read, it is tried again: %s", reply->str);
		w->refused = w->said = true;
	}
	if (reply->type != RESP_STRING)
		return;
	if (question == ASK_COUNT)
		(void)printable(reply->str, reply->len, w->count_text, sizeof(w->count_text));
	else if (resp_is_string(reply, "true"))
		w->enabled = true;
}

static void on_answer(const struct resp_value *reply, void *user, void *item, uint64_t question)
{
	struct warm *w = user;

	(void)item;
	if (!reply)
		return;
	take_answer(w, (enum warm_question)question, reply);
	if (question != ASK_COUNT)
		return;
	if (w->refused) {
		w->fn(WARM_UNKNOWN, w->user);
		return;
	}
	decide(w);
	warm_settle(w);
	w->fn(w->answer, w->user);
}

static int ask_enable(struct warm *w, enum warm_question question)
{
	const struct resp_arg argv[] = {RESP_STR("HGET"), RESP_STR(w->enable_keys[question]), RESP_STR("enable")};

	return conn_command(w->conn, on_answer, w, NULL, question, ARRAY_SIZE(argv), argv);
}

int warm_ask(struct warm *w)
{
	int r;

	if (w->decided) {
		w->fn(w->answer, w->user);
		return 0;
	}
	w->enabled = w->refused = false;
	w->count_text[0] = '\0';
	r = ask_enable(w, ASK_SYSTEM);
	if (r == 0)
		r = ask_enable(w, ASK_SWSS);
	return r == 0 ? ask_count(w, on_answer) : r;
}
