/* SPDX-License-Identifier: Apache-2.0 */
/* The state file on a real file system: what is believed, what is refused and kept aside, and how it is replaced. */
#include "state/saver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "patience.h"
#include "scratch.h"
#include "test.h"

#define PATIENCE_USEC (patience_ends_usec() - now_usec())

struct place {
	char root[SCRATCH_BYTES], folder[80], file[96], refused[112], temporary[112];
};

/* With the path as $P. */
static void run(const char *command, const char *path)
{
	assert_int_equal(setenv("P", path, 1), 0);
	assert_int_equal(system(command), 0); /* NOLINT: a test's own folder */
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	scratch_make(p->root);
	(void)snprintf(p->folder, sizeof(p->folder), "%s/folder", p->root);
	(void)snprintf(p->file, sizeof(p->file), "%s/state.json", p->folder);
	(void)snprintf(p->refused, sizeof(p->refused), "%s.refused", p->file);
	(void)snprintf(p->temporary, sizeof(p->temporary), "%s.tmp", p->file);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	scratch_remove(((struct place *)*state)->root);
	free(*state);
	return 0;
}

static struct statefile *open_file(const struct place *p)
{
	struct statefile *f;

	assert_int_equal(statefile_new(&f, p->file), 0);
	return f;
}

static const char *boot = "0123456789abcdef0123456789abcdef";

static struct state numbered(uint64_t event)
{
	struct state s = {.event_id = event, .audit_seq = 9};

	memcpy(s.boot_id, boot, sizeof(s.boot_id));
	return s;
}

static void save(const struct place *p, uint64_t event)
{
	struct statefile *f = open_file(p);
	struct state s = numbered(event);
	char why[STATEFILE_WHY_BYTES];

	assert_int_equal(statefile_save(f, &s, why), 0);
	statefile_free(f);
}

static enum statefile_found load(const struct place *p, struct state *s, char why[STATEFILE_WHY_BYTES])
{
	struct statefile *f = open_file(p);
	enum statefile_found found = statefile_load(f, s, why);

	statefile_free(f);
	return found;
}

static void assert_loads(const struct place *p, uint64_t event)
{
	char why[STATEFILE_WHY_BYTES];
	struct state s = {0};

	assert_int_equal(load(p, &s, why), STATEFILE_LOADED);
	assert_int_equal(s.event_id, event);
	state_done(&s);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static unsigned entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir)) /* NOLINT: one thread */
		n++;
	(void)closedir(dir);
	return n - 2;
}

/* --- loading and saving --- */

static void a_first_start(void **state)
{
	const struct place *p = *state;
	char why[STATEFILE_WHY_BYTES];
	struct state s = {0};
	struct stat st;

	assert_int_equal(load(p, &s, why), STATEFILE_MISSING);
	assert_int_equal(stat(p->folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_false(is_there(p->refused));
}

static void it_is_replaced_as_a_whole(void **state)
{
	const struct place *p = *state;
	mode_t before = umask(0);
	struct stat first, second;

	save(p, 1);
	assert_int_equal(stat(p->file, &first), 0);
	assert_int_equal(first.st_mode & 07777, 0600);
	assert_loads(p, 1);
	save(p, 2);
	(void)umask(before);
	assert_int_equal(stat(p->file, &second), 0);
	assert_int_not_equal(first.st_ino, second.st_ino);
	assert_loads(p, 2);
	assert_int_equal(entries(p->folder), 2); /* the lock too */
}

static void what_a_crash_left_is_removed(void **state)
{
	const struct place *p = *state;

	save(p, 1);
	run("echo half > $P", p->temporary);
	save(p, 2);
	assert_loads(p, 2);
	assert_false(is_there(p->temporary));
}

/* A symbolic link that somebody planted there is not followed. */
static void the_temporary_is_never_followed(void **state)
{
	const struct place *p = *state;
	char victim[128];

	(void)snprintf(victim, sizeof(victim), "%s/victim", p->root);
	save(p, 1);
	run("echo precious > $P", victim);
	assert_int_equal(symlink(victim, p->temporary), 0);
	save(p, 2);
	assert_loads(p, 2);
	run("test \"$(cat $P)\" = precious", victim);
	run("echo precious > $P", victim);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(symlink(victim, p->file), 0);
	save(p, 3);
	assert_loads(p, 3);
	run("test \"$(cat $P)\" = precious", victim);
}

static void one_process_at_a_time(void **state)
{
	const struct place *p = *state;
	struct statefile *first = open_file(p), *second = NULL;

	assert_int_equal(statefile_new(&second, p->file), -EBUSY);
	statefile_free(first);
	statefile_free(open_file(p));
}

static void a_folder_that_is_missing_is_made(void **state)
{
	const struct place *p = *state;
	struct state s = numbered(5);
	char path[160], why[STATEFILE_WHY_BYTES];
	struct statefile *f;

	(void)snprintf(path, sizeof(path), "%s/later/state.json", p->folder);
	assert_int_equal(statefile_new(&f, path), 0);
	assert_int_equal(statefile_load(f, &(struct state){0}, why), STATEFILE_MISSING);
	assert_int_equal(statefile_save(f, &s, why), 0);
	assert_true(is_there(path));
	statefile_free(f);
}

static void a_save_that_fails_changes_nothing(void **state)
{
	const struct place *p = *state;
	struct state s = numbered(6);
	char why[STATEFILE_WHY_BYTES];
	struct statefile *f;

	save(p, 1);
	f = open_file(p);
	assert_int_equal(mkdir(p->temporary, 0700), 0);
	assert_int_equal(statefile_save(f, &s, why), -EEXIST);
	assert_int_equal(rmdir(p->temporary), 0);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(mkdir(p->file, 0700), 0);
	assert_int_equal(statefile_save(f, &s, why), -EISDIR);
	assert_false(is_there(p->temporary));
	assert_int_equal(rmdir(p->file), 0);
	assert_int_equal(statefile_save(f, &s, why), 0);
	statefile_free(f);
	assert_loads(p, 6);
}

/* --- refused --- */

static void make_symlink(const struct place *p)
{
	char real[128];

	(void)snprintf(real, sizeof(real), "%s/real", p->root);
	assert_int_equal(rename(p->file, real), 0);
	assert_int_equal(symlink(real, p->file), 0);
}

static void make_directory(const struct place *p)
{
	run("rm $P", p->file);
	run("mkdir -p $P/inside", p->file);
}

/* Nobody ever opens its other end. */
static void make_fifo(const struct place *p)
{
	run("rm $P", p->file);
	assert_int_equal(mkfifo(p->file, 0600), 0);
}

static void make_socket(const struct place *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	run("rm $P", p->file);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->file);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
}

static void make_huge(const struct place *p)
{
	assert_int_equal(truncate(p->file, (off_t)1 << 30), 0);
}

static void make_empty(const struct place *p)
{
	assert_int_equal(truncate(p->file, 0), 0);
}

static void make_writable(const struct place *p)
{
	assert_int_equal(chmod(p->file, 0620), 0);
}

static void make_half(const struct place *p)
{
	assert_int_equal(truncate(p->file, 100), 0);
}

static void make_flipped(const struct place *p)
{
	int fd = open(p->file, O_RDWR);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, 20), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
	(void)close(fd);
}

static void refused_and_kept_aside(void **state)
{
	static const struct {
		void (*make)(const struct place *p);
		const char *why;
		mode_t type;
	} cases[] = {
		{make_symlink, "symbolic link", S_IFLNK}, {make_directory, "directory", S_IFDIR},
		{make_fifo, "regular file", S_IFIFO},     {make_socket, "regular file", S_IFSOCK},
		{make_huge, "too large", S_IFREG},        {make_empty, "cut short", S_IFREG},
		{make_writable, "can write", S_IFREG},    {make_half, "cut short", S_IFREG},
		{make_flipped, "checksum", S_IFREG},
	};
	const struct place *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[STATEFILE_WHY_BYTES];
		struct state s = {0};
		struct stat before, after;

		save(p, 7);
		cases[i].make(p);
		assert_int_equal(lstat(p->file, &before), 0);
		run("rm -rf $P", p->refused);
		assert_int_equal(load(p, &s, why), STATEFILE_REFUSED);
		assert_non_null(strstr(why, cases[i].why));
		assert_true(s.event_id == 0 && s.audit_seq == 0 && !s.ports);
		assert_false(is_there(p->file));
		assert_int_equal(lstat(p->refused, &after), 0);
		assert_int_equal(before.st_ino, after.st_ino);
		assert_int_equal(after.st_mode & S_IFMT, cases[i].type);
		assert_int_equal(load(p, &s, why), STATEFILE_MISSING);
	}
}

/* Only the newest is kept. */
static void one_is_kept_aside(void **state)
{
	const struct place *p = *state;
	char why[STATEFILE_WHY_BYTES];
	struct state s = {0};

	for (int i = 0; i < 3; i++) {
		save(p, 7);
		make_half(p);
		assert_int_equal(load(p, &s, why), STATEFILE_REFUSED);
		assert_int_equal(entries(p->folder), 2);
	}
}

/* If it cannot be moved, nothing is written over it. */
static void what_cannot_be_moved_stays(void **state)
{
	const struct place *p = *state;
	struct state s = {0}, fresh = numbered(8);
	char why[STATEFILE_WHY_BYTES];
	struct stat before, after;
	struct statefile *f;

	save(p, 7);
	make_half(p);
	assert_int_equal(stat(p->file, &before), 0);
	run("mkdir -p $P/evidence", p->refused);
	f = open_file(p);
	assert_int_equal(statefile_load(f, &s, why), STATEFILE_STUCK);
	assert_int_equal(statefile_save(f, &fresh, why), -EEXIST);
	statefile_free(f);
	assert_int_equal(stat(p->file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
}

/* --- the thread --- */

static void the_thread_saves(void **state)
{
	const struct place *p = *state;
	struct statefile *f = open_file(p);
	char why[STATEFILE_WHY_BYTES];
	struct saver *saver;
	int r = -1;

	assert_int_equal(saver_new(&saver, f), 0);
	for (size_t event = 1; event <= 20; event++) {
		struct state *s = saver_claim(saver, event);

		assert_non_null(s);
		assert_int_equal(s->n_ports, 0);
		memcpy(s->boot_id, boot, sizeof(s->boot_id));
		s->event_id = event;
		for (uint64_t i = 0; i < event; i++) {
			char name[IFNAMSIZ];

			(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i);
			assert_true(state_add(s, name, i, i));
		}
		saver_give(saver, WORKER_STEPS_BACK);
		assert_true(saver_wait(saver, PATIENCE_USEC));
		assert_true(saver_take(saver, &r, why));
		assert_int_equal(r, 0);
		assert_false(saver_take(saver, &r, why));
	}
	assert_true(saver_free(saver, PATIENCE_USEC));
	statefile_free(f);
	assert_loads(p, 20);
}

/* Meanwhile the loop adds, and overtakes it. */
static void the_thread_collects_the_changes(void **state)
{
	const struct place *p = *state;
	struct statefile *f = open_file(p);
	const struct row up = {{1, 1, 1, 9100}};
	struct changes *ring = changes_new(1024);
	struct state loaded = {0};
	char why[STATEFILE_WHY_BYTES];
	struct saver *saver;
	uint64_t number = 0;

	assert_int_equal(saver_new(&saver, f), 0);
	for (int save = 0; save < 5; save++) {
		struct state *s = saver_claim(saver, 1);

		assert_non_null(s);
		memcpy(s->boot_id, boot, sizeof(s->boot_id));
		s->event_id = number;
		s->ring = ring;
		s->ring_from = changes_begin(ring);
		s->ring_to = changes_end(ring);
		saver_give(saver, WORKER_STEPS_BACK);
		for (int i = 0; i < 900; i++) {
			struct change change = {.fields = 1, .port = "Ethernet0", .after = row_pack(&up)};

			change.number = ++number;
			changes_add(ring, &change);
		}
		assert_true(saver_wait(saver, PATIENCE_USEC));
	}
	assert_true(saver_free(saver, PATIENCE_USEC));
	statefile_free(f);
	f = open_file(p);
	assert_int_equal(statefile_load(f, &loaded, why), STATEFILE_LOADED);
	assert_int_equal(loaded.event_id, 4 * 900);
	assert_true(loaded.n_changes > 0 && loaded.n_changes <= 1024);
	assert_int_equal(loaded.changes[loaded.n_changes - 1].number, 4 * 900);
	state_done(&loaded);
	statefile_free(f);
	changes_free(ring);
}

static void the_thread_reports_a_failure(void **state)
{
	const struct place *p = *state;
	struct statefile *f = open_file(p);
	char why[STATEFILE_WHY_BYTES] = "";
	struct saver *saver;
	int r = 0;

	assert_int_equal(saver_new(&saver, f), 0);
	assert_int_equal(mkdir(p->file, 0700), 0);
	assert_non_null(saver_claim(saver, 1));
	saver_give(saver, WORKER_STEPS_BACK);
	assert_true(saver_wait(saver, PATIENCE_USEC));
	assert_true(saver_take(saver, &r, why));
	assert_int_equal(r, -EISDIR);
	assert_string_equal(why, strerror(EISDIR));
	assert_true(saver_free(saver, PATIENCE_USEC));
	statefile_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_first_start),
		TEST(it_is_replaced_as_a_whole),
		TEST(what_a_crash_left_is_removed),
		TEST(the_temporary_is_never_followed),
		TEST(one_process_at_a_time),
		TEST(a_folder_that_is_missing_is_made),
		TEST(a_save_that_fails_changes_nothing),
		TEST(refused_and_kept_aside),
		TEST(one_is_kept_aside),
		TEST(what_cannot_be_moved_stays),
		TEST(the_thread_saves),
		TEST(the_thread_collects_the_changes),
		TEST(the_thread_reports_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
