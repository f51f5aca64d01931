/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `portsyncctl dump` where little is there: no daemon or one that refuses, no Redis, no journal, no tar, no disk. Each
 * run is a process of its own, with a PATH that has what the test puts there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "answering.h"
#include "ctl/verbs.h"
#include "scratch.h"
#include "test.h"

#define TEXT_BYTES 65536
#define PATH_BYTES 256

struct fixture {
	struct ctl ctl;
	char folder[SCRATCH_BYTES], output[PATH_BYTES], temporary[PATH_MAX];
	struct answering server;
	int code;
	char out[TEXT_BYTES], said[TEXT_BYTES];
};

static void path_of(const struct fixture *fx, const char *name, char out[PATH_BYTES])
{
	(void)snprintf(out, PATH_BYTES, "%s/%s", fx->folder, name);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	char path[PATH_BYTES];

	assert_non_null(fx);
	scratch_make(fx->folder);
	path_of(fx, "bin", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(fx, "tmp", path);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(fx->temporary, sizeof(fx->temporary), "%s", path);
	config_defaults(&fx->ctl.config);
	path_of(fx, "http", path);
	(void)snprintf(fx->ctl.config.http_unix_socket, sizeof(fx->ctl.config.http_unix_socket), "%s", path);
	fx->ctl.named.socket = fx->ctl.config.http_unix_socket;
	fx->ctl.named.database_config = "/nowhere/database_config.json";
	(void)snprintf(fx->ctl.config.database_config, sizeof(fx->ctl.config.database_config), "%s",
		       fx->ctl.named.database_config);
	fx->ctl.verb = ctl_verb_find("dump");
	path_of(fx, "a.tar.gz", fx->output);
	fx->ctl.given[0] = fx->output;
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	answering_end(&fx->server, fx->ctl.config.http_unix_socket);
	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

/* --- what is on the machine --- */

static void put_program(const struct fixture *fx, const char *name, const char *script)
{
	char path[PATH_BYTES];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/bin/%s", fx->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, script, strlen(script)), strlen(script));
	(void)close(fd);
}

/* The machine's own, which calls gzip. */
static void put_tar(const struct fixture *fx)
{
	put_program(fx, "tar", "#!/bin/sh\nPATH=/usr/bin:/bin exec tar \"$@\"\n");
}

/* A daemon that gives each question this answer. */
static void serve(struct fixture *fx, const char *answer)
{
	answering_start(&fx->server, fx->ctl.config.http_unix_socket, "portsyncd", answer, 1);
}

/* --- a run --- */

static void take(int fd, char text[TEXT_BYTES])
{
	ssize_t n = pread(fd, text, TEXT_BYTES - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	(void)close(fd);
}

static void dump(struct fixture *fx)
{
	int out = memfd_create("out", 0), err = memfd_create("said", 0), status;
	char path[PATH_BYTES];
	pid_t child;

	path_of(fx, "bin", path);
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		(void)dup2(out, STDOUT_FILENO);
		(void)dup2(err, STDERR_FILENO);
		(void)setenv("PATH", path, 1);
		(void)setenv("TMPDIR", fx->temporary, 1);
		exit(verb_dump(&fx->ctl, 0, NULL));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	fx->code = WEXITSTATUS(status);
	take(out, fx->out);
	take(err, fx->said);
}

static void assert_says(const char *text, const char *part)
{
	if (strstr(text, part))
		return;
	print_error("\"%s\" is not in: %s\n", part, text);
	fail();
}

/* Whether anything of the archive is there, under whatever name. */
static bool left_behind(const struct fixture *fx)
{
	DIR *folder = opendir(fx->folder);
	bool found = false;

	assert_non_null(folder);
	for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
		found |= strstr(entry->d_name, "tar.gz") != NULL;
	(void)closedir(folder);
	return found;
}

/* One error, no archive, nothing left behind. */
static void assert_fails(struct fixture *fx, enum ctl_exit code, const char *message, const char *remedy)
{
	dump(fx);
	assert_int_equal(fx->code, code);
	assert_string_equal(fx->out, "");
	assert_says(fx->said, message);
	assert_says(fx->said, remedy);
	assert_false(left_behind(fx));
	if (access(fx->temporary, F_OK) == 0)
		assert_int_equal(rmdir(fx->temporary), 0); /* it is empty */
}

/* What the document of --json says is missing of a part, "" if it is there. */
static const char *missing(const json_t *document, const char *name)
{
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(document, "parts"), i, part)
	{
		const json_t *why = json_object_get(part, "missing");

		if (strcmp(json_string_value(json_object_get(part, "name")), name) == 0)
			return why ? json_string_value(why) : "";
	}
	fail_msg("%s is no part", name);
	return NULL;
}

static json_t *dump_json(struct fixture *fx)
{
	json_t *document;

	put_tar(fx);
	fx->ctl.json = true;
	dump(fx);
	assert_int_equal(fx->code, CTL_GOOD);
	assert_string_equal(fx->said, "");
	document = json_loads(fx->out, 0, NULL);
	assert_non_null(document);
	assert_string_equal(json_string_value(json_object_get(document, "file")), fx->output);
	assert_int_equal(access(fx->output, F_OK), 0);
	return document;
}

/* --- tests --- */

static void without_daemon_redis_and_journal_it_is_made_all_the_same(void **state)
{
	struct fixture *fx = *state;
	json_t *document = dump_json(fx);
	struct stat st;

	assert_says(missing(document, "status.json"), fx->ctl.config.http_unix_socket);
	assert_string_equal(missing(document, "recording.pcapng"), missing(document, "status.json"));
	assert_says(missing(document, "STATE_DB.PORT_TABLE.json"), "/nowhere/database_config.json");
	assert_string_equal(missing(document, "journal.txt"), "there is no journalctl here");
	assert_string_equal(missing(document, "doctor.json"), "");
	assert_string_equal(missing(document, "portsyncd.conf"), "");
	assert_int_equal(stat(fx->output, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600); /* not for all */
	json_decref(document);
}

static void without_json_it_prints_its_name(void **state)
{
	struct fixture *fx = *state;
	char line[PATH_BYTES + 2];

	put_tar(fx);
	dump(fx);
	assert_int_equal(fx->code, CTL_GOOD);
	(void)snprintf(line, sizeof(line), "%s\n", fx->output);
	assert_string_equal(fx->out, line);
}

static void a_daemon_that_refuses_is_quoted(void **state)
{
	struct fixture *fx = *state;
	json_t *document;

	serve(fx, "HTTP/1.0 404 Not Found\r\n\r\nno such page");
	document = dump_json(fx);
	assert_string_equal(missing(document, "history.json"), "the daemon answers 404 to /history: no such page");
	assert_string_equal(missing(document, "status.json"), "the daemon answers 404 to /status: no such page");
	json_decref(document);
}

/* A daemon that judges itself badly has the most to say. */
static void what_an_unhealthy_daemon_says_is_kept(void **state)
{
	struct fixture *fx = *state;
	json_t *document;

	serve(fx, "HTTP/1.0 503 Service Unavailable\r\n\r\n{\"status\": \"unhealthy\"}");
	document = dump_json(fx);
	assert_string_equal(missing(document, "status.json"), "");
	assert_string_equal(missing(document, "healthz.json"), "");
	assert_says(missing(document, "metrics.txt"), "the daemon answers 503 to /metrics");
	json_decref(document);
}

static void the_journal_is_kept_or_what_it_lacks_is_said(void **state)
{
	static const struct {
		const char *script, *missing;
	} cases[] = {
		{"#!/bin/sh\necho 2026-10-14 portsyncd: in sync\n", ""},
		{"#!/bin/sh\nexit 0\n", "the journal has no lines of portsyncd"},
		{"#!/bin/sh\necho half; exit 3\n", "journalctl ended with 3"},
		{"#!/bin/sh\nkill -9 $$\n", "journalctl ended with 137"},
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *document;

		put_program(fx, "journalctl", cases[i].script);
		document = dump_json(fx);
		assert_string_equal(missing(document, "journal.txt"), cases[i].missing);
		json_decref(document);
	}
}

static void without_tar_there_is_none(void **state)
{
	assert_fails(*state, CTL_NO_SOURCE, "tar: it is not there", "apt-get install tar gzip");
}

static void the_first_line_of_tar_is_the_reason(void **state)
{
	struct fixture *fx = *state;

	put_program(fx, "tar", "#!/bin/sh\necho 'tar: -: No space left on device' >&2; echo more >&2; exit 2\n");
	assert_fails(fx, CTL_NO_SOURCE, "No space left on device\n", "another disk, or free space on this one");
	assert_null(strstr(fx->said, "more"));
}

static void a_tar_that_says_nothing_has_its_status(void **state)
{
	struct fixture *fx = *state;

	put_program(fx, "tar", "#!/bin/sh\nexit 2\n");
	assert_fails(fx, CTL_NO_SOURCE, "tar: it ended with 2", "another disk, or free space on this one");
}

static void a_temporary_folder_that_is_missing_is_an_error(void **state)
{
	struct fixture *fx = *state;

	put_tar(fx);
	(void)snprintf(fx->temporary, sizeof(fx->temporary), "/nowhere");
	assert_fails(fx, CTL_NO_SOURCE, "a temporary folder: No such file or directory", "TMPDIR names another folder");
	memset(fx->temporary, 'x', sizeof(fx->temporary) - 1);
	fx->temporary[0] = '/';
	assert_fails(fx, CTL_NO_SOURCE, "a temporary folder: File name too long", "TMPDIR names another folder");
}

/* A relative TMPDIR would be another folder after the next chdir(): it does not count. */
static void a_relative_temporary_folder_is_left_alone(void **state)
{
	struct fixture *fx = *state;

	put_tar(fx);
	(void)snprintf(fx->temporary, sizeof(fx->temporary), "nowhere");
	dump(fx);
	assert_int_equal(fx->code, CTL_GOOD);
}

static void where_it_cannot_be_written_nothing_is_collected(void **state)
{
	struct fixture *fx = *state;

	put_tar(fx);
	(void)snprintf(fx->output, sizeof(fx->output), "/nowhere/a.tar.gz");
	assert_fails(fx, CTL_NO_SOURCE, "/nowhere/a.tar.gz: No such file or directory", "-o with another folder");
}

static void a_folder_is_no_archive(void **state)
{
	struct fixture *fx = *state;

	put_tar(fx);
	fx->ctl.given[0] = fx->folder;
	dump(fx);
	assert_int_equal(fx->code, CTL_NO_SOURCE);
	assert_says(fx->said, "Is a directory");
}

static void stdout_has_the_archive_or_the_document(void **state)
{
	struct fixture *fx = *state;

	put_tar(fx);
	fx->ctl.given[0] = "-";
	dump(fx);
	assert_int_equal(fx->code, CTL_GOOD);
	assert_memory_equal(fx->out, "\x1f\x8b", 2); /* gzip's */
	fx->ctl.json = true;
	dump(fx);
	assert_int_equal(fx->code, CTL_USAGE);
	assert_says(fx->out, "stdout cannot have the file and --json's document");
}

/* /dev/full takes the open, and no byte. */
static void a_full_device_is_told(void **state)
{
	struct fixture *fx = *state;

	put_tar(fx);
	fx->ctl.given[0] = "/dev/full";
	dump(fx);
	assert_int_equal(fx->code, CTL_NO_SOURCE);
	assert_says(fx->said, "portsyncctl: tar: ");
	assert_int_equal(access("/dev/full", F_OK), 0); /* it is still there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_daemon_redis_and_journal_it_is_made_all_the_same),
		TEST(without_json_it_prints_its_name),
		TEST(a_daemon_that_refuses_is_quoted),
		TEST(what_an_unhealthy_daemon_says_is_kept),
		TEST(the_journal_is_kept_or_what_it_lacks_is_said),
		TEST(without_tar_there_is_none),
		TEST(the_first_line_of_tar_is_the_reason),
		TEST(a_tar_that_says_nothing_has_its_status),
		TEST(a_temporary_folder_that_is_missing_is_an_error),
		TEST(a_relative_temporary_folder_is_left_alone),
		TEST(where_it_cannot_be_written_nothing_is_collected),
		TEST(a_folder_is_no_archive),
		TEST(stdout_has_the_archive_or_the_document),
		TEST(a_full_device_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
