/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include "config.h"
#include "daemon/daemon.h"
#include "observe/log.h"

#define EXIT_BAD_CONFIG 2

static void open_log(const struct config *config)
{
	switch (config->log_target) {
	case LOG_TARGET_AUTO:
		log_open(log_auto_sink(), config->log_level, "/dev/log");
		break;
	case LOG_TARGET_JOURNAL:
		log_open(LOG_SINK_JOURNAL, config->log_level, "/dev/log");
		break;
	case LOG_TARGET_SYSLOG:
		log_open(LOG_SINK_SYSLOG, config->log_level, "/dev/log");
		break;
	case LOG_TARGET_STDERR:
		log_open(LOG_SINK_STDERR, config->log_level, "/dev/log");
		break;
	}
}

int main(int argc, char *argv[])
{
	static struct config config;
	int status;

	switch (config_load(&config, argc, argv, stdout, stderr)) {
	case CONFIG_DONE:
		return EXIT_SUCCESS;
	case CONFIG_BAD:
		return EXIT_BAD_CONFIG;
	case CONFIG_RUN:
		break;
	}
	/* A reader of ours that goes away is an error of that write, not our end (SONIC.md M4). */
	(void)signal(SIGPIPE, SIG_IGN);
	open_log(&config);
	status = daemon_run(&config);
	log_close();
	return status;
}
