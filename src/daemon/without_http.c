/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In a build with -Dhttp=false this takes the place of http/ and of the pages: there is no server. settings_http() says
 * so to the callers, so most of this is never called.
 */
#include <errno.h>
#include <stdio.h>

#include "http/server.h"
#include "metrics/pages.h"

static struct pages {
	char unused;
} no_pages;

static int refuse(char *error, size_t size)
{
	(void)snprintf(error, size, "this build has no HTTP server");
	return -EOPNOTSUPP;
}

int http_check(const struct http_options *opt, char *error, size_t size)
{
	(void)opt;
	return refuse(error, size);
}

int http_new(struct http **ret, const struct http_options *opt, http_handle_fn handle, void *user, char *error,
	     size_t size)
{
	(void)opt;
	(void)handle;
	(void)user;
	*ret = NULL;
	return refuse(error, size);
}

int http_start(struct http *h)
{
	(void)h;
	return -EOPNOTSUPP;
}

void http_follow(struct http *h, int fd, void (*heard)(void *user), void *user)
{
	(void)h;
	(void)fd;
	(void)heard;
	(void)user;
}

bool http_retry(struct http *h)
{
	(void)h;
	return false;
}

void http_explain_missing(const struct http *h, char *out, size_t size)
{
	(void)h;
	(void)snprintf(out, size, "%s", "");
}

const char *http_missing(const struct http *h, size_t i, bool *tcp)
{
	(void)h;
	(void)i;
	(void)tcp;
	return NULL;
}

int http_renew(struct http *h, const struct http_options *opt, char *error, size_t size)
{
	(void)h;
	(void)opt;
	return refuse(error, size);
}

void http_free(struct http *h)
{
	(void)h;
}

const struct http_stats *http_stats(const struct http *h)
{
	static const struct http_stats none;

	(void)h;
	return &none;
}

struct pages *pages_new(struct exchange *exchange, const struct health_limits *limits, const char *proc)
{
	(void)exchange;
	(void)limits;
	(void)proc;
	return &no_pages;
}

void pages_free(struct pages *p)
{
	(void)p;
}

int pages_set_changes(struct pages *p, struct changes *changes)
{
	(void)p;
	(void)changes;
	return 0;
}

int pages_changes_fd(const struct pages *p)
{
	(void)p;
	return -1;
}

void pages_changes_heard(void *user)
{
	(void)user;
}

void pages_set_server(struct pages *p, const struct http_stats *stats)
{
	(void)p;
	(void)stats;
}

void pages_set_config(struct pages *p, char *json)
{
	(void)p;
	free(json);
}

void pages_handle(const struct http_request *request, struct http_answer *answer, void *user)
{
	(void)request;
	(void)answer;
	(void)user;
}
