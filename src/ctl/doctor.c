/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "ctl/out.h"

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[DOCTOR_LEVELS] = {"ok", "WARN", "FAIL"};

	return names[level];
}

void doctor_add(struct doctor *d, enum doctor_level level, const char *check, const char *remedy, const char *format,
		...)
{
	char *text cleanup(free_ptr) = NULL;
	json_t *found;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		out_no_memory();
	found = json_pack("{s:s, s:s, s:o}", "check", check, "level", doctor_level_name(level), "text",
			  out_json_text(text));
	if (found && remedy)
		(void)json_object_set_new(found, "remedy", out_json_text(remedy));
	(void)json_array_append_new(d->checks, found);
	d->n[level]++;
}
