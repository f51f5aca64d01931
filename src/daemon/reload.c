/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration is read again; what can change live does, the rest is named. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/logging.h"
#include "daemon/private.h"
#include "log/audit.h"

#define LIVE_SECTION "log"

static void tell_lines(char *complaints)
{
	char *rest = complaints;
	const char *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			log_warning(KIND_CONFIG_REFUSED, "%s", line);
}

void daemon_tell_faults(const struct config *config, char *complaints)
{
	log_warning(
		KIND_CONFIG_REFUSED,
		"the configuration is bad; supervisord would only start us again, so we go on, with the defaults in "
		"the place of what is bad%s%s; mend it, then restart: %s",
		config->database_is_bad ? ", of all of [database]" : "",
		config->http_is_bad ? ", and without HTTP by TCP" : "", "health is degraded until then");
	tell_lines(complaints);
}

/* All that is wrong with it, a line each. */
static void tell_refused(char *complaints, const char *who)
{
	audit_record(AUDIT_CONFIG_REFUSED, AUDIT_FAILURE, who, NULL,
		     "the configuration that SIGHUP asked for is refused");
	log_warning(KIND_CONFIG_REFUSED, "the configuration is refused, the one in force stays");
	tell_lines(complaints);
}

/* Of what was said while reading only a refusal counts: what has no effect was told at the start. */
static int read_again(const struct config *config, struct config *fresh, const char *who)
{
	char *complaints cleanup(free_ptr) = NULL;
	size_t size = 0;
	FILE *err = open_memstream(&complaints, &size);
	enum config_outcome outcome;

	if (!err)
		return -ENOMEM;
	outcome = config_load(fresh, config->argc, config->argv, err, err);
	if (fclose(err) != 0)
		return -ENOMEM;
	if (outcome == CONFIG_RUN && fresh->faults == 0)
		return 0;
	tell_refused(complaints, who);
	return -EINVAL;
}

static void take(struct daemon *d, struct config *fresh, const char *who)
{
	const struct config *before = d->reread ? d->reread : d->config;
	char changed[512], waiting[512];
	size_t n;
	bool moved;

	if (!confine_allows_log(d, fresh)) {
		log_warning(KIND_CONFIG_NEEDS_RESTART,
			    "log.rfc5424_to = %s lies outside of the sandbox: in force after a restart only",
			    fresh->log_rfc5424_to);
		memcpy(fresh->log_rfc5424_to, before->log_rfc5424_to, sizeof(fresh->log_rfc5424_to));
	}
	n = config_list_changes(before, fresh, LIVE_SECTION, false, changed, sizeof(changed));
	report_suppressed(d, true);
	if (n > 0)
		audit_record(AUDIT_CONFIG_CHANGED, AUDIT_SUCCESS, who, NULL, "changed by SIGHUP: %s", changed);
	moved = !audit_is_kept() || before->log_target != fresh->log_target ||
		strcmp(before->log_rfc5424_to, fresh->log_rfc5424_to) != 0;
	logging_change(before, fresh, who);
	if (d->loglevel)
		loglevel_set_sink(d->loglevel, logging_sink(fresh));
	/* The trail begins elsewhere: this is its first record there. */
	if (n > 0 && moved)
		audit_record(AUDIT_CONFIG_CHANGED, AUDIT_SUCCESS, who, NULL, "changed by SIGHUP: %s", changed);
	log_notice(KIND_CONFIG_READ, "the configuration was read again; in force now: %s",
		   n > 0 ? changed : "no change");
	if (config_list_changes(d->config, fresh, LIVE_SECTION, true, waiting, sizeof(waiting)) > 0)
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
