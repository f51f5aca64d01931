/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "config/show.h"
#include "ctl/doctor.h"
#include "ctl/out.h"
#include "ctl/verbs.h"

static const char *verdict(const struct doctor *d)
{
	static char hidden[160];

	if (d->hidden) {
		(void)snprintf(hidden, sizeof(hidden),
			       "this user may not look at portsyncd; this is how it would do as user %s", d->user.name);
		return hidden;
	}
	if (d->n[DOCTOR_FAIL] > 0)
		return d->pid ? "portsyncd runs, but cannot work as it should" : "portsyncd cannot work as it should";
	if (d->n[DOCTOR_WARN] > 0)
		return d->pid ? "portsyncd works; what is below could be better"
			      : "portsyncd could work; what is below could be better";
	return "all is well";
}

/* --- text --- */

static void print_findings(const struct doctor *d, enum doctor_level level)
{
	static const enum out_style styles[DOCTOR_LEVELS] = {OUT_GOOD, OUT_WARN, OUT_BAD};
	const struct ctl *ctl = d->ctl;
	const json_t *found;
	size_t i;

	json_array_foreach(d->checks, i, found)
	{
		const char *name = json_string_value(json_object_get(found, "level"));
		const char *remedy = json_string_value(json_object_get(found, "remedy"));

		if (strcmp(name, doctor_level_name(level)) != 0)
			continue;
		(void)printf("%s%-4s%s  %s: %s\n", out_on(ctl, styles[level]), name, out_off(ctl, styles[level]),
			     json_string_value(json_object_get(found, "check")),
			     json_string_value(json_object_get(found, "text")));
		if (remedy)
			(void)printf("      what helps: %s\n", remedy);
	}
}

static void print_text(const struct doctor *d)
{
	const struct ctl *ctl = d->ctl;

	(void)printf("%s%s%s (%u FAIL, %u WARN, %u ok)\n", out_on(ctl, OUT_BOLD), verdict(d), out_off(ctl, OUT_BOLD),
		     d->n[DOCTOR_FAIL], d->n[DOCTOR_WARN], d->n[DOCTOR_OK]);
	print_findings(d, DOCTOR_FAIL);
	print_findings(d, DOCTOR_WARN);
	print_findings(d, DOCTOR_OK);
	config_show_settings(&ctl->config, stdout);
}

/* --- JSON --- */

static json_t *make_json(const struct doctor *d)
{
	unsigned worst = d->n[DOCTOR_FAIL] ? DOCTOR_FAIL : d->n[DOCTOR_WARN] ? DOCTOR_WARN : DOCTOR_OK;
	json_t *config = config_json(&d->ctl->config);

	(void)json_object_del(config, "schema");
	return json_pack("{s:s, s:s, s:o, s:s, s:O, s:o}", "verdict", doctor_level_name((enum doctor_level)worst),
			 "text", verdict(d), "pid", d->pid ? json_integer(d->pid) : json_null(), "user", d->user.name,
			 "checks", d->checks, "configuration", config);
}

/* --- all --- */

static void done(struct doctor *d)
{
	free(d->cmdline);
	json_decref(d->checks);
}

static int examine(struct doctor *d, struct ctl *ctl)
{
	*d = (struct doctor){.ctl = ctl, .checks = json_array()};
	doctor_find_daemon(d);
	if (doctor_find_user(d) < 0)
		return -1;
	doctor_config(d);
	doctor_daemon(d);
	doctor_rights(d);
	doctor_databases(d);
	doctor_http(d);
	doctor_folders(d);
	doctor_kernel(d);
	return 0;
}

json_t *doctor_report(struct ctl *ctl)
{
	static struct doctor d;
	json_t *report = examine(&d, ctl) < 0 ? NULL : make_json(&d);

	done(&d);
	return report;
}

int verb_doctor(struct ctl *ctl, int argc, char **argv)
{
	static struct doctor d;
	int code;

	(void)argc;
	(void)argv;
	if (examine(&d, ctl) < 0) {
		done(&d);
		return ctl_fail(ctl);
	}
	code = d.n[DOCTOR_FAIL] > 0 ? CTL_NEGATIVE : CTL_GOOD;
	if (ctl->json)
		out_json(ctl, make_json(&d));
	else
		print_text(&d);
	done(&d);
	return code;
}
