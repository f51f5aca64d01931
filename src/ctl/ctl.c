/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/verbs.h"

int ctl_set_error(struct ctl *ctl, enum ctl_exit code, const char *remedy, const char *format, ...)
{
	va_list args;

	ctl->error.code = code;
	ctl->error.denied = false;
	(void)snprintf(ctl->error.remedy, sizeof(ctl->error.remedy), "%s", remedy ? remedy : "");
	va_start(args, format);
	(void)vsnprintf(ctl->error.message, sizeof(ctl->error.message), format, args);
	va_end(args);
	return -1;
}

int ctl_fail(const struct ctl *ctl)
{
	const struct ctl_error *error = &ctl->error;

	if (ctl->json) {
		out_json(ctl, json_pack("{s:o}", "error", out_json_error(error)));
		return (int)error->code;
	}
	ctl_say(ctl, "%s", error->message);
	if (error->remedy[0] != '\0')
		ctl_say(ctl, "what helps: %s", error->remedy);
	return (int)error->code;
}

void ctl_say(const struct ctl *ctl, const char *format, ...)
{
	va_list args;

	if (ctl->json)
		return;
	(void)fflush(stdout);
	(void)fputs("portsyncctl: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

const char *ctl_option(const struct ctl *ctl, const char *name)
{
	for (size_t i = 0; ctl->verb->options[i].name; i++)
		if (strcmp(ctl->verb->options[i].name, name) == 0)
			return ctl->given[i];
	return NULL;
}

int ctl_seconds(struct ctl *ctl, const char *name, double fallback, double min, double max, double *ret)
{
	const char *text = ctl_option(ctl, name);
	char quote[64], *end;

	*ret = fallback;
	if (!text)
		return 0;
	*ret = strtod(text, &end);
	if (end != text && *end == '\0' && isfinite(*ret) && *ret >= min && *ret <= max)
		return 0;
	return ctl_set_error(ctl, CTL_USAGE, NULL, "--%s: \"%s\" is not a number of seconds; allowed: %g to %.0f", name,
			     printable(text, strlen(text), quote, sizeof(quote)), min, max);
}
