/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/conn_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int copy_string(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int conn_options_copy(struct conn_options *to, const struct conn_options *from)
{
	*to = *from;
	to->label = to->unix_socket = to->host = to->pattern = NULL;
	if (copy_string(&to->label, from->label) < 0 || copy_string(&to->unix_socket, from->unix_socket) < 0 ||
	    copy_string(&to->host, from->host) < 0 || copy_string(&to->pattern, from->pattern) < 0)
		return -ENOMEM;
	return 0;
}

void conn_options_free(struct conn_options *opt)
{
	free((char *)opt->label);
	free((char *)opt->unix_socket);
	free((char *)opt->host);
	free((char *)opt->pattern);
}
