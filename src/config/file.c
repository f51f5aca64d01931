/* SPDX-License-Identifier: Apache-2.0 */
#include "config/file.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "config/keys.h"

#define FILE_MAX_BYTES (1 << 20)
#define LINE_MAX_BYTES (PATH_MAX + 253)
#define FAULTS_MAX 50

_Static_assert(KEYS <= CONFIG_KEYS_MAX, "capacity for the lines of all keys");

/* One configuration file while it is read. */
struct reader {
	struct config *config;
	const char *path;
	FILE *file, *err;
	const char *section; /* NULL: none yet, or an unknown one */
	bool passes_over;    /* the keys of an unknown section, which has been reported */
	unsigned line, faults;
	unsigned seen[KEYS]; /* the line of each key, or 0 */
};

static void list_sections(char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < KEYS; i++)
		if (i == 0 || strcmp(key_table[i].section, key_table[i - 1].section) != 0)
			text_append(out, size, " ", "[%s]", key_table[i].section);
}

/* Empty for a section that has replaced keys only. */
static void list_names(const char *section, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(key_table[i].section, section) == 0)
			text_append(out, size, ", ", "%s", key_table[i].name);
}

PRINTF_LIKE(3, 4) static void fault(struct reader *in, unsigned line, const char *format, ...)
{
	va_list args;

	in->config->database_is_bad |= in->section && strcmp(in->section, "database") == 0;
	in->config->http_is_bad |= in->section && strcmp(in->section, "http") == 0;
	if (in->faults++ >= FAULTS_MAX)
		return;
	(void)fprintf(in->err, "%s:%u: ", in->path, line);
	va_start(args, format);
	(void)vfprintf(in->err, format, args);
	va_end(args);
	(void)fputc('\n', in->err);
}

/* --- text --- */

/* The first byte that is not text, or NULL. */
static const unsigned char *find_bad_byte(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;

	while (at < end) {
		size_t n = text_utf8_length(at, (size_t)(end - at));

		if (n == 0 || (*at < 0x20 && *at != '\t') || *at == 0x7f)
			return at;
		at += n;
	}
	return NULL;
}

static bool line_is_text(struct reader *in, const char *text, size_t len)
{
	const unsigned char *bad;

	if (len > LINE_MAX_BYTES) {
		fault(in, in->line, "line of %zu bytes; allowed: at most %d", len, LINE_MAX_BYTES);
		return false;
	}
	bad = find_bad_byte(text, len);
	if (bad)
		fault(in, in->line, "byte 0x%02x at %zu; allowed: UTF-8 without control characters", *bad,
		      (size_t)((const char *)bad - text) + 1);
	return !bad;
}

static char *strip(char *text)
{
	char *end;

	while (*text == ' ' || *text == '\t')
		text++;
	end = text + strlen(text);
	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return text;
}

static bool only_comment(const char *text)
{
	text += strspn(text, " \t");
	return *text == '\0' || *text == '#';
}

/* --- values --- */

/* NULL, or what is wrong. out gets what stands in quotes, or bare before a comment. */
static const char *unquote(const char *value, char *out)
{
	bool quoted = value[0] == '"';
	const char *start = value + quoted;
	size_t len = strcspn(start, quoted ? "\"" : "#");

	if (quoted && start[len] != '"')
		return "unterminated quote";
	if (quoted && !only_comment(start + len + 1))
		return "text after the closing quote";
	memcpy(out, start, len);
	out[len] = '\0';
	if (quoted)
		return strchr(out, '\\') ? "backslash in quotes" : NULL;
	(void)strip(out);
	if (out[0] == '\0')
		return "no value";
	return strpbrk(out, "\"'") ? "quote in a bare value" : NULL;
}

/* Writes them as unquote() reads them. */
bool config_write_value(const char *name, const char *value, FILE *out)
{
	size_t len = strlen(value);
	bool stripped = len > 0 && !strchr(" \t", value[0]) && !strchr(" \t", value[len - 1]);

	if (find_bad_byte(value, len) || strchr(value, '"'))
		return false;
	if (stripped && !strpbrk(value, "#'"))
		(void)fprintf(out, "%s = %s", name, value);
	else if (!strchr(value, '\\'))
		(void)fprintf(out, "%s = \"%s\"", name, value);
	else
		return false;
	return true;
}

static void read_value(struct reader *in, const struct key *key, const char *value)
{
	unsigned *seen = &in->seen[key - key_table];
	char text[LINE_MAX_BYTES + 1], why[KEY_WHY_MAX];
	const char *wrong = unquote(value, text);

	if (*seen > 0) {
		fault(in, in->line, "%s.%s: already set in line %u; allowed: once", key->section, key->name, *seen);
		return;
	}
	*seen = in->line;
	if (wrong)
		fault(in, in->line, "%s.%s: %s; allowed: a value bare or in double quotes, without quotes or \\ in it",
		      key->section, key->name, wrong);
	else if (key_set(in->config, key, text, why, sizeof(why)) < 0)
		fault(in, in->line, "%s.%s: %s", key->section, key->name, why);
	else
		in->config->origin[key - key_table] = CONFIG_BY_FILE;
}

static void refuse_name(struct reader *in, const char *name)
{
	const char *replacement = in->section ? key_replacement(in->section, name) : NULL;
	char quote[KEY_QUOTE_MAX], allowed[KEY_WHY_MAX];

	(void)printable(name, strlen(name), quote, sizeof(quote));
	if (!in->section) {
		list_sections(allowed, sizeof(allowed));
		fault(in, in->line, "%s: stands before any section; allowed: %s", quote, allowed);
	} else if (replacement) {
		fault(in, in->line, "%s.%s: no longer a key; allowed: %s", in->section, quote, replacement);
	} else {
		list_names(in->section, allowed, sizeof(allowed));
		fault(in, in->line, "%s.%s: unknown key; allowed: %s", in->section, quote,
		      allowed[0] != '\0' ? allowed : "none in this section");
	}
}

/* --- lines --- */

/* "[name]", with or without a comment */
static void read_section(struct reader *in, char *text)
{
	char *end = strchr(text, ']'), *name, quote[KEY_QUOTE_MAX], sections[KEY_WHY_MAX];

	in->section = NULL;
	in->passes_over = true;
	list_sections(sections, sizeof(sections));
	if (!end || !only_comment(end + 1)) {
		fault(in, in->line, "\"%s\" is not a section; allowed: %s",
		      printable(text, strlen(text), quote, sizeof(quote)), sections);
		return;
	}
	*end = '\0';
	name = strip(text + 1);
	if (!key_section(name)) {
		fault(in, in->line, "[%s]: unknown section; allowed: %s",
		      printable(name, strlen(name), quote, sizeof(quote)), sections);
		return;
	}
	in->section = key_section(name);
	in->passes_over = false;
}

/* "name = value" */
static void read_key(struct reader *in, char *text)
{
	size_t sign = strcspn(text, "=:");
	const struct key *key;
	char *name;

	if (sign == 0 || text[sign] != '=') {
		fault(in, in->line, "line without 'key ='; allowed: [section], key = value, # comment");
		return;
	}
	if (in->passes_over)
		return;
	text[sign] = '\0';
	name = strip(text);
	key = in->section ? key_find(in->section, name) : NULL;
	if (key)
		read_value(in, key, strip(text + sign + 1));
	else
		refuse_name(in, name);
}

static void read_line(struct reader *in, char *text, size_t len)
{
	in->line++;
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	text[len] = '\0';
	if (!line_is_text(in, text, len))
		return;
	text = strip(text);
	if (text[0] == '[')
		read_section(in, text);
	else if (!only_comment(text))
		read_key(in, text);
}

/* --- the whole --- */

static void check_redis_address(struct reader *in)
{
	static const char default_host[] = "127.0.0.1";
	struct config *config = in->config;
	bool tcp = config->redis_host[0] != '\0' || config->redis_port > 0;

	in->section = "database";
	if (tcp && config->redis_unix_socket[0] != '\0') {
		fault(in, in->seen[key_find("database", "redis_unix_socket") - key_table],
		      "database.redis_unix_socket: set together with redis_host or redis_port; allowed: either");
		return;
	}
	if (tcp && config->redis_host[0] == '\0')
		memcpy(config->redis_host, default_host, sizeof(default_host));
	if (tcp && config->redis_port <= 0)
		config->redis_port = 6379;
}

static int read_stream(struct reader *in)
{
	char *text cleanup(free_ptr) = NULL;
	size_t capacity = 0;
	ssize_t len;

	errno = 0;
	while ((len = getline(&text, &capacity, in->file)) >= 0)
		read_line(in, text, (size_t)len);
	if (!feof(in->file)) {
		int r = errno > 0 ? -errno : -EIO;

		(void)fprintf(in->err, "portsyncd: %s: cannot be read: %s\n", in->path, strerror(-r));
		return r;
	}
	check_redis_address(in);
	if (in->faults > FAULTS_MAX)
		(void)fprintf(in->err, "portsyncd: %s: %u more faults\n", in->path, in->faults - FAULTS_MAX);
	return in->faults > 0 ? -EINVAL : 0;
}

int config_read_file(struct config *config, const char *path, FILE *err)
{
	struct reader in = {.config = config, .path = path, .err = err};
	struct stat st;
	int fd = file_open(path, FILE_MAX_BYTES, &st), r;

	if (fd == -ENOENT)
		return fd;
	if (fd < 0) {
		(void)fprintf(err, "portsyncd: %s: %s; allowed: a readable file of at most %d bytes\n", path,
			      file_error(fd), FILE_MAX_BYTES);
		return fd;
	}
	in.file = fdopen(fd, "r");
	if (!in.file) {
		r = -errno;
		(void)close(fd);
		(void)fprintf(err, "portsyncd: %s: cannot be read: %s\n", path, strerror(-r));
		return r;
	}
	r = read_stream(&in);
	config->file = path;
	memcpy(config->lines, in.seen, sizeof(in.seen));
	(void)fclose(in.file);
	return r;
}
