/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon without a Redis, which is asked to stop at once: in each life one call is refused. */
#include <stdio.h>

#include "lives.h"
#include "scratch.h"
#include "test.h"

static struct rig {
	char folder[SCRATCH_BYTES], config[96], said[96];
} rig;

static int setup(void **state)
{
	FILE *config;

	(void)state;
	scratch_make(rig.folder);
	(void)snprintf(rig.config, sizeof(rig.config), "%s/portsyncd.conf", rig.folder);
	(void)snprintf(rig.said, sizeof(rig.said), "%s/said", rig.folder);
	config = fopen(rig.config, "w");
	assert_non_null(config);
	(void)fprintf(
		config,
		"[database]\nredis_unix_socket = %s/redis\n[http]\nlisten = 127.0.0.1:%u\nunix_socket = %s/http\n"
		"[performance]\nlock_memory = false\ncpu_affinity = 0\nreceive_buffer_bytes = 4096\n[recorder]\nbytes "
		"= 65536\nfolder = %s\n"
		"[state]\nfile = %s/state\nhistory_changes = 16\n[log]\ntarget = stderr\n"
		"limit_secs = 0\n",
		rig.folder, scratch_port(), rig.folder, rig.folder, rig.folder);
	assert_int_equal(fclose(config), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(rig.folder);
	return 0;
}

static void refuse_each(enum fault kind)
{
	const char *const words[] = {"--config", rig.config, "--sandbox", "off", NULL};

	lives_refuse_each(&(struct lives){.words = words, .said = rig.said, .stopped = true}, kind);
}

static void any_allocation_of_a_daemon_may_fail(void **state)
{
	(void)state;
	refuse_each(FAULT_MEMORY);
}

static void any_call_of_a_daemon_may_fail(void **state)
{
	(void)state;
	refuse_each(FAULT_CALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_allocation_of_a_daemon_may_fail),
		TEST(any_call_of_a_daemon_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
