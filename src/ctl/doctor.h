/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verb doctor looks at. Each doctor_<what>() adds its findings; none needs the daemon, or waits for long. What
 * the daemon's user may do is tried as that user, in a child process.
 */
#ifndef PORTSYNCD_CTL_DOCTOR_H
#define PORTSYNCD_CTL_DOCTOR_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctl/ctl.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };
#define DOCTOR_LEVELS (DOCTOR_FAIL + 1)
#define DOCTOR_GROUPS_MAX 256
#define DOCTOR_ARGUMENTS_MAX 64

/* Whom the daemon runs as, or would. */
struct doctor_user {
	char name[64];
	uid_t uid;
	gid_t gid, groups[DOCTOR_GROUPS_MAX];
	size_t n_groups;
	uint64_t capabilities; /* a bit for each that is permitted */
	const char *unit;      /* of systemd that starts it, which makes its folders and sets its limits; NULL: none */
};

struct doctor {
	struct ctl *ctl;     /* its config is the daemon's own */
	pid_t pid;           /* of the daemon; 0: none runs, or we may not know it */
	bool hidden;         /* there may be one, but we may not look at its socket, or at a process of its name */
	bool config_is_good; /* else ctl->config has its good values only */
	struct doctor_user user;
	char *arguments[DOCTOR_ARGUMENTS_MAX]; /* the daemon's; ends with NULL */
	char *cmdline;                         /* they point into it; NULL: they are our own */
	int n_arguments;
	json_t *checks;
	unsigned n[DOCTOR_LEVELS];
};

const char *doctor_level_name(enum doctor_level level);

/* One finding. remedy: what helps; NULL for DOCTOR_OK. */
void doctor_add(struct doctor *d, enum doctor_level level, const char *check, const char *remedy, const char *format,
		...) PRINTF_LIKE(5, 6);

/* Runs all checks; the result is as the verb's --json has it. From then on ctl->config is the daemon's own. NULL:
 * ctl_fail() is due. */
json_t *doctor_report(struct ctl *ctl);

/* --- who --- */

/* The network namespace that was asked for, by --netns, or --namespace where there is one of that name. False: ours. */
bool doctor_netns(const struct config *config, char *path, size_t size);
/* Finds the daemon that serves our socket, or runs in its network namespace. */
void doctor_find_daemon(struct doctor *d);
/* Finds the user that it runs as, or would. 0; or -1, ctl_fail() is due: there is no such user. */
int doctor_find_user(struct doctor *d);
bool doctor_has(const struct doctor *d, unsigned capability);

/* The name of a user, a group; its number if it has none. Returns out. */
const char *doctor_user_name(uid_t uid, char *out, size_t size);
const char *doctor_group_name(gid_t gid, char *out, size_t size);

/*
 * Runs try in a child process as the daemon's user. With override the child has CAP_DAC_OVERRIDE in force, if the
 * daemon has it, as the daemon has when it connects to Redis. What try writes to its file is *said, which the caller
 * frees. Returns what try returns, 0 or a negative errno; -ENOTSUP: we may not be that user. With an error and nothing
 * said it could not be tried.
 */
typedef int (*doctor_try_fn)(const struct doctor *d, const void *arg, FILE *out);
int doctor_try(const struct doctor *d, bool override, doctor_try_fn try, const void *arg, char **said);

/* --- checks --- */

/* The daemon's configuration, by its own parser: from then on it is ctl->config. */
void doctor_config(struct doctor *d);
void doctor_daemon(struct doctor *d);
void doctor_rights(struct doctor *d);
void doctor_databases(struct doctor *d);
void doctor_http(struct doctor *d);
void doctor_folders(struct doctor *d);
void doctor_kernel(struct doctor *d);

#endif
