/* SPDX-License-Identifier: Apache-2.0 */
/* The last recordings stay, each whole, and nothing else in their folder is touched. */
#include "recorder/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "scratch.h"
#include "test.h"

#define NOON 1792152000 /* 2026-10-16 12:00:00 UTC */
#define TEMPORARY "swss.portsyncd.pcapng.tmp"

struct fixture {
	char path[SCRATCH_BYTES], name[FOLDER_NAME_BYTES];
	int fd;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_make(fx->path);
	fx->fd = open(fx->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fx->fd >= 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	(void)close(fx->fd);
	scratch_remove(fx->path);
	free(fx);
	return 0;
}

static int write_at(struct fixture *fx, time_t when, const char *text)
{
	return folder_write(fx->path, when, text, strlen(text), fx->name);
}

static void put(const struct fixture *fx, const char *name)
{
	int fd = openat(fx->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static bool is_there(const struct fixture *fx, const char *name)
{
	return faccessat(fx->fd, name, F_OK, 0) == 0;
}

static size_t count(const struct fixture *fx)
{
	DIR *dir = opendir(fx->path);
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

static void a_recording_is_named_by_its_time(void **state)
{
	struct fixture *fx = *state;
	char bytes[8] = "";
	struct stat st;
	mode_t before = umask(0077);
	int fd;

	assert_int_equal(write_at(fx, NOON, "pcapng"), 0);
	(void)umask(before);
	assert_string_equal(fx->name, "swss.portsyncd.20261016T120000.0Z.pcapng");
	fd = openat(fx->fd, fx->name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 6);
	assert_string_equal(bytes, "pcapng");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640); /* techsupport reads them as another user of the group */
	(void)close(fd);
	assert_false(is_there(fx, TEMPORARY));
}

static void two_of_a_second_have_two_names(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(write_at(fx, NOON, "a"), 0);
	assert_int_equal(write_at(fx, NOON, "b"), 0);
	assert_string_equal(fx->name, "swss.portsyncd.20261016T120000.1Z.pcapng");
	assert_true(is_there(fx, "swss.portsyncd.20261016T120000.0Z.pcapng"));
}

static void the_newest_five_stay(void **state)
{
	static const time_t order[] = {NOON + 3, NOON + 1, NOON + 7, NOON + 2, NOON + 5, NOON + 4, NOON + 6};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(write_at(fx, order[i], "x"), 0);
		assert_int_equal(count(fx), MIN(i + 1, (size_t)FOLDER_KEPT));
	}
	for (int i = 1; i <= 7; i++) {
		char name[FOLDER_NAME_BYTES];

		(void)snprintf(name, sizeof(name), "swss.portsyncd.20261016T12000%d.0Z.pcapng", i);
		assert_int_equal(is_there(fx, name), i > 2);
	}
}

static void files_of_others_are_left_alone(void **state)
{
	static const char *const others[] = {"swss.rec", "swss.portsyncd.log", "portsyncd.20200101T000000.0Z.pcapng",
					     "swss.portsyncd.20200101T000000.0Z.pcapng.gz"};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		put(fx, others[i]);
	for (time_t when = NOON; when < NOON + 7; when++)
		assert_int_equal(write_at(fx, when, "x"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_true(is_there(fx, others[i]));
}

/* By a process that was killed while it wrote. */
static void what_was_left_half_written_goes(void **state)
{
	struct fixture *fx = *state;

	put(fx, TEMPORARY);
	assert_int_equal(write_at(fx, NOON, "x"), 0);
	assert_false(is_there(fx, TEMPORARY));
}

/* A link in a folder that others may write to must not lead our bytes elsewhere. */
static void a_link_is_not_followed(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(symlinkat("target", fx->fd, TEMPORARY), 0);
	assert_int_equal(write_at(fx, NOON, "x"), 0);
	assert_false(is_there(fx, "target"));
}

static void a_folder_that_is_missing_is_said(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(folder_write("/nonexistent/folder", NOON, "x", 1, fx->name), -ENOENT);
	assert_string_equal(fx->name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_recording_is_named_by_its_time),
		TEST(two_of_a_second_have_two_names),
		TEST(the_newest_five_stay),
		TEST(files_of_others_are_left_alone),
		TEST(what_was_left_half_written_goes),
		TEST(a_link_is_not_followed),
		TEST(a_folder_that_is_missing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
