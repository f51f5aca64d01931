/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/util.h"
#include "http/server.h"
#include "http/tls.h"

#define QUOTE_MAX 80

static int check_address(const struct http_options *opt, const char *text, char *error, size_t size)
{
	struct address address;
	char quote[QUOTE_MAX];

	(void)printable(text, strlen(text), quote, sizeof(quote));
	if (address_parse(text, &address) < 0) {
		(void)snprintf(error, size,
			       "http.listen: \"%s\" is not an address; allowed: 127.0.0.1:9090, [::1]:9090", quote);
		return -EINVAL;
	}
	if (address_is_loopback(&address) || opt->ca)
		return 0;
	(void)snprintf(
		error, size,
		"http.listen: %s can be reached from other machines and asks for no client certificate; allowed: "
		"set http.cert, http.key and http.ca, or listen on 127.0.0.1 and [::1] only",
		quote);
	return -EINVAL;
}

static const char *find_wrong(const struct http_options *opt)
{
	if (opt->n_listen > ADDRESS_LIST_MAX)
		return "http.listen: too many addresses; allowed: at most 8";
	if (opt->n_listen == 0 && !opt->unix_socket)
		return "http.listen, http.unix_socket: both are empty; allowed: one of them, or http.enabled = false";
	if (!opt->cert != !opt->key)
		return "http.cert, http.key: one is set without the other; allowed: both or neither";
	if (opt->ca && !opt->cert)
		return "http.ca: set without http.cert and http.key; allowed: all three";
	if (opt->max_clients == 0 || opt->timeout_secs == 0)
		return "http.max_clients, http.timeout_secs: 0; allowed: at least 1";
	return NULL;
}

int http_check_access(const struct http_options *opt, char *error, size_t size)
{
	const char *wrong = find_wrong(opt);

	if (wrong) {
		(void)snprintf(error, size, "%s", wrong);
		return -EINVAL;
	}
	for (size_t i = 0; i < opt->n_listen; i++)
		if (check_address(opt, opt->listen[i], error, size) < 0)
			return -EINVAL;
	return 0;
}

int http_check(const struct http_options *opt, char *error, size_t size)
{
	gnutls_certificate_credentials_t credentials;
	struct http_tls_digest digest;
	int r = http_check_access(opt, error, size);

	if (r < 0 || !opt->cert)
		return r;
	r = http_tls_load(&credentials, &digest, opt, error, size);
	if (r == 0)
		gnutls_certificate_free_credentials(credentials);
	return r;
}
