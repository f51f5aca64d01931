/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/logging.h"

#include <stdio.h>

#include "log/audit.h"

enum log_target_type logging_target(const struct config *config)
{
	switch (config->log_target) {
	case LOG_TARGET_JOURNAL:
		return LOG_TO_JOURNAL;
	case LOG_TARGET_SYSLOG:
		return LOG_TO_SYSLOG;
	case LOG_TARGET_RFC5424:
		return LOG_TO_RFC5424;
	case LOG_TARGET_STDERR:
		return LOG_TO_STDERR;
	case LOG_TARGET_AUTO:
		break;
	}
	return log_auto_target();
}

static void apply(const struct config *config, enum log_target_type type, int level)
{
	struct log_options options = {
		.to = {.type = type, .syslog_path = "/dev/log"},
		.level = level,
		.limit_secs = (unsigned)config->log_limit_secs,
		.limit_lines = config->log_limit_lines > 0 ? config->log_limit_lines : -1,
	};

	(void)snprintf(options.to.rfc5424_to, sizeof(options.to.rfc5424_to), "%s", config->log_rfc5424_to);
	/* Before the trail may be turned off. */
	log_report_suppressed(true);
	audit_enable(config->log_audit && !config->dry_run);
	log_open(&options);
}

void logging_open(const struct config *config)
{
	apply(config, logging_target(config), config->log_level);
}

void logging_change(const struct config *before, const struct config *now, const char *who)
{
	if (now->log_level != before->log_level)
		audit_change_level(now->log_level, who, "SIGHUP");
	apply(now, now->log_target == before->log_target ? log_target_type() : logging_target(now), log_level());
}
