/* SPDX-License-Identifier: Apache-2.0 */
#include "http/limit.h"

#include <dirent.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/util.h"
#include "log/log.h"

#define USUALLY_OPEN 32 /* where /proc cannot be read */

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

unsigned http_limit_clients(unsigned wanted)
{
	rlim_t taken = count_open() + HTTP_LIMIT_RESERVE;
	struct rlimit limit;
	unsigned fit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= taken + wanted)
		return wanted;
	fit = limit.rlim_cur > taken ? (unsigned)(limit.rlim_cur - taken) : 1;
	log_warning(
		KIND_HTTP_CLIENTS_LIMITED,
		"http.max_clients = %u does not fit into the %ju descriptors of this process (RLIMIT_NOFILE): at most "
		"%u clients at once, the rest is for Redis, the kernel and files; what helps: LimitNOFILE=%ju",
		wanted, (uintmax_t)limit.rlim_cur, fit, (uintmax_t)(taken + wanted));
	return fit;
}
