/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration is read again. What can change live does; the log names the rest. */
#include "daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/confine.h"
#include "daemon/end.h"
#include "daemon/status.h"
#include "log/audit.h"
#include "settings/settings.h"

#define LIVE_SECTION "log"

static void report_lines(char *complaints)
{
	char *rest = complaints;
	const char *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			log_warning(KIND_CONFIG_REFUSED, "%s", line);
}

void reload_report_faults(const struct config *config, char *complaints)
{
	audit_event(
		LOG_WARNING, KIND_CONFIG_REFUSED, AUDIT_CONFIG_REFUSED, AUDIT_FAILURE, audit_self(),
		"the configuration is bad; supervisord would only restart us, so we go on, with defaults in place of "
		"what is bad%s%s; fix it, then restart: %s",
		config->database_is_bad ? ", and of all of [database]" : "",
		config->http_is_bad ? ", and without HTTP over TCP" : "", "health is degraded until then");
	report_lines(complaints);
}

/* Logs every fault of it, a line each. */
static void report_refused(char *complaints, const char *who)
{
	audit_event(LOG_WARNING, KIND_CONFIG_REFUSED, AUDIT_CONFIG_REFUSED, AUDIT_FAILURE, who,
		    "the configuration is refused, the one in force stays");
	report_lines(complaints);
}

/* Only a refusal is reported: keys without effect were reported at the start. */
static int read_again(const struct config *config, struct config *fresh, const char *who)
{
	char *complaints cleanup(free_ptr) = NULL;
	size_t size = 0;
	FILE *err = open_memstream(&complaints, &size);
	enum config_outcome outcome;

	if (!err)
		return -ENOMEM;
	outcome = settings_load(fresh, config->argc, config->argv, err, err);
	if (fclose(err) != 0)
		return -ENOMEM;
	if (outcome == CONFIG_RUN && fresh->faults == 0)
		return 0;
	report_refused(complaints, who);
	return -EINVAL;
}

/* With the same settings only a rotated file is reopened, and the limits begin again. */
static void reopen_log(struct daemon *d, const struct config *before, const struct config *fresh, const char *who)
{
	daemon_report_suppressed(d, true);
	settings_change_log(before, fresh, who);
	if (d->loglevel)
		loglevel_set_target(d->loglevel, settings_log_target(fresh));
	log_notice(KIND_CONFIG_READ, "the configuration was read again; in force now: no change");
}

static bool same_target(const struct config *before, const struct config *fresh)
{
	return before->log_target == fresh->log_target && strcmp(before->log_rfc5424_to, fresh->log_rfc5424_to) == 0;
}

static void report_change(const char *changed, const char *who)
{
	audit_event(LOG_NOTICE, KIND_CONFIG_READ, AUDIT_CONFIG_CHANGED, AUDIT_SUCCESS, who,
		    "the configuration was read again; in force now: %s", changed);
}

/* A trail that ends or moves records it where it ends and where it continues. */
static void change_log(struct daemon *d, const struct config *before, const struct config *fresh, const char *changed,
		       const char *who)
{
	bool same = same_target(before, fresh), ends = audit_is_kept() && !fresh->log_audit;

	daemon_report_suppressed(d, true);
	if (same && ends)
		report_change(changed, who);
	else if (audit_is_kept() && !same)
		audit_record(AUDIT_CONFIG_CHANGED, AUDIT_SUCCESS, who, NULL, "changed by SIGHUP: %s", changed);
	settings_change_log(before, fresh, who);
	if (d->loglevel)
		loglevel_set_target(d->loglevel, settings_log_target(fresh));
	if (!same || !ends)
		report_change(changed, who);
}

static void take(struct daemon *d, struct config *fresh, const char *who)
{
	const struct config *before = d->reread ? d->reread : d->config;
	char changed[512], waiting[512];

	if (!confine_allows_log(d, fresh)) {
		log_warning(KIND_CONFIG_NEEDS_RESTART,
			    "log.rfc5424_to = %s lies outside of the sandbox: in force after a restart only",
			    fresh->log_rfc5424_to);
		memcpy(fresh->log_rfc5424_to, before->log_rfc5424_to, sizeof(fresh->log_rfc5424_to));
	}
	if (config_list_changes(before, fresh, LIVE_SECTION, changed, sizeof(changed)) > 0)
		change_log(d, before, fresh, changed, who);
	else
		reopen_log(d, before, fresh, who);
	if (config_list_other_changes(d->config, fresh, LIVE_SECTION, waiting, sizeof(waiting)) > 0)
		log_warning(KIND_CONFIG_NEEDS_RESTART,
			    "changed in the configuration, but in force after a restart only: %s", waiting);
	free(d->reread);
	d->reread = fresh;
}

void reload(struct daemon *d, const char *who)
{
	struct config *fresh = calloc(1, sizeof(*fresh));
	int r = fresh ? read_again(d->config, fresh, who) : -ENOMEM;

	if (r == 0) {
		take(d, fresh, who);
		status_reload(d, who);
		return;
	}
	if (r == -ENOMEM)
		log_warning(KIND_CONFIG_REFUSED, "the configuration cannot be read: %s", strerror(-r));
	free(fresh);
}
