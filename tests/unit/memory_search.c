/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_search.h"

bool range_holds(int memory, uint64_t begin, uint64_t end, const char *text)
{
	static char copy[SEARCH_STEP + 256];
	size_t len = strlen(text);

	for (uint64_t at = begin; at < end; at += SEARCH_STEP) {
		ssize_t n = pread(memory, copy, sizeof(copy), (off_t)at);

		if (n > 0 && memmem(copy, (size_t)n, text, len) != NULL) {
			explicit_bzero(copy, sizeof(copy));
			return true;
		}
	}
	explicit_bzero(copy, sizeof(copy));
	return false;
}

bool memory_holds(const char *text)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	bool found = false;
	char line[512];

	while (maps && memory >= 0 && !found && fgets(line, sizeof(line), maps)) {
		char *at = line, mode[3] = "";
		uint64_t begin = strtoull(at, &at, 16), end = *at == '-' ? strtoull(at + 1, &at, 16) : 0;

		(void)snprintf(mode, sizeof(mode), "%s", *at ? at + 1 : "");
		/* A file's path begins with a slash. */
		if (strcmp(mode, "rw") != 0 || strchr(at, '/') || strstr(at, "[stack") ||
		    end - begin > SEARCH_RANGE_MAX)
			continue;
		found = range_holds(memory, begin, end, text);
	}
	if (maps)
		(void)fclose(maps);
	(void)close(memory);
	return found;
}
