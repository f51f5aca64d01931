/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include "config.h"
#include "daemon/daemon.h"
#include "daemon/logging.h"

#define EXIT_BAD_CONFIG 2

/* stderr has the faults already. What the configuration says that is good counts, so that the trail has the record. */
static void refuse(const struct config *config)
{
	logging_open(config);
	daemon_refuse(config);
	log_close();
}

int main(int argc, char *argv[])
{
	static struct config config;
	int status;

	switch (config_load(&config, argc, argv, stdout, stderr)) {
	case CONFIG_DONE:
		return EXIT_SUCCESS;
	case CONFIG_BAD:
		if (config.argc > 0 && !config.check_config && !config.dry_run)
			refuse(&config);
		return EXIT_BAD_CONFIG;
	case CONFIG_RUN:
		break;
	}
	/* A reader of ours that goes away is an error of that write, not our end (SONIC.md M4). */
	(void)signal(SIGPIPE, SIG_IGN);
	logging_open(&config);
	status = daemon_run(&config);
	log_close();
	return status;
}
