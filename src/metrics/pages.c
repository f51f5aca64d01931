/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/pages.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/util.h"
#include "http/content.h"
#include "metrics/page.h"
#include "metrics/procstat.h"

static void refuse_post(struct http_answer *out)
{
	answer_json(out, 405, json_pack("{s:s}", "error", "only GET and HEAD"));
}

static void page_other(const struct visit *visit)
{
	answer_json(visit->out, 404, json_pack("{s:s}", "error", "there is no such page; / names them"));
}

/* post: it has a POST too, and looks at request->post. A path that ends in '/', except the index, stands for everything
 * below it. name: in portsyncd_http_pages_total. */
/* clang-format off */
static const struct page {
	const char *path, *name;
	void (*make)(const struct visit *visit);
	bool post;
} table[] = {
	{"/metrics", "metrics", page_metrics, false},
	{"/livez", "livez", page_livez, false},
	{"/readyz", "readyz", page_readyz, false},
	{"/healthz", "healthz", page_healthz, false},
	{"/status", "status", page_status, false},
	{"/ports", "ports", page_ports, false},
	{"/ports/", "port", page_port, false},
	{"/history", "history", page_history, false},
	{"/config", "config", page_config, false},
	{"/watch", "watch", page_watch, false},
	{"/recording", "recording", page_recording, false},
	{"/record", "record", page_record, true},
	{"/live", "live", page_live, false},
	{"/", "index", page_index, false},
	{NULL, "other", page_other, false},
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(table) <= PAGES_MAX, "struct pages has too little capacity");

static bool is_of(const struct page *page, const char *path)
{
	size_t len = strlen(page->path);

	if (len > 1 && page->path[len - 1] == '/')
		return strncmp(path, page->path, len) == 0;
	return strcmp(path, page->path) == 0;
}

static size_t which(const char *path)
{
	size_t i = 0;

	while (table[i].path && !is_of(&table[i], path))
		i++;
	return i;
}

struct pages *pages_new(struct exchange *exchange, const struct health_limits *limits, const char *proc)
{
	struct pages *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->changes_fd = -1;
	p->exchange = exchange;
	p->limits = *limits;
	p->proc = proc;
	p->started_nsec = procstat_started(proc);
	p->started_monotonic = p->started_nsec - epoch_nsec(p);
	(void)pthread_mutex_init(&p->lock, NULL);
	p->n_served = ARRAY_SIZE(table);
	for (size_t i = 0; i < p->n_served; i++)
		p->served[i].name = table[i].name;
	return p;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	if (p->changes)
		changes_listen(p->changes, -1);
	close_fd(&p->changes_fd);
	feed_free(p->feed);
	free(atomic_load(&p->new_config));
	free(p->config);
	free(p);
}

int pages_set_changes(struct pages *p, struct changes *changes)
{
	p->changes = changes;
	if (!changes)
		return 0;
	p->changes_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->changes_fd < 0 ? -errno : 0;
}

int pages_changes_fd(const struct pages *p)
{
	return p->changes_fd;
}

/* In this order, so that a ring in between is for changes that are read after it. */
void pages_changes_heard(void *user)
{
	struct pages *p = user;
	eventfd_t rung;

	(void)eventfd_read(p->changes_fd, &rung);
	changes_heard(p->changes);
}

void pages_set_server(struct pages *p, const struct http_stats *stats)
{
	atomic_store(&p->server, stats);
}

void pages_set_config(struct pages *p, char *json)
{
	if (json)
		free(atomic_exchange(&p->new_config, json));
}

static void make_smaller(struct http_answer *answer)
{
	size_t len;
	char *body = answer->body ? gzip_bytes(answer->body, answer->len, &len) : NULL;

	if (!body)
		return;
	free(answer->body);
	answer->body = body;
	answer->len = len;
	answer->encoding = "gzip";
}

void pages_handle(const struct http_request *request, struct http_answer *answer, void *user)
{
	struct pages *p = user;
	const struct visit visit = {.pages = p, .request = request, .out = answer};
	size_t page = which(request->path);
	uint64_t began = pages_enter(p);

	if (request->post && !table[page].post)
		refuse_post(answer);
	else
		table[page].make(&visit);
	if (http_wants_gzip(request->accept_encoding))
		make_smaller(answer);
	p->served[page].served++;
	pages_leave(p, began);
}
