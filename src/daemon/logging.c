/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/logging.h"

#include <stdio.h>

#include "log/audit.h"

enum log_sink logging_sink(const struct config *config)
{
	switch (config->log_target) {
	case LOG_TARGET_JOURNAL:
		return LOG_SINK_JOURNAL;
	case LOG_TARGET_SYSLOG:
		return LOG_SINK_SYSLOG;
	case LOG_TARGET_RFC5424:
		return LOG_SINK_RFC5424;
	case LOG_TARGET_STDERR:
		return LOG_SINK_STDERR;
	case LOG_TARGET_AUTO:
		break;
	}
	return log_auto_sink();
}

static void apply(const struct config *config, enum log_sink sink, int level)
{
	struct log_options options = {
		.to = {.sink = sink, .syslog_path = "/dev/log"},
		.level = level,
		.limit_secs = (unsigned)config->log_limit_secs,
		.limit_lines = config->log_limit_lines > 0 ? config->log_limit_lines : -1,
	};

	(void)snprintf(options.to.rfc5424_to, sizeof(options.to.rfc5424_to), "%s", config->log_rfc5424_to);
	/* Before it may be turned off. */
	log_tell_held_back(true);
	audit_enable(config->log_audit && !config->dry_run);
	log_open(&options);
}

void logging_open(const struct config *config)
{
	apply(config, logging_sink(config), config->log_level);
}

void logging_change(const struct config *before, const struct config *now, const char *who)
{
	if (now->log_level != before->log_level)
		audit_change_level(now->log_level, who, "SIGHUP");
	apply(now, now->log_target == before->log_target ? log_sink() : logging_sink(now), log_level());
}
