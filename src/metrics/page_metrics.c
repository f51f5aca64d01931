/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/page.h"

#include "base/util.h"
#include "metrics/procstat.h"

#define START_STEP_NSEC (60 * NSEC_PER_SEC)

/* changes() of this figure counts starts, so it ignores the corrections of the clock after a boot. */
static uint64_t started_nsec(struct pages *p)
{
	uint64_t now = p->started_monotonic + epoch_nsec(p);
	uint64_t step = now > p->started_nsec ? now - p->started_nsec : p->started_nsec - now;

	if (step > START_STEP_NSEC)
		p->started_nsec = now;
	return p->started_nsec;
}

/* ?ports=no: for the Prometheus of a fleet, which keeps no series for each port. False: another value than "no" and
 * "yes". */
static bool read_ports(const struct visit *visit, bool *without)
{
	const char *text = http_argument(visit->request, "ports");

	*without = text && strcmp(text, "no") == 0;
	return !text || *without || strcmp(text, "yes") == 0;
}

void page_metrics(const struct visit *visit)
{
	bool without_ports, open = prometheus_wants_open(visit->request->accept);
	struct exchange_answer answer = ask(visit);
	struct health_report health = health_of(visit, &answer);
	struct text text = {0};
	struct procstat proc;

	if (!read_ports(visit, &without_ports)) {
		answer_json(visit->out, 400, json_pack("{s:s}", "error", "ports is neither yes nor no"));
		return;
	}
	procstat_read(&proc, visit->pages->proc, answer.snapshot->socket_inode);
	prometheus_write(&text, open,
			 &(struct prometheus_input){
				 .answer = &answer,
				 .proc = &proc,
				 .health = &health,
				 .pages = visit->pages->served,
				 .n_pages = visit->pages->n_served,
				 .server = atomic_load(&visit->pages->server),
				 .pages_cpu_nsec = visit->pages->cpu_nsec,
				 .now_nsec = now_nsec(),
				 .epoch_nsec = epoch_nsec(visit->pages),
				 .started_nsec = started_nsec(visit->pages),
				 .without_ports = without_ports,
			 });
	answer_text(visit->out, open ? PROMETHEUS_OPEN_TYPE : PROMETHEUS_TEXT_TYPE, &text);
}
