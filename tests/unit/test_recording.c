/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/recorder/recording.c */
/* A recording as a whole: all of it is read, and one that is cut off, of another order or version, is refused. */
#include "recorder/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "tape.h"

#define ETHERNET0                                                                                                      \
	(struct tape_link)                                                                                             \
	{                                                                                                              \
		5, "Ethernet0", TAPE_UP, 9100, 0                                                                       \
	}

static void free_it(struct recording **r)
{
	recording_free(*r);
}

static struct tape sample(void)
{
	struct tape t;

	tape_begin(&t);
	tape_checkpoint(&t);
	tape_port(&t, ETHERNET0);
	tape_port(&t, (struct tape_link){.name = "Ethernet4"});
	tape_event(&t, RTM_NEWLINK, ETHERNET0);
	tape_lost(&t, REMARK_OVERRUN);
	tape_state(&t, REMARK_UNSYNCED);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, ETHERNET0);
	tape_done(&t, 0);
	tape_checkpoint(&t);
	tape_port(&t, ETHERNET0);
	tape_end(&t);
	return t;
}

static int parse(struct recording **r, const void *bytes, size_t len, char why[RECORDING_WHY_MAX])
{
	char *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	return recording_parse(r, copy, len, why, RECORDING_WHY_MAX);
}

static void assert_refused(const void *bytes, size_t len, int error, const char *want)
{
	struct recording *r cleanup(free_it) = NULL;
	char why[RECORDING_WHY_MAX] = "";

	assert_int_equal(parse(&r, bytes, len, why), error);
	assert_null(r);
	if (!strstr(why, want))
		fail_msg("\"%s\" does not say \"%s\"", why, want);
}

static void all_of_it_is_read(void **state)
{
	struct tape t cleanup(free_tape) = sample();
	struct recording *r cleanup(free_it) = NULL;
	char why[RECORDING_WHY_MAX];
	static const enum recording_kind kinds[] = {RECORDING_DATAGRAM, RECORDING_LOSS, RECORDING_DUMP,
						    RECORDING_DATAGRAM, RECORDING_DATAGRAM};

	(void)state;
	assert_int_equal(parse(&r, t.out.data, t.out.len, why), 0);
	assert_string_equal(why, "");
	assert_string_equal(r->about.text, "a test");
	assert_int_equal(r->n_datagrams, 3);
	assert_int_equal(r->n_losses, 1);
	assert_int_equal(r->n_items, ARRAY_SIZE(kinds));
	for (size_t i = 0; i < r->n_items; i++)
		assert_int_equal(r->items[i].kind, kinds[i]);
	assert_int_equal(r->items[0].nsec, TAPE_BEGIN + 3 * TAPE_STEP);
	assert_int_equal(r->n_ports, 3);
	assert_string_equal(r->ports[0].remark.port, "Ethernet0");
	assert_non_null(r->ports[0].data);
	assert_null(r->ports[1].data);
	assert_ptr_equal(recording_first(r), &r->checkpoints[0]);
	assert_int_equal(recording_first(r)->n_ports, 2);
	assert_ptr_equal(recording_last(r), &r->checkpoints[1]);
	assert_int_equal(recording_last(r)->first_port, 2);
}

/* Also between two blocks. */
static void one_cut_off_at_any_byte_is_refused(void **state)
{
	struct tape t cleanup(free_tape) = sample();

	(void)state;
	for (size_t len = 0; len < t.out.len; len++) {
		struct recording *r cleanup(free_it) = NULL;
		char why[RECORDING_WHY_MAX] = "";

		assert_int_equal(parse(&r, t.out.data, len, why), -EBADMSG);
		assert_int_equal(strncmp(why, "byte ", 5), 0);
	}
}

static void packets_that_are_missing_are_noticed(void **state)
{
	struct tape t cleanup(free_tape);

	(void)state;
	tape_begin(&t);
	tape_checkpoint(&t);
	t.packets = 2;
	tape_end(&t);
	assert_refused(t.out.data, t.out.len, -EBADMSG, "speaks of 2 before it, but there are 1");
}

static void a_newer_version_is_refused(void **state)
{
	static const char next[] = REMARK_PREFIX "recording version=2 what=else";
	struct text out = {0};
	struct pcapng_block b;

	(void)state;
	pcapng_section_begin(&b, &out);
	pcapng_comment(&b, next, strlen(next));
	pcapng_section_end(&b);
	assert_refused(out.data, out.len, -EPROTO, "version 2; allowed: 1");
	free(out.data);
}

/* What tcpdump captures from nlmon, for example. */
static void a_capture_of_another_program_is_refused(void **state)
{
	struct text out = {0};
	struct pcapng_block b;

	(void)state;
	pcapng_section_begin(&b, &out);
	pcapng_section_end(&b);
	assert_refused(out.data, out.len, -EBADMSG, "not a recording of portsyncd");
	free(out.data);
	assert_refused("", 0, -EBADMSG, "not a pcapng file");
}

static void assert_packet_refused(const struct remark *remark, const void *data, size_t len, const char *why)
{
	struct tape t cleanup(free_tape);

	tape_begin(&t);
	tape_packet(&t, remark, data, len);
	tape_end(&t);
	assert_refused(t.out.data, t.out.len, -EBADMSG, why);
}

static void packets_must_be_what_their_comments_say(void **state)
{
	struct tape t cleanup(free_tape);

	(void)state;
	assert_packet_refused(&(struct remark){.kind = REMARK_PORT, .port = "Ethernet0"}, NULL, 0,
			      "a port does not follow a checkpoint");
	assert_packet_refused(&(struct remark){.kind = REMARK_STATE}, "12345678", 8, "does not belong to its packet");
	assert_packet_refused(&(struct remark){.kind = REMARK_RECORDING}, NULL, 0, "does not belong to its packet");
	assert_packet_refused(&(struct remark){.kind = REMARK_END}, NULL, 0, "follows the last one");
	tape_begin(&t);
	tape_checkpoint(&t);
	tape_packet(&t, &(struct remark){.kind = REMARK_PORT, .port = "Ethernet0", .link = 1}, NULL, 0);
	tape_end(&t);
	assert_refused(t.out.data, t.out.len, -EBADMSG, "does not belong to its packet");
	free_tape(&t);
	tape_begin(&t);
	tape_checkpoint(&t);
	tape_state(&t, REMARK_SYNCED);
	tape_port(&t, ETHERNET0);
	tape_end(&t);
	assert_refused(t.out.data, t.out.len, -EBADMSG, "a port does not follow a checkpoint");
}

/* People may add comments in Wireshark, but a packet without ours does not belong to a recording. */
static void comments_of_people_are_skipped(void **state)
{
	static const struct nlmsghdr nothing = {.nlmsg_len = sizeof(nothing), .nlmsg_type = NLMSG_NOOP};
	struct tape t cleanup(free_tape);
	struct recording *r cleanup(free_it) = NULL;
	struct pcapng_block b;
	char why[RECORDING_WHY_MAX];

	(void)state;
	tape_begin(&t);
	pcapng_packet_begin(&b, &t.out, TAPE_BEGIN, &nothing, sizeof(nothing));
	pcapng_comment(&b, "look here", 9);
	tape_remark(&b, &(struct remark){.kind = REMARK_LOST, .after = 3});
	pcapng_packet_end(&b);
	t.packets++;
	tape_end(&t);
	assert_int_equal(parse(&r, t.out.data, t.out.len, why), 0);
	assert_int_equal(r->n_losses, 1);
	assert_int_equal(r->items[0].nsec, TAPE_BEGIN + 3 * NSEC_PER_USEC);
	assert_null(recording_first(r));
	assert_null(recording_last(r));

	free_tape(&t);
	tape_begin(&t);
	pcapng_packet_begin(&b, &t.out, TAPE_BEGIN, &nothing, sizeof(nothing));
	pcapng_comment(&b, "look here", 9);
	pcapng_packet_end(&b);
	assert_refused(t.out.data, t.out.len, -EBADMSG, "no comment of portsyncd");
}

static void a_file_is_loaded(void **state)
{
	struct tape t cleanup(free_tape) = sample();
	struct recording *r cleanup(free_it) = NULL;
	char folder[SCRATCH_BYTES], path[SCRATCH_BYTES + 2], why[RECORDING_WHY_MAX];
	int fd;

	(void)state;
	scratch_make(folder);
	(void)snprintf(path, sizeof(path), "%s/F", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, t.out.data, t.out.len), 0);
	(void)close(fd);
	assert_int_equal(recording_load(&r, path, why, sizeof(why)), 0);
	assert_int_equal(r->n_datagrams, 3);
	recording_free(r);
	r = NULL;
	assert_int_equal(truncate(path, (off_t)t.out.len - 1), 0);
	assert_int_equal(recording_load(&r, path, why, sizeof(why)), -EBADMSG);
	assert_int_equal(truncate(path, (off_t)RECORDING_BYTES_MAX + 1), 0);
	assert_int_equal(recording_load(&r, path, why, sizeof(why)), -EFBIG);
	assert_int_not_equal(why[0], '\0');
	assert_int_equal(unlink(path), 0);
	assert_int_equal(recording_load(&r, path, why, sizeof(why)), -ENOENT);
	assert_int_equal(recording_load(&r, "/", why, sizeof(why)), -EISDIR);
	scratch_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_read),
		cmocka_unit_test(one_cut_off_at_any_byte_is_refused),
		cmocka_unit_test(packets_that_are_missing_are_noticed),
		cmocka_unit_test(a_newer_version_is_refused),
		cmocka_unit_test(a_capture_of_another_program_is_refused),
		cmocka_unit_test(packets_must_be_what_their_comments_say),
		cmocka_unit_test(comments_of_people_are_skipped),
		cmocka_unit_test(a_file_is_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
