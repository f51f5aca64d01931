/* SPDX-License-Identifier: Apache-2.0 */
#include "log_catcher.h"

#include <stdlib.h>

void catcher_listen(struct log_catcher *k)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)unlink(k->path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", k->path);
	k->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(k->fd >= 0);
	assert_int_equal(bind(k->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

void catcher_manages(struct log_catcher *k)
{
	scratch_make(k->folder);
	(void)snprintf(k->path, sizeof(k->path), "%s/notify", k->folder);
	catcher_listen(k);
	assert_int_equal(setenv("NOTIFY_SOCKET", k->path, 1), 0);
}

void catcher_manages_no_more(struct log_catcher *k)
{
	(void)unsetenv("NOTIFY_SOCKET");
	(void)close(k->fd);
	scratch_remove(k->folder);
}

void catcher_open(enum log_target_type type, int level, const char *syslog_path)
{
	struct log_options options = {.to = {.type = type}, .level = level, .limit_secs = 10, .limit_lines = -1};

	(void)snprintf(options.to.syslog_path, sizeof(options.to.syslog_path), "%s", syslog_path);
	audit_enable(false);
	loglimit_set(0, -1); /* what an earlier test said does not count */
	log_open(&options);
}

void catcher_start(struct log_catcher *k, int level)
{
	scratch_make(k->folder);
	(void)snprintf(k->path, sizeof(k->path), "%s/log", k->folder);
	catcher_listen(k);
	catcher_open(LOG_TO_SYSLOG, level, k->path);
}

void catcher_stop(struct log_catcher *k)
{
	log_close();
	catcher_open(LOG_TO_STDERR, LOG_NOTICE, "");
	(void)close(k->fd);
	scratch_remove(k->folder);
}

bool catcher_next(struct log_catcher *k)
{
	ssize_t n = recv(k->fd, k->line, sizeof(k->line) - 1, 0);

	k->line[n > 0 ? n : 0] = '\0';
	return n > 0;
}

unsigned int catcher_count(struct log_catcher *k, const char *text)
{
	unsigned int found = 0;

	while (catcher_next(k))
		found += strstr(k->line, text) != NULL;
	return found;
}
