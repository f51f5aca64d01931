/* SPDX-License-Identifier: Apache-2.0 */
/* status: the daemon's verdict on itself; if it does not answer, what can be known without it. */
#include <stdio.h>
#include <string.h>

#include "ctl/absence.h"
#include "ctl/compare.h"
#include "ctl/daemonhttp.h"
#include "ctl/databases.h"
#include "ctl/out.h"
#include "ctl/prose.h"
#include "ctl/verbs.h"

#define NAMES_SHOWN 8
#define LIST_BYTES 1024
#define MARKERS 2

static const char *const markers[MARKERS] = {COMPARE_CONFIG_DONE, COMPARE_INIT_DONE};
static const char *const marker_fields[] = {"count", "lanes", NULL};

/* --- it answers --- */

static enum out_style style_of(const char *level)
{
	if (strcmp(level, "healthy") == 0)
		return OUT_GOOD;
	return strcmp(level, "degraded") == 0 ? OUT_WARN : OUT_BAD;
}

static const char *checks_of(const json_t *problems, char *out, size_t size)
{
	json_t *names = json_array();

	for (size_t i = 0; i < json_array_size(problems); i++)
		(void)json_array_append_new(names, json_string(prose_text(json_array_get(problems, i), "check")));
	(void)prose_list(names, json_array_size(names), out, size);
	json_decref(names);
	return out;
}

/* How long the longest problem has lasted. */
static double lasted(const json_t *problems)
{
	double longest = 0;

	for (size_t i = 0; i < json_array_size(problems); i++)
		longest = MAX(longest, prose_number(json_array_get(problems, i), "seconds"));
	return longest;
}

static void print_verdict(const struct ctl *ctl, const json_t *status)
{
	const json_t *problems = json_object_get(status, "problems");
	const char *verdict = prose_text(status, "verdict");
	enum out_style style = style_of(verdict);
	char duration[PROSE_DURATION_BYTES], checks[LIST_BYTES];

	(void)printf("%s%s%s", out_on(ctl, style), verdict, out_off(ctl, style));
	if (json_array_size(problems) > 0)
		(void)printf(" for %s: %s", prose_duration(lasted(problems), duration),
			     checks_of(problems, checks, sizeof(checks)));
}

static void print_ports(const json_t *status)
{
	const json_t *ports = json_object_get(status, "ports");

	(void)printf("%.0f of %.0f configured ports in sync, %.0f up; kernel %s; ", prose_number(ports, "in_sync"),
		     prose_number(ports, "configured"), prose_number(ports, "up"),
		     json_is_true(json_object_get(status, "kernel_synced")) ? "in sync" : "not in sync");
	if (json_is_true(json_object_get(status, "dry_run")))
		(void)printf("dry run, nothing is written\n");
	else
		(void)printf("PortInitDone %s\n",
			     json_is_true(json_object_get(status, "init_done")) ? "sent" : "not sent");
}

static void print_problem(const struct ctl *ctl, const json_t *problem)
{
	const char *level = prose_text(problem, "level");
	enum out_style style = style_of(level);
	char duration[PROSE_DURATION_BYTES], names[LIST_BYTES], text[LIST_BYTES];
	char value[PROSE_AMOUNT_BYTES], limit[PROSE_AMOUNT_BYTES];

	(void)printf("\n%s%s%s: %s\n", out_on(ctl, style), prose_text(problem, "check"), out_off(ctl, style),
		     prose_text(problem, "subject"));
	(void)snprintf(text, sizeof(text), "%s for %s, since %s; %s %s, limit %s", level,
		       prose_duration(prose_number(problem, "seconds"), duration), prose_text(problem, "since"),
		       prose_amount(prose_number(problem, "value"), value), prose_text(problem, "unit"),
		       prose_amount(prose_number(problem, "limit"), limit));
	prose_paragraph("  ", text);
	prose_paragraph("  reason: ", prose_text(problem, "reason"));
	prose_paragraph("  ports:  ", prose_list(json_object_get(problem, "ports"), NAMES_SHOWN, names, sizeof(names)));
	prose_paragraph("  cause:  ", prose_text(problem, "cause"));
	prose_paragraph("  remedy: ", prose_text(problem, "remedy"));
}

static void print_status(const struct ctl *ctl, const json_t *status)
{
	const json_t *problems = json_object_get(status, "problems"), *healthy = json_object_get(status, "healthy");
	char duration[PROSE_DURATION_BYTES], names[LIST_BYTES];

	print_verdict(ctl, status);
	if (ctl_option(ctl, "brief")) {
		(void)printf("; ");
		print_ports(status);
		return;
	}
	(void)printf("\n");
	for (size_t i = 0; i < json_array_size(problems); i++)
		print_problem(ctl, json_array_get(problems, i));
	(void)printf("\n");
	print_ports(status);
	prose_paragraph("healthy: ", prose_list(healthy, json_array_size(healthy), names, sizeof(names)));
	(void)printf("portsyncd %s, pid %.0f, up for %s\n", prose_text(status, "version"), prose_number(status, "pid"),
		     prose_duration(prose_number(status, "uptime_seconds"), duration));
	if (prose_number(status, "view_age_seconds") > 0)
		(void)printf("These figures are %s old: its loop does not answer.\n",
			     prose_duration(prose_number(status, "view_age_seconds"), duration));
}

/* Takes ownership of the daemon's answer. */
static int show(const struct ctl *ctl, json_t *status)
{
	int code = strcmp(prose_text(status, "verdict"), "healthy") == 0 ? CTL_GOOD : CTL_NEGATIVE;

	if (!ctl->json) {
		print_status(ctl, status);
		json_decref(status);
		return code;
	}
	(void)json_object_del(status, "schema"); /* out_json() has ours */
	out_json(ctl, status);
	return code;
}

/* --- it does not --- */

/* {"PortConfigDone": true, ...}; null when APPL_DB cannot be read. */
static json_t *read_markers(struct ctl *ctl)
{
	struct database *appl cleanup(database_close_ptr) = NULL;
	struct db_rows rows = {0};
	json_t *json = json_object();

	if (database_open(ctl, "APPL_DB", &appl) < 0 ||
	    database_rows(ctl, appl, "PORT_TABLE", marker_fields, markers, MARKERS, &rows) < 0) {
		json_decref(json);
		return json_null();
	}
	for (size_t i = 0; i < MARKERS; i++)
		(void)json_object_set_new(json, markers[i], json_boolean(db_find(&rows, markers[i]) != NULL));
	db_rows_done(&rows);
	return json;
}

static const char *verdict_without(const struct ctl_error *error, const json_t *processes)
{
	const json_t *first = json_array_get(processes, 0);

	if (error->denied)
		return "not answering"; /* us */
	if (!first)
		return "not running";
	return strcmp(prose_text(first, "state"), "stopped") == 0 ? "stopped" : "not answering";
}

static void print_processes(const json_t *processes)
{
	char duration[PROSE_DURATION_BYTES];

	if (json_array_size(processes) == 0)
		(void)printf("process:  there is none called portsyncd\n");
	for (size_t i = 0; i < json_array_size(processes); i++) {
		const json_t *process = json_array_get(processes, i);

		(void)printf("process:  pid %.0f is %s, and began %s ago\n", prose_number(process, "pid"),
			     prose_text(process, "state"), prose_duration(prose_number(process, "seconds"), duration));
	}
}

/* A program that supervisord has not started yet has no time and no status. */
static void print_program(const json_t *program)
{
	const char *error = prose_text(program, "error"), *since = prose_text(program, "since");

	if (since[0])
		(void)printf("program:  supervisord has it %s since %s; status %.0f%s%s\n",
			     prose_text(program, "state"), since, prose_number(program, "status"), error[0] ? "; " : "",
			     error);
	else
		(void)printf("program:  supervisord has it %s, and has not started it yet%s%s\n",
			     prose_text(program, "state"), error[0] ? "; " : "", error);
}

static void print_known(const json_t *known)
{
	const json_t *unit = json_object_get(known, "unit"), *line = json_object_get(known, "last_line"),
		     *appl = json_object_get(known, "appl_db"), *program = json_object_get(known, "program");

	print_processes(json_object_get(known, "processes"));
	if (json_is_object(unit))
		(void)printf("unit:     %s (%s) since %s; result %s, status %.0f\n", prose_text(unit, "active"),
			     prose_text(unit, "sub"), prose_text(unit, "since"), prose_text(unit, "result"),
			     prose_number(unit, "status"));
	if (json_is_object(program))
		print_program(program);
	if (json_is_object(line))
		(void)printf("last log: %s %s\n", prose_text(line, "at"), prose_text(line, "text"));
	if (!json_is_object(appl)) {
		(void)printf("APPL_DB:  cannot be read\n");
		return;
	}
	(void)printf("APPL_DB: ");
	for (size_t i = 0; i < MARKERS; i++)
		(void)printf(" %s is %sthere%s", markers[i],
			     json_is_true(json_object_get(appl, markers[i])) ? "" : "not ",
			     i + 1 < MARKERS ? "," : "\n");
}

static const char *remedy_without(const struct ctl_error *error, const json_t *processes)
{
	if (error->denied)
		return error->remedy;
	if (strcmp(verdict_without(error, processes), "stopped") == 0)
		return "let it run: kill -CONT, or end the debugger; portsyncctl doctor looks at everything it needs";
	return "systemctl status portsyncd, in SONiC: docker exec swss supervisorctl status portsyncd; portsyncctl "
	       "doctor looks at everything it needs";
}

/* ctl->error says why it cannot be reached. */
static int show_without(struct ctl *ctl)
{
	const struct ctl_error noted = ctl->error;
	struct ctl_error error = noted;
	json_t *processes = absence_processes(ctl);
	json_t *known = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "verdict", verdict_without(&noted, processes),
				  "processes", processes, "unit", absence_unit(), "program", absence_program(),
				  "last_line", absence_last_line(), "appl_db", read_markers(ctl));

	(void)snprintf(error.remedy, sizeof(error.remedy), "%s", remedy_without(&noted, processes));
	if (ctl->json) {
		(void)json_object_set_new(known, "error", out_json_error(&error));
		out_json(ctl, known);
		return (int)error.code;
	}
	(void)printf("%s%s%s: %s\n", out_on(ctl, OUT_BAD), prose_text(known, "verdict"), out_off(ctl, OUT_BAD),
		     error.message);
	if (!ctl_option(ctl, "brief")) {
		print_known(known);
		prose_paragraph("remedy:   ", error.remedy);
	}
	json_decref(known);
	return (int)error.code;
}

int verb_status(struct ctl *ctl, int argc, char **argv)
{
	json_t *status;

	(void)argc;
	(void)argv;
	if (daemonhttp_json(ctl, "/status", JSON_STRING, "verdict", &status) == 0)
		return show(ctl, status);
	return show_without(ctl);
}
