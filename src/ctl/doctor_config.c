/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of the running daemon, or of one that would be started with our options. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/doctor.h"
#include "ctl/proc.h"
#include "settings/settings.h"

#define CHECK "configuration"
#define CHECK_OPTION "--check-config"
#define ALLOWED "; allowed: "
#define UNIT_PASSWORD "/etc/sonic/portsyncd/redis/password"

/* --- the daemon's command line --- */

static void add_argument(struct doctor *d, const char *text)
{
	if (d->n_arguments < DOCTOR_ARGUMENTS_MAX - 2) /* CHECK_OPTION, NULL */
		d->arguments[d->n_arguments++] = (char *)(uintptr_t)text;
}

static void add_option(struct doctor *d, const char *option, const char *value)
{
	if (!value)
		return;
	add_argument(d, option);
	add_argument(d, value);
}

static bool options_given(const struct ctl_named *named)
{
	return named->config || named->database_config || named->namespace_name || named->database_global ||
	       named->netns;
}

static void take_our_options(struct doctor *d)
{
	const struct ctl_named *named = &d->ctl->named;

	add_argument(d, "portsyncd");
	add_option(d, "--config", named->config);
	add_option(d, "--database-config", named->database_config);
	add_option(d, "--namespace", named->namespace_name);
	add_option(d, "--database-global", named->database_global);
	add_option(d, "--netns", named->netns);
}

/* Gives the parser what the daemon's environment says about its configuration. */
static void take_environment(const struct doctor *d)
{
	static const char *const wanted[] = {"PORTSYNCD_", "CREDENTIALS_DIRECTORY=", "SUPERVISOR_"};
	size_t len = 0;
	char *variables cleanup(free_ptr) = proc_read(d->pid, "environ", &len);

	for (char *at = variables; variables && at < variables + len; at += strlen(at) + 1) {
		char *sign = strchr(at, '=');

		for (size_t i = 0; sign && i < ARRAY_SIZE(wanted); i++) {
			if (strncmp(at, wanted[i], strlen(wanted[i])) != 0)
				continue;
			*sign = '\0';
			(void)setenv(at, sign + 1, 1);
			*sign = '=';
			break;
		}
	}
}

/* Lines "Environment=PORTSYNCD_NAME=value" of the unit that would start it. Drop-ins are not read. */
static void take_unit(const struct doctor *d)
{
	static const char wanted[] = "Environment=PORTSYNCD_";
	FILE *file = fopen(d->user.unit, "re");
	char *line cleanup(free_ptr) = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		char *name = line + strlen("Environment="), *sign;

		if (strncmp(line, wanted, strlen(wanted)) != 0 || !(sign = strchr(name, '=')))
			continue;
		*sign = '\0';
		sign[1 + strcspn(sign + 1, "\n")] = '\0';
		(void)setenv(name, sign + 1, 0);
	}
	if (file)
		(void)fclose(file);
}

/* False: its command line cannot be read. Paths in it may be relative to the daemon's folder. */
static bool take_daemons_options(struct doctor *d)
{
	char folder[64];
	size_t len = 0;

	d->cmdline = proc_read(d->pid, "cmdline", &len);
	if (!d->cmdline || len == 0)
		return false;
	for (char *at = d->cmdline; at < d->cmdline + len; at += strlen(at) + 1)
		add_argument(d, at);
	(void)snprintf(folder, sizeof(folder), "/proc/%d/cwd", (int)d->pid);
	if (chdir(folder) < 0 && d->n_arguments > 1)
		doctor_add(d, DOCTOR_WARN, CHECK, "run it as root, in a container with CAP_SYS_PTRACE",
			   "the daemon's folder cannot be entered: files that its options name may be others");
	take_environment(d);
	return true;
}

/* --- faults --- */

/* "FILE:LINE: key: what is wrong; allowed: what is" */
static void report_fault(struct doctor *d, char *line)
{
	char *allowed = strstr(line, ALLOWED);
	size_t prefix = strncmp(line, "portsyncd: ", 11) == 0 ? 11 : 0;

	if (allowed)
		*allowed = '\0';
	doctor_add(d, DOCTOR_FAIL, CHECK,
		   allowed ? allowed + 2 : "portsyncd --check-config says whether it is good again", "%s",
		   line + prefix);
}

static void report_faults(struct doctor *d, char *lines)
{
	for (char *line = strsep(&lines, "\n"); line; line = strsep(&lines, "\n"))
		if (line[0] != '\0')
			report_fault(d, line);
}

/* As the daemon's user: also whether it may read the files that are named. */
static int check_config(const struct doctor *d, const void *arg, FILE *out)
{
	static struct config config;
	char *arguments[DOCTOR_ARGUMENTS_MAX];
	char *answer cleanup(free_ptr) = NULL;
	size_t size = 0;
	FILE *unused = open_memstream(&answer, &size);

	(void)arg;
	memcpy(arguments, d->arguments, sizeof(arguments));
	arguments[d->n_arguments] = (char *)(uintptr_t)CHECK_OPTION;
	if (!unused)
		return -ENOMEM;
	(void)settings_load(&config, d->n_arguments + 1, arguments, unused, out);
	return 0;
}

static void report_file(struct doctor *d, unsigned before)
{
	const struct config *config = &d->ctl->config;
	struct stat st;

	if (config->file && stat(config->file, &st) == 0 && (st.st_mode & S_IWOTH))
		doctor_add(d, DOCTOR_WARN, CHECK, "chmod o-w", "%s: anybody may change it", config->file);
	if (d->n[DOCTOR_FAIL] == before)
		doctor_add(d, DOCTOR_OK, CHECK, NULL, "%s",
			   config->file ? config->file : "defaults; there is no " CONFIG_DEFAULT_PATH);
}

/* Loads it with the daemon's options, or ours if those cannot be read. Complaints come from the child. */
static void load(struct doctor *d)
{
	char *complaints cleanup(free_ptr) = NULL, *answer cleanup(free_ptr) = NULL;
	size_t size = 0, answer_size = 0;
	FILE *err = open_memstream(&complaints, &size), *out = open_memstream(&answer, &answer_size);
	char socket[sizeof(d->ctl->config.http_unix_socket)];

	memcpy(socket, d->ctl->config.http_unix_socket, sizeof(socket));
	if (err && out)
		d->config_is_good =
			settings_load(&d->ctl->config, d->n_arguments, d->arguments, out, err) == CONFIG_RUN;
	if (err)
		(void)fclose(err);
	if (out)
		(void)fclose(out);
	if (d->ctl->named.socket)
		memcpy(d->ctl->config.http_unix_socket, socket, sizeof(socket));
}

/* The password, which the unit hands to the daemon as a credential. */
static void take_credential(struct doctor *d)
{
	struct config *config = &d->ctl->config;
	char path[PATH_MAX];

	if (!d->user.unit || d->pid || !config_password_path(config, path, sizeof(path)) || path[0] != '\0')
		return;
	if (access(UNIT_PASSWORD, F_OK) == 0)
		(void)snprintf(config->redis_password_file, sizeof(config->redis_password_file), UNIT_PASSWORD);
}

void doctor_config(struct doctor *d)
{
	char *said cleanup(free_ptr) = NULL;
	unsigned before = d->n[DOCTOR_FAIL];
	int r;

	if (options_given(&d->ctl->named) || !d->pid || !take_daemons_options(d))
		take_our_options(d);
	if (d->user.unit && !d->pid)
		take_unit(d);
	load(d);
	take_credential(d);
	r = doctor_try(d, false, check_config, NULL, &said);
	if (r == -ENOTSUP)
		doctor_add(d, DOCTOR_WARN, "user", "run it as root",
			   "it is not known what user %s, whom the daemon runs as, may read and write", d->user.name);
	else if (r < 0)
		doctor_add(d, DOCTOR_FAIL, CHECK, "portsyncd --check-config says whether it is good",
			   "it could not be checked: %s", strerror(-r));
	else
		report_faults(d, said);
	report_file(d, before);
}
