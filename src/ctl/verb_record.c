/* SPDX-License-Identifier: Apache-2.0 */
/* record: asks the daemon to write a recording, or writes it to a file here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "ctl/daemonhttp.h"
#include "ctl/out.h"
#include "ctl/save.h"
#include "ctl/verbs.h"

#define TARGET "/recording"
#define WRITTEN_USEC (60 * USEC_PER_SEC)

/* file: where it is; NULL: there is none, and why says so. Returns the exit code. */
static int answer(struct ctl *ctl, const char *file, const char *why)
{
	static const char remedy[] = "[recorder] bytes and folder in portsyncd.conf; -o FILE asks for it here";

	if (ctl->json)
		out_json(ctl,
			 file ? json_pack("{s:o}", "file", out_json_text(file))
			      : json_pack("{s:n, s:o, s:s}", "file", "reason", out_json_text(why), "remedy", remedy));
	else if (file)
		(void)printf("%s\n", file);
	else
		ctl_say(ctl, "there is no recording: %s; what helps: %s", why, remedy);
	return file ? CTL_GOOD : CTL_NEGATIVE;
}

/* The daemon answered, but not with a recording. */
static int negative(struct ctl *ctl, const struct text *body, unsigned status)
{
	json_t *json = json_loadb(body->data ? body->data : "", body->len, 0, NULL);
	const char *error = json_string_value(json_object_get(json, "error"));
	char why[256];
	int code;

	if (status == 404)
		(void)snprintf(why, sizeof(why), "this portsyncd has no flight recorder");
	else
		(void)snprintf(why, sizeof(why), "%s", error ? error : "the daemon does not say why");
	code = answer(ctl, NULL, why);
	json_decref(json);
	return code;
}

/* False: the answer is about a file that was written, or cannot be. */
static bool is_being_written(const struct text *body, unsigned status, json_int_t *after)
{
	json_t *json = status == 503 ? json_loadb(body->data ? body->data : "", body->len, 0, NULL) : NULL;
	const json_t *number = json_object_get(json, "after");

	*after = json_integer_value(number);
	json_decref(json);
	return number != NULL;
}

/* On a busy switch, or with a slow disk, it takes longer than the daemon lets a client wait. */
static int post_until_written(struct ctl *ctl, struct text *body, unsigned *status)
{
	const uint64_t until = now_usec() + WRITTEN_USEC;
	char target[64] = "/record";
	json_int_t after;

	for (;;) {
		if (daemonhttp_post(ctl, target, body, status) < 0)
			return -1;
		if (!is_being_written(body, *status, &after) || now_usec() >= until)
			return 0;
		(void)snprintf(target, sizeof(target), "/record?after=%" JSON_INTEGER_FORMAT, after);
		free(body->data);
		*body = (struct text){0};
	}
}

/* The daemon writes it into its folder. */
static int ask_daemon(struct ctl *ctl)
{
	struct text body = {0};
	unsigned status = 0;
	json_t *json;
	const char *file;
	int code;

	if (post_until_written(ctl, &body, &status) < 0)
		return ctl_fail(ctl);
	json = status == 200 ? json_loadb(body.data, body.len, 0, NULL) : NULL;
	file = json_string_value(json_object_get(json, "file"));
	code = file ? answer(ctl, file, NULL) : negative(ctl, &body, status);
	json_decref(json);
	free(body.data);
	return code;
}

static int save(struct ctl *ctl, const char *path, const struct text *body)
{
	struct save save;

	if (save_begin(ctl, &save, path) < 0)
		return ctl_fail(ctl);
	if (save_write(ctl, &save, body->data, body->len) < 0 || save_end(ctl, &save) < 0) {
		save_drop(&save);
		return ctl_fail(ctl);
	}
	return save.path ? answer(ctl, path, NULL) : CTL_GOOD;
}

int verb_record(struct ctl *ctl, int argc, char **argv)
{
	const char *path = ctl_option(ctl, "output");
	struct text body = {0};
	unsigned status = 0;
	int code;

	(void)argc;
	(void)argv;
	if (!path)
		return ask_daemon(ctl);
	if (daemonhttp_get(ctl, TARGET, &body, &status) < 0)
		return ctl_fail(ctl);
	code = status == 200 ? save(ctl, path, &body) : negative(ctl, &body, status);
	free(body.data);
	return code;
}
