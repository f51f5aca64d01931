/* SPDX-License-Identifier: Apache-2.0 */
#include "http/addresses.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "log/log.h"

/* A descriptor or a negative errno. */
static int listen_on(struct http_addresses *a, const char *name, bool tcp)
{
	struct address address;
	int fd;

	if (tcp) {
		fd = address_parse(name, &address);
		return fd < 0 ? fd : http_listen_tcp(&address);
	}
	fd = http_listen_unix(name, &a->unix_file);
	if (fd >= 0)
		(void)snprintf(a->unix_path, sizeof(a->unix_path), "%s", name);
	return fd;
}

static void add(struct http_addresses *a, int fd, bool tcp)
{
	size_t n = atomic_load_explicit(&a->n_open, memory_order_relaxed);

	a->open[n] = (struct http_listener){fd, tcp};
	atomic_store_explicit(&a->n_open, n + 1, memory_order_release);
}

static bool find_holder(const char *name, bool tcp, char *out, size_t size)
{
	struct address address;

	if (!tcp)
		return holder_of_unix(name, out, size);
	return address_parse(name, &address) == 0 && holder_of_tcp(&address, out, size);
}

static void explain(struct http_missing *m, int error)
{
	char holder[HOLDER_TEXT_MAX];

	if (error == -EADDRINUSE && find_holder(m->name, m->tcp, holder, sizeof(holder)))
		(void)snprintf(m->why, sizeof(m->why), "in use by %s", holder);
	else
		(void)snprintf(m->why, sizeof(m->why), "%s", strerror(-error));
}

/* On a machine without IPv6, [::1] is not missed if there is another address. */
static bool is_missed(const struct http_options *opt, const char *name, int error)
{
	struct address address;

	if (opt->n_listen < 2 || address_parse(name, &address) < 0 || !http_listen_lacks_ipv6(&address, error))
		return true;
	log_info(KIND_HTTP_LISTENING, "no HTTP on %s: there is no IPv6 here", name);
	return false;
}

static void note_missing(struct http_addresses *a, const char *name, bool tcp, int error)
{
	struct http_missing *m = &a->missing[a->n_missing++];

	m->tcp = tcp;
	(void)snprintf(m->name, sizeof(m->name), "%s", name);
	explain(m, error);
}

void http_addresses_open(struct http_addresses *a, const struct http_options *opt, char *opened, size_t size)
{
	size_t n = opt->n_listen + (opt->unix_socket != NULL);

	opened[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		bool tcp = i < opt->n_listen;
		const char *name = tcp ? opt->listen[i] : opt->unix_socket;
		int fd = listen_on(a, name, tcp);

		if (fd >= 0) {
			add(a, fd, tcp);
			text_append(opened, size, ", ", "%s", name);
		} else if (!tcp || is_missed(opt, name, fd)) {
			note_missing(a, name, tcp, fd);
		}
	}
}

/* The process that had it at the start is not looked up again: confined, the process may not be allowed to. */
static bool had_now(struct http_addresses *a, struct http_missing *m)
{
	int fd = listen_on(a, m->name, m->tcp);

	if (fd >= 0)
		add(a, fd, m->tcp);
	else if (fd != -EADDRINUSE)
		explain(m, fd);
	return fd >= 0;
}

void http_addresses_retry(struct http_addresses *a, char *opened, size_t size)
{
	size_t left = 0;

	opened[0] = '\0';
	for (size_t i = 0; i < a->n_missing; i++) {
		if (had_now(a, &a->missing[i]))
			text_append(opened, size, ", ", "%s", a->missing[i].name);
		else
			a->missing[left++] = a->missing[i];
	}
	a->n_missing = left;
}

void http_addresses_explain(const struct http_addresses *a, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < a->n_missing; i++)
		text_append(out, size, ", ", "%s: %s", a->missing[i].name, a->missing[i].why);
}

void http_addresses_close(struct http_addresses *a)
{
	for (size_t i = 0; i < a->n_open; i++)
		(void)close(a->open[i].fd);
	if (a->unix_path[0] != '\0')
		http_unlisten_unix(a->unix_path, &a->unix_file);
}
