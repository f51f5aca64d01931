/* SPDX-License-Identifier: Apache-2.0 */
/* What the sandbox permits: where the daemon writes, and where it connects to. */
#include "daemon/confine.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "daemon/end.h"
#include "daemon/status.h"
#include "host/capabilities.h"
#include "http/server.h"
#include "log/audit.h"
#include "settings/settings.h"

#define NET_ADMIN_MISSING                                                                                              \
	"the capability CAP_NET_ADMIN is missing: it sizes the receive buffer and sets old links down; what helps: "   \
	"AmbientCapabilities=CAP_NET_ADMIN (systemd), --cap-add=NET_ADMIN (docker), or start as root"

/* All targets, not only the present one: SIGHUP or CONFIG_DB may choose another. */
static int allow_log(struct sandbox *s, const struct config *config)
{
	struct destination address;

	if (address_parse_destination(config->log_rfc5424_to, &address))
		return 0;
	if (address.type == DESTINATION_FILE)
		return sandbox_allow_folder_of(s, address.path);
	return address.type == DESTINATION_TCP ? sandbox_allow_port(s, address_port(&address.socket)) : 0;
}

static int allow_database(struct sandbox *s, const struct dbconfig_db *db)
{
	if (!db->unix_socket)
		return sandbox_allow_port(s, db->port);
	sandbox_allow_sockets(s);
	return 0;
}

/* The state file's folder was created when the file was read. */
static int allow_state(struct sandbox *s, const struct config *config)
{
	return config->dry_run || config->state_file[0] == '\0' ? 0 : sandbox_allow_folder_of(s, config->state_file);
}

/* An address that another process has is tried again later, so it must be allowed. */
static int allow_missing(struct sandbox *s, const struct http *http)
{
	struct address address;
	const char *name;
	bool tcp;
	int r = 0;

	for (size_t i = 0; r == 0 && (name = http_missing(http, i, &tcp)); i++) {
		if (!tcp)
			r = sandbox_allow_socket(s, name);
		else if (address_parse(name, &address) == 0)
			r = sandbox_allow_listening(s, address_port(&address));
	}
	return r;
}

/* A folder is allowed by naming a file in it: "." stands for any. */
static int allow_recordings(struct sandbox *s, const struct config *config)
{
	char file[PATH_MAX + 2];

	if (config->dry_run || config->recorder_bytes == 0 || config->recorder_folder[0] == '\0')
		return 0;
	(void)snprintf(file, sizeof(file), "%s/.", config->recorder_folder);
	return sandbox_allow_folder_of(s, file);
}

/* The HTTP socket is removed at the end. */
static int allow_http(struct daemon *d)
{
	struct http_options http;
	int r = 0;

	if (!status_http(d) || !settings_http(d->config, &http))
		return 0;
	if (http.unix_socket)
		r = sandbox_allow_folder_of(d->sandbox, http.unix_socket);
	return r == 0 ? allow_missing(d->sandbox, status_http(d)) : r;
}

static void allow_supervisor(struct sandbox *s)
{
	const char *address = getenv("NOTIFY_SOCKET");

	if (address && address[0] == '@')
		sandbox_allow_abstract_sockets(s);
}

static int allow_all(struct daemon *d)
{
	int r = allow_http(d);

	allow_supervisor(d->sandbox);
	if (r == 0)
		r = allow_state(d->sandbox, d->config);
	if (r == 0)
		r = allow_recordings(d->sandbox, d->config);
	if (r == 0)
		r = allow_log(d->sandbox, d->config);
	if (r == 0 && !d->config->dry_run)
		r = allow_database(d->sandbox, &d->config_db);
	if (r == 0 && !d->config->dry_run)
		r = allow_database(d->sandbox, &d->appl_db);
	if (r == 0 && !d->config->dry_run)
		r = allow_database(d->sandbox, &d->state_db);
	return r == 0 && d->lookup ? sandbox_allow_names(d->sandbox) : r;
}

int confine_seal(struct daemon *d)
{
	int r;

	if (!d->config->sandbox) {
		audit_event(LOG_WARNING, KIND_SANDBOX_OFF, AUDIT_SANDBOX, AUDIT_FAILURE, audit_self(),
			    "the sandbox is off: a fault in this process has all the rights of its user");
		return 0;
	}
	r = sandbox_seal();
	if (r < 0)
		daemon_fail(d, "core dumps cannot be turned off: %s", strerror(-r));
	return r;
}

int confine_check(struct daemon *d)
{
	if (!d->config->sandbox || d->config->dry_run || capabilities_net_admin())
		return 0;
	daemon_fail_for(d, AUDIT_CAPABILITY, NET_ADMIN_MISSING);
	return -EPERM;
}

int confine_enter(struct daemon *d)
{
	char error[256];
	int r;

	if (!d->config->sandbox)
		return 0;
	d->sandbox = sandbox_new();
	if (!d->sandbox)
		return -ENOMEM;
	r = allow_all(d);
	if (r < 0)
		return r;
	r = sandbox_enter(d->sandbox, error, sizeof(error));
	if (r < 0)
		daemon_fail(d, "%s", error);
	return r;
}

int confine_lock(struct daemon *d)
{
	char error[256];
	int r;

	if (!d->sandbox)
		return 0;
	r = sandbox_lock(d->sandbox, error, sizeof(error));
	if (r < 0)
		daemon_fail(d, "%s", error);
	return r;
}

void confine_free(struct daemon *d)
{
	sandbox_free(d->sandbox);
}

struct sandbox_parts confine_parts(const struct daemon *d)
{
	return d->sandbox ? sandbox_parts(d->sandbox) : (struct sandbox_parts){.files = false};
}

bool confine_allows_log(const struct daemon *d, const struct config *config)
{
	struct destination address;

	if (!d->sandbox || address_parse_destination(config->log_rfc5424_to, &address))
		return true;
	if (address.type == DESTINATION_FILE)
		return sandbox_may_write(d->sandbox, address.path);
	return address.type != DESTINATION_TCP || sandbox_may_connect(d->sandbox, address_port(&address.socket));
}
