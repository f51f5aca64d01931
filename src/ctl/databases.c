/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/databases.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl/names.h"
#include "ctl/wait.h"
#include "redis/handshake.h"
#include "redis/resp.h"
#include "settings/databases.h"

#define REQUEST_BYTES (16U << 20) /* of commands that wait to be sent */
#define READ_BYTES (256U << 10)
#define SCAN_COUNT "4096"     /* keys that Redis looks at in one step, a millisecond or less */
#define FIELDS_MAX 8          /* asked for in one command */
#define AT_ONCE 512           /* rows that are asked for before an answer is read */
#define REPORTED (-ECANCELED) /* ctl_set_error() was called */

struct database {
	const char *name;
	struct dbconfig *dbconfig;
	struct dbconfig_db at;
	struct endpoint endpoint;
	struct access access;
	const struct config *config;
	bool password_hidden; /* we may not read it */
	int fd;
	struct resp_buffer out;
	struct resp_reader *reader;
	char *in;
};

/* --- where it is --- */

static int find_server(struct ctl *ctl, struct database *db)
{
	bool global = ctl->config.namespace_name[0] != '\0' && ctl->config.database_config[0] == '\0';
	char error[PATH_MAX + 512];
	int r = settings_read_databases(&ctl->config, &db->dbconfig, error, sizeof(error));

	if (r < 0)
		return ctl_set_error(ctl, CTL_NO_SOURCE,
				     global ? "--database-global names another file"
					    : "--database-config names another file",
				     "%s", error);
	db->at = *dbconfig_get(db->dbconfig, db->name);
	settings_override_database(&ctl->config, &db->at);
	r = db->at.unix_socket ? endpoint_unix(&db->endpoint, db->at.unix_socket)
			       : endpoint_tcp(&db->endpoint, db->at.host, db->at.port);
	if (r < 0)
		return ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "%s: %s: %s", db->name,
				     db->at.unix_socket ? db->at.unix_socket : db->endpoint.text, strerror(-r));
	return 0;
}

/* Waits for the name server, if one is needed, as long as the C library does. */
static int look_up(struct ctl *ctl, struct database *db)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct endpoint found = {.n = 0};
	struct addrinfo *list;
	int r;

	if (!db->endpoint.host)
		return 0;
	r = getaddrinfo(db->endpoint.host, NULL, &hints, &list);
	if (r != 0)
		return ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "%s: %s: %s", db->name, db->endpoint.text,
				     gai_strerror(r));
	endpoint_take(&found, list);
	freeaddrinfo(list);
	endpoint_renew(&db->endpoint, &found);
	return 0;
}

/* --- bytes --- */

/* Reports that Redis failed or did not answer. Returns -1. */
static int give_up(struct ctl *ctl, const struct database *db, int error)
{
	if (error == -ETIMEDOUT)
		return ctl_set_error(ctl, CTL_NO_SOURCE, "look at Redis: is it stopped, or busy with a slow command?",
				     "%s: Redis at %s has not answered for %.0f s", db->name, db->endpoint.text,
				     wait_answer_seconds());
	return ctl_set_error(ctl, CTL_NO_SOURCE, "is redis-server running there?", "%s: Redis at %s: %s", db->name,
			     db->endpoint.text, strerror(-error));
}

/* Sends what the buffer holds. 0 or negative errno. */
static int flush(struct database *db)
{
	uint64_t deadline = wait_deadline();

	while (db->out.len > 0) {
		ssize_t n = send(db->fd, db->out.data + db->out.start, db->out.len, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			resp_consume(&db->out, (size_t)n);
			deadline = wait_deadline();
			continue;
		}
		r = errno == EAGAIN || errno == EINTR ? wait_fd(db->fd, POLLOUT, deadline) : -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive(struct database *db)
{
	ssize_t n = recv(db->fd, db->in, READ_BYTES, 0);

	if (n == 0)
		return -ECONNRESET;
	if (n > 0)
		resp_reader_feed(db->reader, db->in, (size_t)n);
	return n > 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* The next answer, valid until the next call. 0 or negative errno. */
static int next_answer(struct database *db, const struct resp_value **ret)
{
	uint64_t deadline = wait_deadline();

	for (;;) {
		int r = resp_reader_next(db->reader, ret);

		if (r != 0)
			return r < 0 ? r : 0;
		r = wait_fd(db->fd, POLLIN, deadline);
		if (r == 0)
			r = receive(db);
		if (r < 0)
			return r;
	}
}

/* --- opening --- */

/* Without the right to read the password we try without one. */
static int read_password(struct secret *ret, char *error, size_t size, void *user)
{
	struct database *db = user;
	int r = settings_read_password(db->config, ret, error, size);

	db->password_hidden = r == -EACCES;
	return db->password_hidden ? 0 : r;
}

static int connect_any(struct database *db)
{
	int fd = -EADDRNOTAVAIL;

	for (size_t i = 0; i < db->endpoint.n && fd < 0; i++)
		fd = endpoint_connect(&db->endpoint.addresses[i], NULL);
	return fd;
}

static int connected(struct database *db)
{
	int error = 0, r = wait_fd(db->fd, POLLOUT, wait_deadline());
	socklen_t len = sizeof(error);

	if (r == 0 && getsockopt(db->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	return r < 0 ? r : -error;
}

static int refused(struct ctl *ctl, const struct database *db, const char *why)
{
	return ctl_set_error(ctl, CTL_NO_SOURCE,
			     db->password_hidden ? "run it as root: its password file is closed to you" : NULL,
			     "%s: Redis at %s: %s", db->name, db->endpoint.text, why);
}

static int shake_hands(struct ctl *ctl, struct database *db)
{
	const struct conn_options options = {.database = db->at.number, .access = &db->access};
	enum handshake_outcome outcome = HANDSHAKE_GOES_ON;
	struct handshake handshake;
	char why[CONN_REASON_BYTES];
	int r = handshake_begin(&handshake, &options, &db->out, why, sizeof(why));

	if (r < 0)
		return refused(ctl, db, why);
	r = flush(db);
	handshake_wipe(&handshake, &db->out);
	while (r == 0 && outcome == HANDSHAKE_GOES_ON) {
		const struct resp_value *answer;

		r = next_answer(db, &answer);
		if (r == 0)
			outcome = handshake_take(&handshake, answer, why, sizeof(why));
	}
	if (r < 0)
		return give_up(ctl, db, r);
	return outcome == HANDSHAKE_DONE ? 0 : refused(ctl, db, why);
}

static int open_connection(struct ctl *ctl, struct database *db)
{
	char why[512];
	int r;

	if (find_server(ctl, db) < 0 || look_up(ctl, db) < 0)
		return -1;
	access_init(&db->access, ctl->config.redis_username[0] ? ctl->config.redis_username : NULL,
		    ctl->config.redis_password_file, read_password, db);
	db->fd = connect_any(db);
	r = db->fd < 0 ? db->fd : connected(db);
	if (r == -EACCES)
		return ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "%s: Redis at %s: %s", db->name, db->endpoint.text,
				     endpoint_explain(&db->endpoint.addresses[0], r, why, sizeof(why)));
	return r < 0 ? give_up(ctl, db, r) : shake_hands(ctl, db);
}

int database_open(struct ctl *ctl, const char *name, struct database **ret)
{
	struct database *db = calloc(1, sizeof(*db));

	*ret = NULL;
	if (!db)
		return ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "no memory");
	db->name = name;
	db->config = &ctl->config;
	db->fd = -1;
	db->reader = resp_reader_new();
	db->in = malloc(READ_BYTES);
	if (!db->reader || !db->in || resp_buffer_init(&db->out, 4096, REQUEST_BYTES) < 0)
		(void)ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "no memory");
	else if (open_connection(ctl, db) == 0)
		*ret = db;
	if (!*ret)
		database_close(db);
	return *ret ? 0 : -1;
}

void database_close(struct database *db)
{
	if (!db)
		return;
	if (db->fd >= 0)
		(void)close(db->fd);
	resp_buffer_done(&db->out);
	resp_reader_free(db->reader);
	dbconfig_free(db->dbconfig);
	free(db->in);
	free(db);
}

/* --- rows --- */

static char *copy_bytes(struct arena *memory, const char *bytes, size_t len)
{
	char *copy = arena_take(memory, len + 1);

	if (copy) {
		memcpy(copy, bytes, len);
		copy[len] = '\0';
	}
	return copy;
}

struct adding {
	struct db_rows *rows;
	size_t size;
};

static int add_key(struct adding *a, const char *key, size_t len)
{
	struct db_rows *rows = a->rows;

	if (rows->n == a->size) {
		size_t size = a->size ? 2 * a->size : 256;
		struct db_row *grown = reallocarray(rows->rows, size, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rows->rows = grown;
		a->size = size;
	}
	key = copy_bytes(&rows->memory, key, len);
	if (!key)
		return -ENOMEM;
	rows->rows[rows->n++] = (struct db_row){.key = key, .key_len = len, .is_hash = true};
	return 0;
}

/* A key with a NUL comes after the same key up to that NUL. */
static int by_key(const void *a, const void *b)
{
	const struct db_row *left = a, *right = b;
	int order = names_compare(left->key, right->key);
	size_t len = MIN(left->key_len, right->key_len);

	if (order == 0)
		order = memcmp(left->key, right->key, len);
	return order != 0 ? order : (left->key_len > len) - (right->key_len > len);
}

/* SCAN may name a key twice. */
static void sort(struct db_rows *rows)
{
	size_t kept = 0;

	if (rows->n > 0)
		qsort(rows->rows, rows->n, sizeof(*rows->rows), by_key);
	for (size_t i = 0; i < rows->n; i++)
		if (kept == 0 || by_key(&rows->rows[kept - 1], &rows->rows[i]) != 0)
			rows->rows[kept++] = rows->rows[i];
	rows->n = kept;
}

/* Sends one command and takes its answer. An error is one, too. 0 or negative errno. */
static int ask(struct database *db, size_t argc, const struct resp_arg *argv, const struct resp_value **ret)
{
	int r = resp_append(&db->out, argc, argv);

	if (r == 0)
		r = flush(db);
	return r < 0 ? r : next_answer(db, ret);
}

/* Reports that Redis refused a command. Returns REPORTED. */
static int not_done(struct ctl *ctl, const struct database *db, const char *command, const struct resp_value *answer)
{
	char shown[256];

	if (answer->type == RESP_ERROR)
		(void)printable(answer->str, answer->len, shown, sizeof(shown));
	else
		(void)snprintf(shown, sizeof(shown), "an answer of another type");
	(void)ctl_set_error(ctl, CTL_NO_SOURCE,
			    resp_is_error(answer, "NOPERM") ? "the rights in deploy/redis/portsyncd.acl are enough"
							    : NULL,
			    "%s: Redis at %s: %s: %s", db->name, db->endpoint.text, command, shown);
	return REPORTED;
}

static bool is_step(const struct resp_value *v)
{
	return v->type == RESP_ARRAY && v->n == 2 && v->elem[0]->type == RESP_STRING && v->elem[1]->type == RESP_ARRAY;
}

/* One answer to SCAN; cursor is the next one. */
static int take_keys(struct adding *a, const struct resp_value *answer, size_t prefix, char *cursor, size_t size)
{
	const struct resp_value *keys = answer->elem[1];

	if ((size_t)snprintf(cursor, size, "%s", answer->elem[0]->str) >= size)
		return -EPROTO;
	for (size_t i = 0; i < keys->n; i++) {
		const struct resp_value *key = keys->elem[i];

		if (key->type != RESP_STRING || key->len < prefix)
			return -EPROTO;
		if (add_key(a, key->str + prefix, key->len - prefix) < 0)
			return -ENOMEM;
	}
	return 0;
}

int database_keys(struct ctl *ctl, struct database *db, const char *table, struct db_rows *ret)
{
	struct adding adding = {.rows = ret};
	char pattern[128], cursor[24] = "0";
	int prefix = snprintf(pattern, sizeof(pattern), "%s%s*", table, db->at.separator) - 1;

	*ret = (struct db_rows){0};
	arena_init(&ret->memory, 1U << 16, 0);
	do {
		const struct resp_arg argv[] = {RESP_STR("SCAN"),  RESP_STR(cursor),  RESP_STR("MATCH"),
						RESP_STR(pattern), RESP_STR("COUNT"), RESP_STR(SCAN_COUNT)};
		const struct resp_value *answer = NULL;
		int r = ask(db, ARRAY_SIZE(argv), argv, &answer);

		if (r == 0 && is_step(answer))
			r = take_keys(&adding, answer, (size_t)prefix, cursor, sizeof(cursor));
		else if (r == 0)
			r = not_done(ctl, db, "SCAN", answer);
		if (r < 0) {
			db_rows_done(ret);
			return r == REPORTED ? -1 : give_up(ctl, db, r);
		}
	} while (strcmp(cursor, "0") != 0);
	sort(ret);
	return 0;
}

/* Where a string was too large, an error stands in its place. */
static bool is_text(const struct resp_value *v)
{
	return v->type == RESP_STRING || resp_is_error(v, RESP_TOO_LARGE);
}

static int add_field(struct db_rows *rows, struct db_row *row, struct resp_arg name, const struct resp_value *value)
{
	struct db_field *field = &row->fields[row->n];

	if (value->type == RESP_NIL)
		return 0;
	if (!is_text(value))
		return -EPROTO;
	field->name = copy_bytes(&rows->memory, name.data, name.len);
	field->value = copy_bytes(&rows->memory, value->str, value->len);
	field->len = value->len;
	row->n++;
	return field->name && field->value ? 0 : -ENOMEM;
}

static int make_fields(struct db_rows *rows, struct db_row *row, size_t n)
{
	row->fields = arena_take(&rows->memory, (n + 1) * sizeof(*row->fields));
	return row->fields ? 0 : -ENOMEM;
}

/* The answer to HGETALL. */
static int take_all(struct db_rows *rows, struct db_row *row, const struct resp_value *answer)
{
	int r = make_fields(rows, row, answer->n / 2);

	for (size_t i = 0; i + 1 < answer->n && r == 0; i += 2) {
		const struct resp_value *name = answer->elem[i];

		r = is_text(name) ? add_field(rows, row, (struct resp_arg){name->str, name->len}, answer->elem[i + 1])
				  : -EPROTO;
	}
	return r;
}

/* How the fields of rows are asked for: what the daemon's own rights allow. */
struct asking {
	struct ctl *ctl;
	struct database *db;
	const char *table, *command;
	const char *const *fields;
	size_t n_fields; /* in the list */
	size_t at_once;  /* of them in one command; 0: all that there are */
};

static struct asking how_to_ask(struct ctl *ctl, struct database *db, const char *table, const char *const *fields)
{
	struct asking a = {.ctl = ctl, .db = db, .table = table, .command = "HGETALL"};

	if (!fields || strcmp(db->name, "CONFIG_DB") == 0)
		return a;
	a.fields = fields;
	while (fields[a.n_fields])
		a.n_fields++;
	a.at_once = strcmp(db->name, "APPL_DB") == 0 ? 1 : a.n_fields;
	a.command = a.at_once == 1 ? "HGET" : "HMGET";
	return a;
}

static int request_fields(const struct asking *a, struct resp_arg key, size_t from)
{
	struct resp_arg argv[2 + FIELDS_MAX] = {RESP_STR(a->command), key};
	size_t n = MIN(a->at_once, FIELDS_MAX);

	for (size_t i = 0; i < n; i++)
		argv[2 + i] = RESP_STR(a->fields[from + i]);
	return resp_append(&a->db->out, 2 + n, argv);
}

static int request_row(const struct asking *a, const struct db_row *row)
{
	const char *separator = a->db->at.separator;
	size_t prefix = strlen(a->table) + strlen(separator);
	char *name cleanup(free_ptr) = malloc(prefix + row->key_len + 1);
	struct resp_arg key = {.data = name, .len = prefix + row->key_len};
	int r = 0;

	if (!name)
		return -ENOMEM;
	(void)snprintf(name, prefix + 1, "%s%s", a->table, separator);
	memcpy(name + prefix, row->key, row->key_len);
	if (!a->fields)
		return request_fields(a, key, 0);
	for (size_t i = 0; i < a->n_fields && r == 0; i += a->at_once)
		r = request_fields(a, key, i);
	return r;
}

static int take_answer(const struct asking *a, struct db_rows *rows, struct db_row *row, size_t from)
{
	const struct resp_value *answer;
	int r = next_answer(a->db, &answer);

	if (r < 0)
		return r;
	if (a->at_once == 1 && (answer->type == RESP_NIL || is_text(answer)))
		return add_field(rows, row, RESP_STR(a->fields[from]), answer);
	if (resp_is_error(answer, "WRONGTYPE") || resp_is_error(answer, RESP_TOO_LARGE)) {
		row->is_hash = false;
		return 0;
	}
	if (answer->type != RESP_ARRAY || (a->fields && answer->n != a->at_once))
		return not_done(a->ctl, a->db, a->command, answer);
	if (!a->fields)
		return take_all(rows, row, answer);
	for (size_t i = 0; i < answer->n && r == 0; i++)
		r = add_field(rows, row, RESP_STR(a->fields[from + i]), answer->elem[i]);
	return r;
}

/* 0, REPORTED, or another negative errno. */
static int take_row(const struct asking *a, struct db_rows *rows, struct db_row *row)
{
	int r = a->fields ? make_fields(rows, row, a->n_fields) : 0;

	if (!a->fields && r == 0)
		return take_answer(a, rows, row, 0);
	for (size_t i = 0; i < a->n_fields && r == 0; i += a->at_once)
		r = take_answer(a, rows, row, i);
	return r;
}

/* Some at once, so that neither side waits for each. */
static int read_some(const struct asking *a, struct db_rows *rows, size_t from, size_t to)
{
	int r = 0;

	for (size_t i = from; i < to && r == 0; i++)
		r = request_row(a, &rows->rows[i]);
	if (r == 0)
		r = flush(a->db);
	for (size_t i = from; i < to && r == 0; i++)
		r = take_row(a, rows, &rows->rows[i]);
	return r;
}

/* A key that went meanwhile has no fields; a hash always has one. */
static void leave_out_missing(struct db_rows *rows)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->n; i++)
		if (rows->rows[i].n > 0 || !rows->rows[i].is_hash)
			rows->rows[kept++] = rows->rows[i];
	rows->n = kept;
}

static int read_rows(const struct asking *a, struct db_rows *rows)
{
	int r = 0;

	for (size_t i = 0; i < rows->n && r == 0; i += AT_ONCE)
		r = read_some(a, rows, i, MIN(rows->n, i + AT_ONCE));
	if (r == 0)
		return 0;
	db_rows_done(rows);
	return r == REPORTED ? -1 : give_up(a->ctl, a->db, r);
}

int database_table(struct ctl *ctl, struct database *db, const char *table, const char *const *fields,
		   struct db_rows *ret)
{
	const struct asking asking = how_to_ask(ctl, db, table, fields);
	int r = database_keys(ctl, db, table, ret);

	if (r == 0)
		r = read_rows(&asking, ret);
	if (r == 0 && !asking.fields)
		leave_out_missing(ret);
	return r;
}

int database_rows(struct ctl *ctl, struct database *db, const char *table, const char *const *fields,
		  const char *const *keys, size_t n, struct db_rows *ret)
{
	const struct asking asking = how_to_ask(ctl, db, table, fields);
	struct adding adding = {.rows = ret};
	int r = 0;

	*ret = (struct db_rows){0};
	arena_init(&ret->memory, 1U << 16, 0);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_key(&adding, keys[i], strlen(keys[i]));
	if (r < 0) {
		db_rows_done(ret);
		return give_up(ctl, db, r);
	}
	sort(ret);
	r = read_rows(&asking, ret);
	if (r == 0)
		leave_out_missing(ret);
	return r;
}

/* RESP2 has a list of name and value, RESP3 a map, which our reader takes for one. */
bool database_setting(struct database *db, const char *name, char *out, size_t size)
{
	const struct resp_arg argv[] = {RESP_STR("CONFIG"), RESP_STR("GET"), RESP_STR(name)};
	const struct resp_value *answer = NULL;

	if (ask(db, ARRAY_SIZE(argv), argv, &answer) < 0 || answer->type != RESP_ARRAY || answer->n != 2 ||
	    answer->elem[1]->type != RESP_STRING)
		return false;
	return (size_t)snprintf(out, size, "%s", answer->elem[1]->str) < size;
}

void db_rows_done(struct db_rows *rows)
{
	free(rows->rows);
	arena_done(&rows->memory);
	*rows = (struct db_rows){0};
}

const struct db_row *db_find(const struct db_rows *rows, const char *key)
{
	const struct db_row wanted = {.key = key, .key_len = strlen(key)};

	return rows->n ? bsearch(&wanted, rows->rows, rows->n, sizeof(*rows->rows), by_key) : NULL;
}

const struct db_field *db_field(const struct db_row *row, const char *name)
{
	for (size_t i = 0; row && i < row->n; i++)
		if (strcmp(row->fields[i].name, name) == 0)
			return &row->fields[i];
	return NULL;
}

const char *db_value(const struct db_row *row, const char *name)
{
	const struct db_field *field = db_field(row, name);

	return field ? field->value : NULL;
}
