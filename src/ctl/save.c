/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define REMEDY "-o with another folder"

static int refuse(struct ctl *ctl, const char *path, int error)
{
	return ctl_set_error(ctl, CTL_NO_SOURCE, REMEDY, "%s: %s", path, strerror(error));
}

int save_begin(struct ctl *ctl, struct save *save, const char *path)
{
	bool to_stdout = strcmp(path, "-") == 0;
	struct stat st;

	*save = (struct save){.path = to_stdout ? NULL : path, .fd = to_stdout ? STDOUT_FILENO : -1};
	if (to_stdout && ctl->json)
		return ctl_set_error(ctl, CTL_USAGE, NULL, "-o -: stdout cannot have the file and --json's document");
	if (to_stdout && isatty(STDOUT_FILENO))
		return ctl_set_error(ctl, CTL_USAGE, "-o FILE, or a pipe", "-o -: the file is not for a terminal");
	if (to_stdout)
		return 0;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		save->fd = open(path, O_WRONLY | O_CLOEXEC);
		return save->fd < 0 ? refuse(ctl, path, errno) : 0;
	}
	if ((size_t)snprintf(save->part, sizeof(save->part), "%s.part", path) >= sizeof(save->part))
		return refuse(ctl, path, ENAMETOOLONG);
	save->fd = open(save->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	return save->fd < 0 ? refuse(ctl, path, errno) : 0;
}

int save_write(struct ctl *ctl, struct save *save, const void *bytes, size_t len)
{
	int r = write_all(save->fd, bytes, len);

	return r < 0 ? refuse(ctl, save->path ? save->path : "standard output", -r) : 0;
}

int save_end(struct ctl *ctl, struct save *save)
{
	int error = 0;

	if (!save->path)
		return 0;
	/* Closing also reports errors that the file system has put off. */
	if (close(save->fd) < 0 || (save->part[0] != '\0' && rename(save->part, save->path) < 0))
		error = errno;
	save->fd = -1;
	if (error == 0)
		return 0;
	if (save->part[0] != '\0')
		(void)unlink(save->part);
	return refuse(ctl, save->path, error);
}

void save_drop(struct save *save)
{
	if (!save->path || save->fd < 0)
		return;
	(void)close(save->fd);
	save->fd = -1;
	if (save->part[0] != '\0')
		(void)unlink(save->part);
}
