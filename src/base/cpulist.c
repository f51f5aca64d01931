/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpulist.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"

/* Reads the CPU at *text and moves *text past it; CPU_SETSIZE if there is no number. */
static unsigned take_number(const char **text)
{
	const char *at = *text;
	unsigned value = 0;

	while (*at >= '0' && *at <= '9' && value < CPU_SETSIZE)
		value = value * 10 + (unsigned)(*at++ - '0');
	if (at == *text || value >= CPU_SETSIZE)
		return CPU_SETSIZE;
	*text = at;
	return value;
}

/* "3" or "0-1" at *text, which is moved past it. */
static int take_range(const char **text, cpu_set_t *cpus)
{
	unsigned first = take_number(text), last = first;

	if (**text == '-') {
		++*text;
		last = take_number(text);
	}
	if (first > last || last == CPU_SETSIZE)
		return -EINVAL;
	for (unsigned cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, cpus);
	return 0;
}

int cpulist_parse(const char *text, cpu_set_t *cpus)
{
	CPU_ZERO(cpus);
	if (*text == '\0')
		return 0;
	for (; take_range(&text, cpus) == 0; text++)
		if (*text != ',')
			return *text == '\0' ? 0 : -EINVAL;
	return -EINVAL;
}

const char *cpulist_format(const cpu_set_t *cpus, char *out, size_t size)
{
	out[0] = '\0';
	for (unsigned first = 0; first < CPU_SETSIZE; first++) {
		unsigned last = first;

		if (!CPU_ISSET(first, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		text_append(out, size, ",", "%u", first);
		if (last > first)
			text_append(out, size, "-", "%u", last);
		first = last;
	}
	return out;
}
