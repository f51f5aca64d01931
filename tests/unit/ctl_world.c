/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "answering.h"
#include "base/util.h"
#include "fake_databases.h"
#include "test.h"

#define REQUEST_BYTES 2048
#define CLIENTS_WAITING 16

/* --- the daemon's pages --- */

#define PORT(name)                                                                                                     \
	"{\"name\": \"" name "\", \"configured\": true, \"in_sync\": true, \"awaited\": false, \"flaps\": 3, "         \
	"\"last_change\": \"2026-11-27T09:30:14.813Z\", \"link\": {\"oper\": \"up\", \"admin\": \"up\", "              \
	"\"mtu\": 9100}}"
#define CHANGE(number)                                                                                                 \
	"{\"number\": " number ", \"at\": \"2026-11-27T09:30:14.813000Z\", \"port\": \"Ethernet0\", "                  \
	"\"before\": {\"oper\": \"down\", \"admin\": \"up\", \"mtu\": 9100}, \"after\": {\"oper\": \"up\", "           \
	"\"admin\": \"up\", \"mtu\": 9100}, \"changed\": [\"oper\"], \"latency_usec\": 412}"
#define PROBLEM                                                                                                        \
	"{\"check\": \"latency\", \"level\": \"degraded\", \"seconds\": 75, \"since\": \"2026-11-27T09:30:14Z\", "     \
	"\"value\": 7, \"limit\": 5, \"unit\": \"ms\", \"reason\": \"slow\", \"ports\": [\"Ethernet0\"], "             \
	"\"subject\": \"changes are late\", \"cause\": \"a slow Redis\", \"remedy\": \"look at Redis\"}"

static const struct page {
	const char *target, *body;
	bool streams; /* its length is not said */
} pages[] = {
	{"/status",
	 "{\"schema\": 1, \"version\": \"1.2\", \"pid\": 7, \"uptime_seconds\": 70, \"verdict\": \"degraded\", "
	 "\"init_done\": true, \"kernel_synced\": true, \"view_age_seconds\": 0, \"problems\": [" PROBLEM "], "
	 "\"healthy\": [\"kernel\", \"redis\"], \"ports\": {\"configured\": 2, \"in_sync\": 2, \"up\": 2}}",
	 false},
	{"/ports", "{\"ports\": [" PORT("Ethernet0") ", " PORT("Ethernet4") "]}", false},
	{"/history", "{\"kept\": 16, \"changes\": [" CHANGE("1") ", " CHANGE("2") "]}", false},
	{"/watch", "{\"hello\": {\"version\": \"1.2\", \"next\": 3}}\n{}\n" CHANGE("3") "\n" CHANGE("4") "\n", true},
	{"/record", "{\"file\": \"/var/lib/portsyncd/recording-1.pcapng\"}", false},
	{"/recording", "a recording, byte by byte", false},
	{"/livez", "ok\n", false},
	{"/readyz", "{\"ready\": true}", false},
	{"/healthz", "{\"checks\": {\"http_address\": {\"status\": \"healthy\"}}}", false},
	{"/config", "{\"keys\": []}", false},
	{"/metrics", "portsyncd_flaps_total 3\n", false},
};

size_t world_page(const char *target, char out[WORLD_ANSWER_BYTES])
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		const struct page *page = &pages[i];
		char length[64] = "";

		if (strcmp(target, page->target) != 0)
			continue;
		if (!page->streams)
			(void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(page->body));
		return (size_t)snprintf(out, WORLD_ANSWER_BYTES, "HTTP/1.1 200 OK\r\n%s\r\n%s", length, page->body);
	}
	return (size_t)snprintf(out, WORLD_ANSWER_BYTES, "HTTP/1.1 404 Not Found\r\n\r\n");
}

/* "GET /history?last=5 HTTP/1.0": the page. */
static void read_target(int fd, char *out, size_t size)
{
	char request[REQUEST_BYTES], *begin;
	ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

	request[MAX(n, 0)] = '\0';
	begin = request + strcspn(request, "/");
	(void)snprintf(out, size, "%.*s", (int)strcspn(begin, "? "), begin);
}

static int on_visitor(sd_event_source *source, int listener, uint32_t events, void *user)
{
	static char well[WORLD_ANSWER_BYTES];
	const struct world_faults *faults = user;
	int fd = accept(listener, NULL, NULL);
	char target[REQUEST_BYTES];

	(void)source;
	(void)events;
	read_target(fd, target, sizeof(target));
	if (target[0] && strcmp(target, faults->target) == 0)
		(void)send(fd, faults->answer, faults->len, MSG_NOSIGNAL);
	else if (target[0])
		(void)send(fd, well, world_page(target, well), MSG_NOSIGNAL);
	(void)close(fd);
	return 0;
}

/* --- Redis --- */

#define FIELDS 4

static const struct row {
	unsigned database;
	const char *key, *field[FIELDS][2];
} rows[] = {
	{4, "PORT|Ethernet0", {{"alias", "etp1"}, {"admin_status", "up"}, {"mtu", "9100"}}},
	{4, "PORT|Ethernet4", {{"alias", "etp2"}, {"admin_status", "up"}, {"mtu", "9100"}}},
	{0, "PORT_TABLE:Ethernet0", {{"lanes", "1"}, {"admin_status", "up"}, {"oper_status", "up"}, {"mtu", "9100"}}},
	{0, "PORT_TABLE:Ethernet4", {{"lanes", "5"}, {"admin_status", "up"}, {"oper_status", "up"}, {"mtu", "9100"}}},
	{0, "PORT_TABLE:PortConfigDone", {{"count", "2"}}},
	{0, "PORT_TABLE:PortInitDone", {{"lanes", "0"}}},
	{6,
	 "PORT_TABLE|Ethernet0",
	 {{"state", "ok"}, {"netdev_oper_status", "up"}, {"admin_status", "up"}, {"mtu", "9100"}}},
	{6,
	 "PORT_TABLE|Ethernet4",
	 {{"state", "ok"}, {"netdev_oper_status", "up"}, {"admin_status", "up"}, {"mtu", "9100"}}},
};

struct answer {
	char text[4096];
	size_t len;
};

PRINTF_LIKE(2, 3) static void put(struct answer *a, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	a->len += (size_t)vsnprintf(a->text + a->len, sizeof(a->text) - a->len, format, args);
	va_end(args);
	assert_true(a->len < sizeof(a->text));
}

static void put_text(struct answer *a, const char *text)
{
	if (text)
		put(a, "$%zu\r\n%s\r\n", strlen(text), text);
	else
		put(a, "$-1\r\n");
}

static bool is_scanned(const struct fake_client *c, const struct row *row)
{
	return row->database == c->database && strncmp(row->key, c->word[3], strlen(c->word[3]) - 1) == 0;
}

static void scan(const struct fake_client *c, struct answer *a)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		n += is_scanned(c, &rows[i]);
	put(a, "*2\r\n$1\r\n0\r\n*%zu\r\n", n);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_scanned(c, &rows[i]))
			put_text(a, rows[i].key);
}

static const struct row *find_row(const struct fake_client *c)
{
	static const struct row none;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].database == c->database && strcmp(rows[i].key, c->word[1]) == 0)
			return &rows[i];
	return &none;
}

static const char *find_value(const struct row *row, const char *field)
{
	for (size_t i = 0; i < FIELDS && row->field[i][0]; i++)
		if (strcmp(row->field[i][0], field) == 0)
			return row->field[i][1];
	return NULL;
}

static void get_all(const struct row *row, struct answer *a)
{
	size_t n = 0;

	while (n < FIELDS && row->field[n][0])
		n++;
	put(a, "*%zu\r\n", 2 * n);
	for (size_t i = 0; i < n; i++) {
		put_text(a, row->field[i][0]);
		put_text(a, row->field[i][1]);
	}
}

/* A command has at most as many words as FAKE_WORDS. */
static const char *says(const struct fake_client *c)
{
	static struct answer a;
	const char *command = c->word[0];

	a.len = 0;
	if (strcmp(command, "SCAN") == 0)
		scan(c, &a);
	else if (strcmp(command, "HGETALL") == 0)
		get_all(find_row(c), &a);
	else if (strcmp(command, "HMGET") == 0)
		put(&a, "*%zu\r\n", c->words - 2);
	else if (strcmp(command, "CONFIG") == 0)
		put(&a, "*2\r\n$22\r\nnotify-keyspace-events\r\n$3\r\nAKE\r\n");
	else if (strcmp(command, "HGET") != 0)
		return NULL;
	for (size_t i = 2; command[0] == 'H' && i < c->words; i++)
		put_text(&a, find_value(find_row(c), c->word[i]));
	return a.text;
}

/* --- both --- */

/* For good: the test kills it. */
static _Noreturn void serve(const struct world *w, int listener, int ready)
{
	struct fake_databases redis = {.says = says, .most = &w->faults->redis_most};
	sd_event *event;

	(void)prctl(PR_SET_NAME, "portsyncd");
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(listen(listener, CLIENTS_WAITING), 0);
	databases_listen(&redis, event, w->redis);
	assert_true(sd_event_add_io(event, NULL, listener, EPOLLIN, on_visitor, w->faults) >= 0);
	(void)!write(ready, "x", 1);
	(void)close(ready);
	(void)sd_event_loop(event);
	_exit(EXIT_FAILURE);
}

void world_begin(struct world *w, const char *folder)
{
	int listener, ends[2];
	char ready;

	(void)snprintf(w->http, sizeof(w->http), "%s/http", folder);
	(void)snprintf(w->redis, sizeof(w->redis), "%s/redis", folder);
	w->faults = mmap(NULL, sizeof(*w->faults), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(w->faults, MAP_FAILED);
	world_heals(w);
	listener = answering_bind(w->http);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)fflush(NULL);
	w->pid = fork();
	if (w->pid == 0) {
		(void)close(ends[0]);
		serve(w, listener, ends[1]);
	}
	(void)close(ends[1]);
	assert_true(w->pid > 0);
	assert_int_equal(read(ends[0], &ready, 1), 1);
	(void)close(ends[0]);
	(void)close(listener);
}

void world_end(struct world *w)
{
	(void)kill(w->pid, SIGKILL);
	(void)waitpid(w->pid, NULL, 0);
	(void)munmap(w->faults, sizeof(*w->faults));
}

void world_answers(struct world *w, const char *target, const char *answer, size_t len)
{
	assert_true(len <= sizeof(w->faults->answer));
	(void)snprintf(w->faults->target, sizeof(w->faults->target), "%s", target);
	memcpy(w->faults->answer, answer, len);
	w->faults->len = len;
}

void world_heals(struct world *w)
{
	w->faults->target[0] = '\0';
	w->faults->redis_most = SIZE_MAX;
}
