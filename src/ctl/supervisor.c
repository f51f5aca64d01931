/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/supervisor.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "ctl/wait.h"
#include "redis/endpoint.h"

#define CONFIGURATION "/etc/supervisor/supervisord.conf"
#define SECTION "[unix_http_server]"
#define VALUE_BYTES 108 /* as many as sun_path has */
#define LINE_BYTES 512
#define ANSWER_MAX 65536
#define REQUEST_BYTES 1024
#define CALL                                                                                                           \
	"<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getProcessInfo</methodName><params><param><value>"  \
	"<string>portsyncd</string></value></param></params></methodCall>"

struct rpc_server {
	char file[VALUE_BYTES], username[VALUE_BYTES], password[VALUE_BYTES];
};

/* --- where it is --- */

/* "key = value ; a comment": the value, if the key is that one. */
static void take_value(char *line, const char *key, char out[VALUE_BYTES])
{
	size_t len = strlen(key);
	char *value = line + len + strspn(line + len, " \t"), *comment;

	if (strncmp(line, key, len) != 0 || *value != '=')
		return;
	value += 1 + strspn(value + 1, " \t");
	comment = strstr(value, " ;");
	if (comment)
		*comment = '\0';
	len = strcspn(value, "\r\n");
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	if (len < VALUE_BYTES)
		(void)snprintf(out, VALUE_BYTES, "%.*s", (int)len, value);
}

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static bool read_configuration(struct rpc_server *ret)
{
	FILE *file cleanup(close_file) = fopen(CONFIGURATION, "re");
	char line[LINE_BYTES];
	bool inside = false;

	*ret = (struct rpc_server){.file = ""};
	while (file && fgets(line, sizeof(line), file)) {
		if (line[0] == '[')
			inside = strncmp(line, SECTION, strlen(SECTION)) == 0;
		if (!inside)
			continue;
		take_value(line, "file", ret->file);
		take_value(line, "username", ret->username);
		take_value(line, "password", ret->password);
	}
	return ret->file[0] != '\0';
}

/* --- the call --- */

/* The header with name and password; "" without them. */
static void authorize(const struct rpc_server *server, char *out, size_t size)
{
	char plain[2 * VALUE_BYTES];
	gnutls_datum_t coded = {.data = NULL}, raw = {.data = (unsigned char *)plain};

	out[0] = '\0';
	if (server->username[0] == '\0')
		return;
	raw.size = (unsigned)snprintf(plain, sizeof(plain), "%s:%s", server->username, server->password);
	if (gnutls_base64_encode2(&raw, &coded) < 0)
		return;
	(void)snprintf(out, size, "Authorization: Basic %s\r\n", (const char *)coded.data);
	gnutls_free(coded.data);
}

static int connect_to(const struct rpc_server *server)
{
	struct endpoint endpoint;
	int r = endpoint_unix(&endpoint, server->file);

	return r < 0 ? r : endpoint_connect(&endpoint.addresses[0], NULL);
}

static bool send_call(int fd, const struct rpc_server *server)
{
	char request[REQUEST_BYTES], authorization[REQUEST_BYTES / 2];
	int len;

	authorize(server, authorization, sizeof(authorization));
	len = snprintf(
		request, sizeof(request),
		"POST /RPC2 HTTP/1.0\r\nHost: localhost\r\n%sContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n%s",
		authorization, strlen(CALL), CALL);
	return (size_t)len < sizeof(request) && send(fd, request, (size_t)len, MSG_NOSIGNAL) == len;
}

/* Reads until the other end closes. */
static bool read_answer(int fd, struct text *ret)
{
	uint64_t deadline = wait_deadline();
	char bytes[4096];
	ssize_t n = 1;

	while (n > 0 && ret->len < ANSWER_MAX) {
		if (wait_fd(fd, POLLIN, deadline) < 0)
			return false;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n > 0)
			text_add(ret, bytes, (size_t)n);
	}
	text_add(ret, "", 1);
	return n == 0 && !ret->failed;
}

/* --- its answer --- */

/* The text of a member of the struct: <name>stop</name> <value><int>7</int></value>. */
static bool member(const char *xml, const char *name, char *out, size_t size)
{
	char tag[64];
	const char *at;

	(void)snprintf(tag, sizeof(tag), "<name>%s</name>", name);
	at = strstr(xml, tag);
	at = at ? strstr(at, "<value><") : NULL;
	at = at ? strchr(at + strlen("<value><"), '>') : NULL;
	if (!at)
		return false;
	(void)printable(at + 1, strcspn(at + 1, "<"), out, size);
	return true;
}

static json_t *number(const char *xml, const char *name)
{
	char text[64];

	return member(xml, name, text, sizeof(text)) ? json_integer(strtoll(text, NULL, 10)) : json_null();
}

static json_t *describe(const char *xml)
{
	char state[64], error[256];

	if (!member(xml, "statename", state, sizeof(state)))
		return NULL;
	if (!member(xml, "spawnerr", error, sizeof(error)))
		error[0] = '\0';
	return json_pack("{s:s, s:o, s:o, s:s}", "state", state, "since",
			 number(xml, strcmp(state, "RUNNING") == 0 ? "start" : "stop"), "status",
			 number(xml, "exitstatus"), "error", error);
}

json_t *supervisor_ask(void)
{
	struct rpc_server server;
	struct text answer = {0};
	json_t *found = NULL;
	int fd cleanup(close_fd) = -1;

	if (!read_configuration(&server))
		return NULL;
	fd = connect_to(&server);
	if (fd >= 0 && send_call(fd, &server) && read_answer(fd, &answer))
		found = describe(answer.data);
	free(answer.data);
	return found;
}
