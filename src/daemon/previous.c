/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the process before this one ended. systemd knows it (SERVICE_RESULT, systemd.exec(5)): the unit's ExecStopPost=
 * leaves systemd's word in the runtime directory. Without that word, the state file says whether there was an orderly
 * stop.
 */
#include "daemon/previous.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/counters.h"
#include "log/log.h"

#define FILE_NAME "last-stop"
#define LETTERS "abcdefghijklmnopqrstuvwxyz-"

/* False: there is no such directory. systemd names several with colons between them. */
static bool word_path(char *out, size_t size)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");
	size_t len = dir ? strcspn(dir, ":") : 0;

	if (len == 0 || len + sizeof("/" FILE_NAME) > size)
		return false;
	(void)snprintf(out, size, "%.*s/" FILE_NAME, (int)len, dir);
	return true;
}

/* Reads one word and a newline. Its length, 0 if it is something else, or negative errno. */
static ssize_t read_word(const char *path, char out[SNAPSHOT_WORD_BYTES])
{
	struct stat st;
	int fd cleanup(close_fd) = file_open(path, SNAPSHOT_WORD_BYTES - 1, &st);
	ssize_t n = fd < 0 ? fd : file_read(fd, out, SNAPSHOT_WORD_BYTES - 1);

	if (n < 0)
		return n;
	if (n > 0 && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
	return strspn(out, LETTERS) == (size_t)n ? n : 0;
}

void previous_load(struct daemon *d)
{
	char path[PATH_MAX], word[SNAPSHOT_WORD_BYTES];
	ssize_t n = word_path(path, sizeof(path)) ? read_word(path, word) : -ENOENT;

	(void)snprintf(d->previous_stop, sizeof(d->previous_stop), "%s", n > 0 ? word : counters_previous_stop(d));
	if (n == -ENOENT)
		return;
	/* It is about one stop only. */
	(void)unlink(path);
	if (n <= 0)
		log_warning(KIND_PREVIOUS_STOP, "%s is not used: %s", path,
			    n < 0 ? file_error((int)n) : "it is not one word of a-z and -");
	else if (strcmp(word, PREVIOUS_ORDERLY) != 0)
		log_warning(KIND_PREVIOUS_STOP, "the previous process did not stop cleanly: %s, says systemd", word);
}
