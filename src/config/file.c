/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "config/keys.h"

#define FILE_MAX_BYTES (1 << 20)
#define LINE_MAX_BYTES (PATH_MAX + 256)
#define FAULTS_MAX 50

/* The table's own copy of a section's name, or NULL. */
static const char *known_name(const char *section)
{
	for (size_t i = 0; i < CONFIG_N_KEYS; i++)
		if (strcmp(config_keys[i].section, section) == 0)
			return config_keys[i].section;
	return NULL;
}

static bool known_section(const char *section)
{
	return known_name(section) != NULL;
}

static void list_sections(char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < CONFIG_N_KEYS; i++)
		if (i == 0 || strcmp(config_keys[i].section, config_keys[i - 1].section) != 0)
			text_append(out, size, " ", "[%s]", config_keys[i].section);
}

static void list_names(const char *section, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < CONFIG_N_KEYS; i++)
		if (strcmp(config_keys[i].section, section) == 0)
			text_append(out, size, ", ", "%s", config_keys[i].name);
}

/* One configuration file on its way in. */
struct reader {
	struct config *config;
	const char *path;
	FILE *file, *err;
	const char *section; /* NULL: none yet, or an unknown one */
	char *text;          /* the line */
	size_t capacity;
	unsigned line, faults;
	unsigned seen[CONFIG_N_KEYS]; /* line of each key, or 0 */
};

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

/* The first byte that is no text, or NULL. */
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

static bool line_is_text(struct reader *in, const char *text, size_t len, size_t room)
{
	const unsigned char *bad;

	if (len > room) {
		fault(in, in->line, "line of %zu bytes; allowed: at most %zu", len, room);
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

/* The name in "[name] # comment", or NULL after a complaint. */
static const char *section_name(struct reader *in, char *text)
{
	char *end = strchr(text, ']'), *name, quote[CONFIG_QUOTE_MAX], sections[CONFIG_WHY_MAX];

	list_sections(sections, sizeof(sections));
	if (!end || !only_comment(end + 1)) {
		fault(in, in->line, "\"%s\" is not a section; allowed: %s",
		      printable(text, strlen(text), quote, sizeof(quote)), sections);
		return NULL;
	}
	*end = '\0';
	name = strip(text + 1);
	if (!known_section(name)) {
		fault(in, in->line, "[%s]: unknown section; allowed: %s",
		      printable(name, strlen(name), quote, sizeof(quote)), sections);
		return NULL;
	}
	return name;
}

/* Hands inih only lines that it cannot misread, as it would tell of the first bad one only. */
static void check_line(struct reader *in, char *text, char *out, size_t size)
{
	size_t sign;

	out[0] = '\0';
	text = strip(text);
	if (only_comment(text))
		return;
	if (text[0] == '[') {
		const char *name;

		in->section = NULL;
		name = section_name(in, text);
		in->section = name ? known_name(name) : NULL;
		/* The keys below an unknown section belong nowhere and are passed over. */
		(void)snprintf(out, size, "[%s]", name ? name : "?");
		return;
	}
	sign = strcspn(text, "=:");
	if (sign == 0 || text[sign] != '=') {
		fault(in, in->line, "line without 'key ='; allowed: [section], key = value, # comment");
		return;
	}
	(void)snprintf(out, size, "%s", text);
}

static char *next_line(char *out, int size, void *stream)
{
	struct reader *in = stream;
	ssize_t got = getline(&in->text, &in->capacity, in->file);
	size_t len = (size_t)got;

	if (got < 0)
		return NULL;
	in->line++;
	if (len > 0 && in->text[len - 1] == '\n')
		len--;
	if (len > 0 && in->text[len - 1] == '\r')
		len--;
	in->text[len] = '\0';
	out[0] = '\0';
	if (line_is_text(in, in->text, len, (size_t)size - 3))
		check_line(in, in->text, out, (size_t)size);
	return out;
}

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

static void read_value(struct reader *in, const struct key *key, const char *value)
{
	unsigned *seen = &in->seen[key - config_keys];
	char text[LINE_MAX_BYTES], why[CONFIG_WHY_MAX];
	const char *wrong = unquote(value, text);

	if (*seen > 0) {
		fault(in, in->line, "%s.%s: already set in line %u; allowed: once", key->section, key->name, *seen);
		return;
	}
	*seen = in->line;
	if (wrong)
		fault(in, in->line, "%s.%s: %s; allowed: a value bare or in double quotes, without quotes or \\ in it",
		      key->section, key->name, wrong);
	else if (config_set(in->config, key, text, why, sizeof(why)) < 0)
		fault(in, in->line, "%s.%s: %s", key->section, key->name, why);
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	const struct key *key = config_find(section, name);
	char quote[CONFIG_QUOTE_MAX], allowed[CONFIG_WHY_MAX];
	struct reader *in = user;

	if (key) {
		read_value(in, key, value);
		return 1;
	}
	(void)printable(name, strlen(name), quote, sizeof(quote));
	if (section[0] == '\0') {
		list_sections(allowed, sizeof(allowed));
		fault(in, in->line, "%s: stands before any section; allowed: %s", quote, allowed);
	} else if (known_section(section)) {
		list_names(section, allowed, sizeof(allowed));
		fault(in, in->line, "%s.%s: unknown key; allowed: %s", section, quote, allowed);
	}
	return 1;
}

static void check_redis_address(struct reader *in)
{
	static const char default_host[] = "127.0.0.1";
	struct config *config = in->config;
	bool tcp = config->redis_host[0] != '\0' || config->redis_port > 0;

	in->section = "database";
	if (tcp && config->redis_unix_socket[0] != '\0') {
		fault(in, in->seen[config_find("database", "redis_unix_socket") - config_keys],
		      "database.redis_unix_socket: set together with redis_host or redis_port; allowed: either");
		return;
	}
	if (tcp && config->redis_host[0] == '\0')
		memcpy(config->redis_host, default_host, sizeof(default_host));
	if (tcp && config->redis_port <= 0)
		config->redis_port = 6379;
}

static void name_keys_without_effect(const struct reader *in)
{
	bool any = false;

	for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
		if (in->seen[i] == 0 || config_keys[i].offset != NO_EFFECT)
			continue;
		if (!any)
			(void)fprintf(in->err, "portsyncd: %s: accepted but without effect:", in->path);
		(void)fprintf(in->err, "%s %s.%s", any ? "," : "", config_keys[i].section, config_keys[i].name);
		any = true;
	}
	if (any)
		(void)fputc('\n', in->err);
}

static void set_up_inih(void)
{
	static char comment_prefixes[] = "#";

	ini_use_stack = false;
	ini_initial_alloc = ini_max_line = LINE_MAX_BYTES;
	ini_allow_realloc = false;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false; /* a # may stand in quotes: unquote() knows */
	ini_start_comment_prefixes = comment_prefixes;
	ini_stop_on_first_error = false;
}

static int read_stream(struct reader *in)
{
	int r;

	set_up_inih();
	r = ini_parse_stream(next_line, in, on_value, in);
	if (ferror(in->file)) {
		(void)fprintf(in->err, "portsyncd: %s: cannot be read\n", in->path);
		return -EIO;
	}
	if (r < 0) {
		(void)fprintf(in->err, "portsyncd: %s: out of memory\n", in->path);
		return -ENOMEM;
	}
	check_redis_address(in);
	name_keys_without_effect(in);
	if (in->faults > FAULTS_MAX)
		(void)fprintf(in->err, "portsyncd: %s: %u more faults\n", in->path, in->faults - FAULTS_MAX);
	return in->faults > 0 ? -EINVAL : 0;
}

_Static_assert(CONFIG_N_KEYS <= CONFIG_KEYS_MAX, "room for the lines of all keys");

/* A missing file is left to the caller, who knows whether it may be missing. */
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
		(void)close(fd);
		return -ENOMEM;
	}
	r = read_stream(&in);
	config->file = path;
	memcpy(config->lines, in.seen, sizeof(in.seen));
	(void)fclose(in.file);
	free(in.text);
	return r;
}
