/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "http/server.h"

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

bool config_http_options(const struct config *config, struct http_options *opt)
{
	*opt = (struct http_options){
		.n_listen = config->http_listen.n,
		.unix_socket = or_null(config->http_unix_socket),
		.cert = or_null(config->http_cert),
		.key = or_null(config->http_key),
		.ca = or_null(config->http_ca),
		.max_clients = (unsigned)config->http_max_clients,
		.timeout_secs = (unsigned)config->http_timeout_secs,
	};
	for (size_t i = 0; i < opt->n_listen; i++)
		opt->listen[i] = config->http_listen.item[i];
	return config->http_enabled && config->metrics_enabled;
}
