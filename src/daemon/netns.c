/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --netns: the network namespace of this name. It lives as long as this process is in it, even if the name is deleted
 * or given to another namespace; but then its links are no longer the switch's.
 */
#include "daemon/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "daemon/end.h"

#define FOLDER "/run/netns"

static void path_of(const struct config *config, char out[static sizeof(FOLDER) + NAME_MAX + 1])
{
	(void)snprintf(out, sizeof(FOLDER) + NAME_MAX + 1, FOLDER "/%s", config->netns);
}

int netns_enter(struct daemon *d)
{
	char path[sizeof(FOLDER) + NAME_MAX + 1];
	int fd cleanup(close_fd) = -1;

	if (d->config->netns[0] == '\0')
		return 0;
	path_of(d->config, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &d->netns) < 0 || setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	return 0;
}

void netns_report_missing(struct daemon *d, int error)
{
	daemon_fail(d, "network namespace " FOLDER "/%s: %s", d->config->netns, strerror(-error));
}

void netns_check(struct daemon *d)
{
	char path[sizeof(FOLDER) + NAME_MAX + 1];
	struct stat now;

	if (d->config->netns[0] == '\0')
		return;
	path_of(d->config, path);
	if (stat(path, &now) < 0) {
		if (errno == ENOENT)
			daemon_fail(d, "network namespace %s was deleted: its links are no longer the switch's", path);
		return;
	}
	if (now.st_dev != d->netns.st_dev || now.st_ino != d->netns.st_ino)
		daemon_fail(d, "network namespace %s was created again: the links that were followed are not in it",
			    path);
}

static int on_folder(sd_event_source *source, const struct inotify_event *event, void *user)
{
	(void)source;
	(void)event;
	netns_check(user);
	return 0;
}

/* If it cannot be watched, the check at each reconciliation finds out later. */
void netns_watch(struct daemon *d)
{
	if (d->config->netns[0] == '\0')
		return;
	(void)sd_event_add_inotify(d->event, &d->netns_watch, FOLDER,
				   IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO, on_folder, d);
	netns_check(d);
}
