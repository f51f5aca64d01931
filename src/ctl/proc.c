/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define READ_BYTES 4096

static void close_folder(DIR **folder)
{
	if (*folder)
		(void)closedir(*folder);
}

static int open_file(pid_t pid, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

char *proc_read(pid_t pid, const char *name, size_t *len)
{
	int fd cleanup(close_fd) = open_file(pid, name);
	struct text text = {0};
	char bytes[READ_BYTES];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0)
		text_add(&text, bytes, (size_t)n);
	text_add(&text, "", 1);
	if (n < 0 || text.failed) {
		free(text.data);
		return NULL;
	}
	if (len)
		*len = text.len - 1;
	return text.data;
}

const char *proc_field(const char *status, const char *field)
{
	size_t len = strlen(field);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, field, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

bool proc_netns(pid_t pid, struct stat *ret)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)(pid ? pid : getpid()));
	return stat(path, ret) == 0;
}

bool proc_is_called(pid_t pid, const char *comm)
{
	char *name cleanup(free_ptr) = proc_read(pid, "comm", NULL);

	if (name)
		name[strcspn(name, "\n")] = '\0';
	return name && strcmp(name, comm) == 0;
}

bool proc_next(const char *comm, pid_t *pid)
{
	DIR *folder cleanup(close_folder) = opendir("/proc");
	pid_t before = *pid;

	*pid = 0;
	for (const struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
		pid_t found = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

		if (found > before && (*pid == 0 || found < *pid) && proc_is_called(found, comm))
			*pid = found;
	}
	return *pid != 0;
}
