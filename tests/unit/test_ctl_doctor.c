/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the doctor finds with odd processes, users, sockets and folders; a process of its name stands in for the daemon.
 * tests/system/test_ctl_doctor.py has whole machines.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "answering.h"
#include "ctl/verbs.h"
#include "scratch.h"
#include "test.h"

#define NOBODY_KNOWN 3999999 /* a number that no user and no group has */

struct fixture {
	struct ctl ctl;
	struct doctor doctor;
	char folder[SCRATCH_BYTES], socket[SCRATCH_BYTES + 8];
	struct answering server;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_make(fx->folder);
	(void)snprintf(fx->socket, sizeof(fx->socket), "%s/s", fx->folder);
	config_defaults(&fx->ctl.config);
	fx->ctl.verb = ctl_verb_find("doctor");
	fx->doctor.ctl = &fx->ctl;
	fx->doctor.checks = json_array();
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	answering_end(&fx->server, fx->socket);
	json_decref(fx->doctor.checks);
	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

/* The finding that has this text. */
static const json_t *find(const struct fixture *fx, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(fx->doctor.checks, i, one)
	{
		if (strstr(json_string_value(json_object_get(one, "text")), text))
			return one;
	}
	return NULL;
}

static void assert_found(const struct fixture *fx, enum doctor_level level, const char *text, const char *remedy)
{
	const json_t *one = find(fx, text);

	if (!one) {
		char *all = json_dumps(fx->doctor.checks, 0);

		print_error("\"%s\" is not in: %s\n", text, all);
		free(all);
		fail();
	}
	assert_string_equal(json_string_value(json_object_get(one, "level")), doctor_level_name(level));
	if (!remedy)
		assert_null(json_object_get(one, "remedy"));
	else
		assert_non_null(strstr(json_string_value(json_object_get(one, "remedy")), remedy));
}

/* --- a process that serves the socket --- */

/* It has this name, and this answer for all; "": it hangs up. */
static void serve(struct fixture *fx, const char *name, const char *answer)
{
	answering_start(&fx->server, fx->socket, name, answer, 1);
	(void)snprintf(fx->ctl.config.http_unix_socket, sizeof(fx->ctl.config.http_unix_socket), "%s", fx->socket);
}

static void the_process_behind_the_socket_is_the_daemon(void **state)
{
	struct fixture *fx = *state;

	serve(fx, "portsyncd", "HTTP/1.0 200 OK\r\n\r\nalive\n");
	doctor_find_daemon(&fx->doctor);
	assert_int_equal(fx->doctor.pid, fx->server.pid);
	assert_false(fx->doctor.hidden);
	assert_int_equal(doctor_find_user(&fx->doctor), 0);
	assert_int_equal(fx->doctor.user.uid, geteuid());
	doctor_daemon(&fx->doctor);
	assert_found(fx, DOCTOR_OK, "and answers", NULL);
}

static void another_program_behind_it_is_not(void **state)
{
	struct fixture *fx = *state;

	serve(fx, "nginx", "HTTP/1.0 200 OK\r\n\r\n");
	doctor_find_daemon(&fx->doctor);
	assert_int_not_equal(fx->doctor.pid, fx->server.pid);
}

static void a_loop_that_stands_is_a_failure(void **state)
{
	struct fixture *fx = *state;

	serve(fx, "portsyncd", "HTTP/1.0 503 Service Unavailable\r\n\r\nhangs\n");
	doctor_find_daemon(&fx->doctor);
	doctor_daemon(&fx->doctor);
	assert_found(fx, DOCTOR_FAIL, "its loop has stopped turning", "portsyncctl dump keeps what is known");
}

static void a_daemon_that_hangs_up_is_a_failure(void **state)
{
	struct fixture *fx = *state;
	char process[32];

	serve(fx, "portsyncd", "");
	doctor_find_daemon(&fx->doctor);
	doctor_daemon(&fx->doctor);
	(void)snprintf(process, sizeof(process), "process %d: ", (int)fx->server.pid);
	assert_found(fx, DOCTOR_FAIL, process, "");
}

static void without_its_socket_it_is_not_asked(void **state)
{
	struct fixture *fx = *state;

	serve(fx, "portsyncd", "");
	doctor_find_daemon(&fx->doctor);
	fx->ctl.config.http_unix_socket[0] = '\0';
	assert_int_equal(doctor_find_user(&fx->doctor), 0);
	doctor_daemon(&fx->doctor);
	assert_found(fx, DOCTOR_OK, "runs, as user ", NULL);
	assert_null(find(fx, "and answers"));
}

static void one_that_may_not_be_looked_at_is_not_called_absent(void **state)
{
	struct fixture *fx = *state;

	fx->doctor.hidden = true;
	doctor_daemon(&fx->doctor);
	assert_found(fx, DOCTOR_WARN, "it is not known whether portsyncd runs here", "run it as root");
	assert_null(find(fx, "does not run"));
}

/* --- users --- */

static void one_without_a_name_has_its_number(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(doctor_user_name(NOBODY_KNOWN, out, sizeof(out)), "3999999");
	assert_string_equal(doctor_group_name(NOBODY_KNOWN, out, sizeof(out)), "3999999");
	assert_string_equal(doctor_user_name(0, out, sizeof(out)), "root");
	assert_string_equal(doctor_group_name(0, out, sizeof(out)), "root");
}

static void a_user_is_named_or_numbered(void **state)
{
	static const char *const unknown[] = {"portsyncd-test-none", "0x", "3999999", ""};
	struct fixture *fx = *state;

	fx->ctl.given[0] = "root";
	assert_int_equal(doctor_find_user(&fx->doctor), 0);
	assert_string_equal(fx->doctor.user.name, "root");
	assert_true(fx->doctor.user.uid == 0 && fx->doctor.user.n_groups > 0);
	fx->ctl.given[0] = "0";
	assert_int_equal(doctor_find_user(&fx->doctor), 0);
	assert_string_equal(fx->doctor.user.name, "root");
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		fx->ctl.given[0] = unknown[i];
		assert_int_equal(doctor_find_user(&fx->doctor), -1);
		assert_int_equal(fx->ctl.error.code, CTL_USAGE);
		assert_string_equal(fx->ctl.error.message, "--user: there is no such user");
	}
}

/* Not as root, but as the unit starts it. */
static void another_user_has_the_capability_of_the_unit(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct fixture *fx = *state;

	assert_non_null(nobody);
	fx->ctl.given[0] = "nobody";
	assert_int_equal(doctor_find_user(&fx->doctor), 0);
	if (nobody->pw_uid != geteuid())
		assert_true(doctor_has(&fx->doctor, CAP_NET_ADMIN) && !doctor_has(&fx->doctor, CAP_DAC_OVERRIDE));
}

/* --- trying --- */

static int fails_with_words(const struct doctor *d, const void *arg, FILE *out)
{
	(void)d;
	(void)fputs(arg, out);
	return -ENOTDIR;
}

static int dies(const struct doctor *d, const void *arg, FILE *out)
{
	(void)d;
	(void)arg;
	(void)out;
	(void)signal(SIGALRM, SIG_DFL);
	return raise(SIGALRM); /* as a file system that hangs has it */
}

static int tells_who(const struct doctor *d, const void *arg, FILE *out)
{
	(void)d;
	(void)arg;
	(void)fprintf(out, "%u %u", (unsigned)geteuid(), (unsigned)getegid());
	return 0;
}

static void a_try_has_its_error_and_words(void **state)
{
	struct fixture *fx = *state;
	char *said = NULL;

	fx->doctor.user = (struct doctor_user){.uid = geteuid(), .gid = getegid()};
	assert_int_equal(doctor_try(&fx->doctor, false, fails_with_words, "what it was", &said), -ENOTDIR);
	assert_string_equal(said, "what it was");
	free(said);
}

static void one_that_hangs_is_ended(void **state)
{
	struct fixture *fx = *state;
	char *said = NULL;

	fx->doctor.user = (struct doctor_user){.uid = geteuid(), .gid = getegid()};
	assert_int_equal(doctor_try(&fx->doctor, false, dies, NULL, &said), -ETIMEDOUT);
	free(said);
}

/* A user who is not root cannot try as another; a wrong answer would be worse than none. */
static void it_is_done_as_that_user_or_not_at_all(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct fixture *fx = *state;
	char *said = NULL, expected[32];

	fx->doctor.user = (struct doctor_user){.uid = nobody->pw_uid, .gid = nobody->pw_gid};
	if (geteuid() == 0) {
		assert_int_equal(doctor_try(&fx->doctor, true, tells_who, NULL, &said), 0);
		(void)snprintf(expected, sizeof(expected), "%u %u", (unsigned)nobody->pw_uid, (unsigned)nobody->pw_gid);
		assert_string_equal(said, expected);
	} else if (geteuid() != nobody->pw_uid) {
		assert_int_equal(doctor_try(&fx->doctor, true, tells_who, NULL, &said), -ENOTSUP);
	}
	free(said);
}

/* --- folders --- */

/* Root's privileges do not count: the daemon gives them up. */
static void a_folder_that_its_user_may_not_write_is_named(void **state)
{
	struct fixture *fx = *state;
	struct config *config = &fx->ctl.config;

	config->recorder_bytes = 0;
	config->http_unix_socket[0] = '\0';
	(void)snprintf(config->state_file, sizeof(config->state_file), "%s/x/y/state.json", fx->folder);
	fx->doctor.user = (struct doctor_user){.uid = geteuid(), .gid = getegid(), .name = "someone"};
	doctor_folders(&fx->doctor);
	assert_found(fx, DOCTOR_OK, "/x/y/state.json can be written", NULL); /* it makes both */
	assert_int_equal(chmod(fx->folder, 0500), 0);
	doctor_folders(&fx->doctor);
	assert_found(fx, DOCTOR_WARN, "user someone may not write ", "let user someone write /tmp/");
	assert_found(fx, DOCTOR_WARN, "counters and history do not survive a restart", "name another one");
	assert_int_equal(chmod(fx->folder, 0700), 0);
}

/* --- Redis --- */

static void redis_at(struct fixture *fx, const char *path)
{
	(void)snprintf(fx->ctl.config.redis_unix_socket, sizeof(fx->ctl.config.redis_unix_socket), "%s", path);
	fx->doctor.user = (struct doctor_user){.uid = geteuid(), .gid = getegid(), .name = "someone"};
	doctor_databases(&fx->doctor);
}

static void each_socket_that_is_no_redis_has_its_remedy(void **state)
{
	char path[256];
	struct fixture *fx = *state;

	(void)snprintf(path, sizeof(path), "%s/none", fx->folder);
	redis_at(fx, path);
	assert_found(fx, DOCTOR_FAIL, "/none does not exist", "systemctl start database");
	(void)close(answering_bind(fx->socket)); /* left behind by one that was killed */
	redis_at(fx, fx->socket);
	assert_found(fx, DOCTOR_FAIL, "nothing listens at ", "systemctl restart database");
	(void)snprintf(path, sizeof(path), "%s/file", fx->folder);
	(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)snprintf(path, sizeof(path), "%s/file/redis.sock", fx->folder);
	redis_at(fx, path);
	assert_found(fx, DOCTOR_FAIL, "/file/redis.sock: Not a directory", "fix that, or name another socket");
}

/* It takes no more connections: it is stopped, or very slow. */
static void a_redis_that_takes_no_connection_is_told(void **state)
{
	struct fixture *fx = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int listener = answering_bind(fx->socket), client[4];

	memcpy(at.sun_path, fx->socket, strlen(fx->socket));
	assert_int_equal(listen(listener, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(client); i++) {
		client[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(client[i], (const struct sockaddr *)&at, sizeof(at));
	}
	redis_at(fx, fx->socket);
	assert_found(fx, DOCTOR_FAIL, " takes no connection", "it is stopped, or very slow");
	for (size_t i = 0; i < ARRAY_SIZE(client); i++)
		(void)close(client[i]);
	(void)close(listener);
}

/* No descriptor is left for the child's words. */
static void a_configuration_that_could_not_be_checked_is_not_good(void **state)
{
	struct fixture *fx = *state;
	struct rlimit before, none;
	int lowest = dup(STDERR_FILENO);

	assert_true(lowest >= 0 && close(lowest) == 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	doctor_config(&fx->doctor);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_found(fx, DOCTOR_FAIL, "it could not be checked: Too many open files", "--check-config");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_process_behind_the_socket_is_the_daemon),
		TEST(another_program_behind_it_is_not),
		TEST(a_loop_that_stands_is_a_failure),
		TEST(a_daemon_that_hangs_up_is_a_failure),
		TEST(without_its_socket_it_is_not_asked),
		TEST(one_that_may_not_be_looked_at_is_not_called_absent),
		TEST(one_without_a_name_has_its_number),
		TEST(a_user_is_named_or_numbered),
		TEST(another_user_has_the_capability_of_the_unit),
		TEST(a_try_has_its_error_and_words),
		TEST(one_that_hangs_is_ended),
		TEST(it_is_done_as_that_user_or_not_at_all),
		TEST(a_folder_that_its_user_may_not_write_is_named),
		TEST(each_socket_that_is_no_redis_has_its_remedy),
		TEST(a_redis_that_takes_no_connection_is_told),
		TEST(a_configuration_that_could_not_be_checked_is_not_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
