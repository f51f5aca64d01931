/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One archive with all that is known about the daemon (as far as it answers), Redis, the kernel and the journal. For
 * what cannot be read there is a file <name>.missing that says why. Every source has a time limit.
 *
 * tar(1) and gzip(1) write the archive: both are essential packages of Debian, so of each SONiC container, while
 * libarchive would be one more library in the switch's image, and a writer of our own one more to keep right.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "config/show.h"
#include "ctl/daemonhttp.h"
#include "ctl/databases.h"
#include "ctl/doctor.h"
#include "ctl/links.h"
#include "ctl/out.h"
#include "ctl/save.h"
#include "ctl/verbs.h"

#define JOURNAL_LINES "2000"
#define PROGRAM_SECS 10
#define NAME_BYTES 96
#define TEXT_FLAGS (JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9))

struct dump {
	struct ctl *ctl;
	char folder[PATH_MAX / 2]; /* of our own; "": none yet */
	char name[NAME_BYTES];
	int fd; /* of the archive's top folder, which has that name */
	json_t *parts;
	bool daemon_is_silent; /* so it is not asked again; ctl->error says why */
	struct ctl_error silence;
};

static volatile sig_atomic_t interrupted;

/* What is removed when the process ends, wherever that is. */
static struct dump dump;
static struct save saving = {.fd = -1};

static void on_signal(int number)
{
	interrupted = number;
}

/* --- parts --- */

static void note(struct dump *d, const char *name, const char *missing)
{
	json_t *part = json_pack("{s:s}", "name", name);

	if (part && missing)
		(void)json_object_set_new(part, "missing", out_json_text(missing));
	(void)json_array_append_new(d->parts, part);
}

static FILE *create(const struct dump *d, const char *name)
{
	int fd cleanup(close_fd) = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (file)
		(void)take_fd(&fd);
	return file;
}

static void add_missing(struct dump *d, const char *name, const char *why, const char *remedy)
{
	char file[NAME_BYTES];
	FILE *out;

	(void)snprintf(file, sizeof(file), "%s.missing", name);
	out = create(d, file);
	if (out) {
		(void)fprintf(out, "%s\n%s%s%s", why, remedy[0] ? "what helps: " : "", remedy, remedy[0] ? "\n" : "");
		(void)fclose(out);
	}
	note(d, name, why);
}

static void add_bytes(struct dump *d, const char *name, const char *bytes, size_t len)
{
	FILE *out = create(d, name);
	bool written = out && fwrite(bytes, 1, len, out) == len;

	if ((out && fclose(out) != 0) || !written)
		add_missing(d, name, "it could not be written: is the disk full?", "");
	else
		note(d, name, NULL);
}

/* Consumes the document. */
static void add_json(struct dump *d, const char *name, json_t *json)
{
	char *text = json ? json_dumps(json, TEXT_FLAGS) : NULL;

	json_decref(json);
	if (text)
		add_bytes(d, name, text, strlen(text));
	else
		add_missing(d, name, "no memory", "");
	free(text);
}

static void add_error(struct dump *d, const char *name)
{
	add_missing(d, name, d->ctl->error.message, d->ctl->error.remedy);
}

/* --- the daemon's pages --- */

struct page {
	const char *name, *target;
	bool judges; /* it has a body even with status 503 */
};

static void add_page(struct dump *d, const struct page *page)
{
	struct text body = {0};
	unsigned status = 0;
	char why[512];

	if (!d->daemon_is_silent && daemonhttp_get(d->ctl, page->target, &body, &status) < 0) {
		d->daemon_is_silent = true;
		d->silence = d->ctl->error;
	}
	if (d->daemon_is_silent) {
		add_missing(d, page->name, d->silence.message, d->silence.remedy);
	} else if (status == 200 || (status == 503 && page->judges)) {
		add_bytes(d, page->name, body.data ? body.data : "", body.len);
	} else {
		(void)snprintf(why, sizeof(why), "the daemon answers %u to %s: %.*s", status, page->target,
			       (int)MIN(body.len, sizeof(why) / 2), body.data ? body.data : "");
		add_missing(d, page->name, why, "");
	}
	free(body.data);
}

static void add_pages(struct dump *d)
{
	static const struct page pages[] = {
		{"status.json", "/status", true},    {"healthz.json", "/healthz", true},
		{"readyz.json", "/readyz", true},    {"config.json", "/config", false},
		{"metrics.txt", "/metrics", false},  {"ports.json", "/ports", false},
		{"history.json", "/history", false}, {"recording.pcapng", "/recording", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pages) && !interrupted; i++)
		add_page(d, &pages[i]);
}

/* --- our own view --- */

static void add_doctor(struct dump *d)
{
	json_t *report = doctor_report(d->ctl);

	if (report)
		add_json(d, "doctor.json", report);
	else
		add_error(d, "doctor.json");
}

/* Also without the daemon: the configuration that it would read now, as the doctor found it. */
static void add_config(struct dump *d)
{
	char *text cleanup(free_ptr) = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out)
		config_show(&d->ctl->config, out);
	if (!out || fclose(out) != 0)
		add_missing(d, "portsyncd.conf", "no memory", "");
	else
		add_bytes(d, "portsyncd.conf", text, size);
}

/* Flags by the names that `ip -json -details link` uses. */
static json_t *flags_json(uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{IFF_LOOPBACK, "LOOPBACK"},
		{IFF_BROADCAST, "BROADCAST"},
		{IFF_MULTICAST, "MULTICAST"},
		{IFF_PROMISC, "PROMISC"},
		{IFF_MASTER, "MASTER"},
		{IFF_SLAVE, "SLAVE"},
		{IFF_UP, "UP"},
		{IFF_RUNNING, "RUNNING"},
		{1U << 16, "LOWER_UP"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			(void)json_array_append_new(list, json_string(names[i].name));
	return list;
}

static json_t *link_json(const struct link_msg *link)
{
	json_t *json = json_pack("{s:i, s:o, s:o, s:I, s:I, s:I}", "ifindex", link->ifindex, "ifname",
				 out_json_text(link->name), "flags", flags_json(link->flags), "mtu",
				 (json_int_t)link->mtu, "carrier_up_count", (json_int_t)link->carrier_up,
				 "carrier_down_count", (json_int_t)link->carrier_down);

	if (link->master)
		(void)json_object_set_new(json, "master", json_integer(link->master));
	if (link->kind[0] != '\0')
		(void)json_object_set_new(json, "linkinfo", json_pack("{s:o}", "info_kind", out_json_text(link->kind)));
	return json;
}

static void add_links(struct dump *d)
{
	struct ctl_links links = {0};
	json_t *list;

	if (ctl_links_read(d->ctl, &links) < 0) {
		add_error(d, "links.json");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < links.n; i++)
		(void)json_array_append_new(list, link_json(&links.links[i]));
	ctl_links_done(&links);
	add_json(d, "links.json", list);
}

static void add_row(json_t *rows, const char *table, const struct db_row *row)
{
	char *key = NULL;
	json_t *fields = json_object();

	for (size_t i = 0; i < row->n; i++)
		(void)json_object_set_new(fields, row->fields[i].name, out_json_text(row->fields[i].value));
	if (asprintf(&key, "%s %s", table, row->key) < 0)
		json_decref(fields);
	else
		(void)json_object_set_new(rows, key, fields);
	free(key);
}

/* 0; or -1, ctl_fail() is due. */
static int read_table(struct dump *d, const char *database, const char *table, const char *const *fields,
		      struct db_rows *ret)
{
	struct database *db cleanup(database_close_ptr) = NULL;
	int r = database_open(d->ctl, database, &db);

	return r < 0 ? r : database_table(d->ctl, db, table, fields, ret);
}

/* "TABLE key" -> field -> value; for a Redis user with the least rights only the fields that matter to us. */
static void add_table(struct dump *d, const char *name, const char *database, const char *table)
{
	static const char *const fields[] = {
		"state", "netdev_oper_status", "oper_status", "admin_status", "mtu", "speed", "alias", NULL};
	struct db_rows found = {0};
	json_t *rows;

	if (read_table(d, database, table, NULL, &found) < 0 &&
	    (strstr(d->ctl->error.message, "NOPERM") == NULL || read_table(d, database, table, fields, &found) < 0)) {
		add_error(d, name);
		return;
	}
	rows = json_object();
	for (size_t i = 0; i < found.n; i++)
		add_row(rows, table, &found.rows[i]);
	db_rows_done(&found);
	add_json(d, name, rows);
}

static void add_tables(struct dump *d)
{
	static const struct {
		const char *name, *database, *table;
	} tables[] = {
		{"CONFIG_DB.PORT.json", "CONFIG_DB", "PORT"},
		{"APPL_DB.PORT_TABLE.json", "APPL_DB", "PORT_TABLE"},
		{"STATE_DB.PORT_TABLE.json", "STATE_DB", "PORT_TABLE"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables) && !interrupted; i++)
		add_table(d, tables[i].name, tables[i].database, tables[i].table);
}

/* --- other programs --- */

/* Runs a program. Its exit status; 128 and more: a signal ended it; -1: it could not be started. A descriptor -1 is
 * /dev/null. */
static int run(char *const argv[], int out, int err, unsigned secs)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)dup2(null, STDIN_FILENO);
		(void)dup2(out < 0 ? null : out, STDOUT_FILENO);
		(void)dup2(err < 0 ? null : err, STDERR_FILENO);
		(void)alarm(secs);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (child < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *const journalctl[] = {(char[]){"journalctl"},
				   (char[]){"--unit=portsyncd"},
				   (char[]){"--no-pager"},
				   (char[]){"--quiet"},
				   (char[]){"--output=short-iso-precise"},
				   (char[]){"--lines=" JOURNAL_LINES},
				   NULL};

static void add_journal(struct dump *d)
{
	static const char name[] = "journal.txt", elsewhere[] = "in SONiC /var/log/syslog of the host has the lines";
	int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status;
	struct stat st;
	char why[64];

	status = fd < 0 ? -1 : run(journalctl, fd, -1, PROGRAM_SECS);
	if (status == 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		note(d, name, NULL);
		close_fd(&fd);
		return;
	}
	close_fd(&fd);
	(void)unlinkat(d->fd, name, 0);
	if (status < 0)
		(void)snprintf(why, sizeof(why), "journalctl could not be started, or its file not made");
	else if (status == 127)
		(void)snprintf(why, sizeof(why), "there is no journalctl here");
	else if (status == 0)
		(void)snprintf(why, sizeof(why), "the journal has no lines of portsyncd");
	else
		(void)snprintf(why, sizeof(why), "journalctl ended with %d", status);
	add_missing(d, name, why, elsewhere);
}

/* --- the archive --- */

static void add_readme(struct dump *d)
{
	struct utsname machine = {0};
	const json_t *part;
	FILE *out = create(d, "README");
	size_t i;

	if (!out) {
		add_missing(d, "README", "it could not be written", "");
		return;
	}
	(void)uname(&machine);
	(void)fprintf(out,
		      "portsyncctl " PORTSYNCD_VERSION " dump, host %s, %s %s.\n"
		      "Passwords and keys are not in it. What is missing has a file that says why.\n\n",
		      machine.nodename, machine.sysname, machine.release);
	json_array_foreach(d->parts, i, part)
	{
		const char *missing = json_string_value(json_object_get(part, "missing"));

		(void)fprintf(out, "%s%s%s\n", json_string_value(json_object_get(part, "name")),
			      missing ? ": missing: " : "", missing ? missing : "");
	}
	(void)fclose(out);
}

/* Makes a folder of our own with the archive's top folder in it. 0; or -1, ctl_fail() is due. */
static int make_folders(struct dump *d)
{
	const char *temporary = getenv("TMPDIR");
	char path[NAME_BYTES + sizeof(d->folder)];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	(void)strftime(d->name, sizeof(d->name), "portsyncd-dump-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	n = snprintf(d->folder, sizeof(d->folder), "%s/portsyncctl.XXXXXX",
		     temporary && temporary[0] == '/' ? temporary : "/tmp");
	if ((size_t)n >= sizeof(d->folder))
		errno = ENAMETOOLONG;
	if ((size_t)n >= sizeof(d->folder) || !mkdtemp(d->folder)) {
		int error = errno;

		d->folder[0] = '\0';
		return ctl_set_error(d->ctl, CTL_NO_SOURCE, "TMPDIR names another folder", "a temporary folder: %s",
				     strerror(error));
	}
	(void)snprintf(path, sizeof(path), "%s/%s", d->folder, d->name);
	if (mkdir(path, 0700) == 0)
		d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->fd < 0 ? ctl_set_error(d->ctl, CTL_NO_SOURCE, NULL, "%s: %s", path, strerror(errno)) : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static void remove_folders(struct dump *d)
{
	close_fd(&d->fd);
	d->fd = -1;
	if (d->folder[0] != '\0')
		(void)nftw(d->folder, remove_one, 2, FTW_DEPTH | FTW_PHYS);
	d->folder[0] = '\0';
}

static void clean_up(void)
{
	save_drop(&saving);
	remove_folders(&dump);
}

static void collect(struct dump *d)
{
	add_pages(d);
	if (!interrupted)
		add_doctor(d);
	add_config(d);
	if (!interrupted)
		add_links(d);
	add_tables(d);
	if (!interrupted)
		add_journal(d);
	add_readme(d);
}

/* True if the reader of our stdout has gone: we then end like a filter. */
static bool reader_is_gone(const struct save *save)
{
	struct pollfd pipe = {.fd = save->fd};

	return !save->path && poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLERR);
}

/* Reports the first line of what tar said, which is the cause. */
static int refuse_archive(struct dump *d, int said, int status)
{
	char line[256];
	ssize_t len = pread(said, line, sizeof(line) - 1, 0);

	line[MAX(len, 0)] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '\0')
		(void)snprintf(line, sizeof(line), status == 127 ? "it is not there" : "it ended with %d", status);
	return ctl_set_error(d->ctl, CTL_NO_SOURCE,
			     status == 127 ? "apt-get install tar gzip" : "another disk, or free space on this one",
			     "tar: %s", line);
}

/* 0; or -1, ctl_fail() is due. */
static int archive(struct dump *d, struct save *save)
{
	char *const argv[] = {(char[]){"tar"},
			      (char[]){"--create"},
			      (char[]){"--gzip"},
			      (char[]){"--owner=0"},
			      (char[]){"--group=0"},
			      (char[]){"--directory"},
			      d->folder,
			      d->name,
			      NULL};
	int said cleanup(close_fd) = openat(d->fd, "../tar", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int status = run(argv, save->fd, said, 0);

	if (status == 0)
		return save_end(d->ctl, save);
	save_drop(save);
	if (reader_is_gone(save))
		interrupted = SIGPIPE;
	return refuse_archive(d, said, status);
}

static int answer(const struct dump *d, const struct save *save)
{
	if (d->ctl->json)
		out_json(d->ctl, json_pack("{s:o, s:O}", "file", out_json_text(save->path), "parts", d->parts));
	else if (save->path)
		(void)printf("%s\n", save->path);
	return CTL_GOOD;
}

/* Removes what was made; a signal then ends us quietly. */
static int finish(int r)
{
	clean_up();
	if (interrupted)
		_exit(128 + interrupted);
	return r < 0 ? ctl_fail(dump.ctl) : answer(&dump, &saving);
}

static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)sigaction(numbers[i], &action, NULL);
}

int verb_dump(struct ctl *ctl, int argc, char **argv)
{
	const char *path = ctl_option(ctl, "output");
	char own[NAME_BYTES + sizeof(".tar.gz")];
	int r, code;

	(void)argc;
	(void)argv;
	dump = (struct dump){.ctl = ctl, .fd = -1, .parts = json_array()};
	saving = (struct save){.fd = -1};
	catch_signals();
	(void)atexit(clean_up);
	r = make_folders(&dump);
	(void)snprintf(own, sizeof(own), "%s.tar.gz", dump.name);
	if (r == 0)
		r = save_begin(ctl, &saving, path ? path : own);
	if (r == 0) {
		collect(&dump);
		r = interrupted ? -1 : archive(&dump, &saving);
	}
	code = finish(r);
	json_decref(dump.parts);
	return code;
}
