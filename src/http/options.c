/* SPDX-License-Identifier: Apache-2.0 */
#include "http/options.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/util.h"
#include "log/log.h"

#define QUOTE_MAX 80
#define USUALLY_OPEN 32 /* descriptors, if /proc cannot be read */

static int check_address(const struct http_options *opt, const char *text, char *error, size_t size)
{
	struct address address;
	char quote[QUOTE_MAX];

	(void)printable(text, strlen(text), quote, sizeof(quote));
	if (address_parse(text, &address) < 0) {
		(void)snprintf(error, size,
			       "http.listen: \"%s\" is not an address; allowed: 127.0.0.1:10187, [::1]:10187", quote);
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
		return "http.listen, http.unix_socket: both are empty; allowed: one of them";
	if (!opt->cert != !opt->key)
		return "http.cert, http.key: one is set without the other; allowed: both or neither";
	if (opt->ca && !opt->cert)
		return "http.ca: set without http.cert and http.key; allowed: all three";
	if (opt->max_clients == 0 || opt->timeout_secs == 0)
		return "http.max_clients, http.timeout_secs: 0; allowed: at least 1";
	return NULL;
}

int http_options_check(const struct http_options *opt, char *error, size_t size)
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

static rlim_t count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	rlim_t n = 0;

	if (!dir)
		return USUALLY_OPEN;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

unsigned http_options_clients(unsigned wanted)
{
	rlim_t taken = count_open() + HTTP_RESERVED_DESCRIPTORS;
	struct rlimit limit;
	unsigned fit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= taken + wanted)
		return wanted;
	fit = limit.rlim_cur > taken ? (unsigned)(limit.rlim_cur - taken) : 1;
	log_warning(KIND_HTTP_CLIENTS_LIMITED,
		    "http.max_clients = %u does not fit into the %ju descriptors of this process (RLIMIT_NOFILE): at "
		    "most %u clients at once, the other descriptors are for Redis, the kernel and files; what helps: "
		    "LimitNOFILE=%ju",
		    wanted, (uintmax_t)limit.rlim_cur, fit, (uintmax_t)(taken + wanted));
	return fit;
}
