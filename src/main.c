/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "config/config.h"
#include "daemon/daemon.h"
#include "daemon/player.h"
#include "host/memory.h"
#include "host/process.h"
#include "settings/settings.h"

#define EXIT_BAD_CONFIG 2

/* stderr has the faults already. What the configuration says that is good counts, so that the trail has the record. */
static void refuse(const struct config *config)
{
	settings_open_log(config);
	daemon_refuse(config);
	log_close();
}

/* What was asked for, and printed. */
static int answered(void)
{
	if (fflush(stdout) == 0)
		return EXIT_SUCCESS;
	(void)fprintf(stderr, "portsyncd: standard output: %s\n", strerror(errno));
	return EXIT_FAILURE;
}

/* What is wrong is reported on stderr, and kept in *complaints for the log, if there is memory for it. */
static enum config_outcome load(struct config *config, int argc, char *argv[], char **complaints)
{
	size_t size = 0;
	FILE *err = open_memstream(complaints, &size);
	enum config_outcome outcome = settings_load(config, argc, argv, stdout, err ? err : stderr);

	if (err && fclose(err) == 0)
		(void)fputs(*complaints, stderr);
	return outcome;
}

int main(int argc, char *argv[])
{
	static struct config config;
	char *complaints cleanup(free_ptr) = NULL;
	int status = process_prepare();

	memory_prepare();
	if (status < 0) {
		(void)fprintf(stderr, "portsyncd: ERR: the descriptors 0 to 2 cannot be opened: %s\n",
			      strerror(-status));
		return EXIT_FAILURE;
	}
	switch (load(&config, argc, argv, &complaints)) {
	case CONFIG_DONE:
		return answered();
	case CONFIG_BAD:
		daemon_block_signals();
		if (config.argc > 0 && !config.check_config && !config.dry_run && !config.replay[0])
			refuse(&config);
		return EXIT_BAD_CONFIG;
	case CONFIG_RUN:
		break;
	}
	daemon_block_signals();
	settings_open_log(&config);
	status = config.replay[0] ? player_run(&config) : daemon_run(&config, complaints);
	log_close();
	return status;
}
