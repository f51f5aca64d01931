/* SPDX-License-Identifier: Apache-2.0 */
/* /recording: what the flight recorder has, as pcapng. POST /record: the same as a file in [recorder] folder. */
#include "metrics/page.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "recorder/export.h"

#define PCAPNG_TYPE "application/vnd.tcpdump.pcap"
#define WRITE_PATIENCE_NSEC (500 * NSEC_PER_MSEC) /* other clients wait meanwhile */
#define LOOK_NSEC (20 * NSEC_PER_MSEC)
#define AFTER_DIGITS 18

static void refuse(const struct visit *visit, unsigned status, const char *error)
{
	answer_json(visit->out, status, json_pack("{s:s}", "error", error));
}

static bool is_off(const struct visit *visit)
{
	if (recorder_figures().bytes > 0)
		return false;
	refuse(visit, 409, "the flight recorder is off: recorder.bytes is 0, or there was no memory for it");
	return true;
}

/* If the loop hangs the recording ends with what it did last. */
void page_recording(const struct visit *visit)
{
	struct text text = {0};
	int r;

	if (is_off(visit))
		return;
	recorder_request(RECORDER_WANTS_CHECKPOINT);
	r = ask(visit).fresh
		    ? export_recording(&text, EXPORT_TO_CHECKPOINT, "request: GET /recording")
		    : export_recording(&text, EXPORT_ALL, "request: GET /recording, while the loop does not turn");
	if (r < 0)
		refuse(visit, 503, strerror(-r));
	else
		answer_text(visit->out, PCAPNG_TYPE, &text);
}

/* Whether the loop answers, and one more request was dealt with. */
static bool is_answered(const struct visit *visit, uint64_t before, const struct snapshot_recorder **ret)
{
	const struct timespec moment = {.tv_nsec = LOOK_NSEC};
	uint64_t until = now_nsec() + WRITE_PATIENCE_NSEC;

	for (;;) {
		struct exchange_answer answer = ask(visit);

		*ret = &answer.snapshot->recorder;
		if (answer.fresh && (*ret)->answered > before)
			return true;
		if (!answer.fresh || now_nsec() >= until)
			return false;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
	}
}

/*
 * A file that takes long must not keep other clients waiting: the answer has a number then, and who asks again with it
 * as "after" hears of the same file. A larger one than any so far is of an earlier process.
 */
static void record(const struct visit *visit)
{
	struct exchange_answer answer = ask(visit);
	const struct snapshot_recorder *found = &answer.snapshot->recorder;
	uint64_t before = found->answered;
	int again = page_number(visit, "after", AFTER_DIGITS, &before);

	if (again < 0) {
		refuse(visit, 400, "after is not a number");
		return;
	}
	if (!answer.fresh) {
		refuse(visit, 503, "the loop does not turn, so no file can be written; GET /recording still works");
		return;
	}
	if (!found->writes) {
		refuse(visit, 409, "no file is written: recorder.folder is empty");
		return;
	}
	if (before > found->answered) {
		refuse(visit, 409, "after is not a number of this process: it has started since");
		return;
	}
	if (!again)
		recorder_request(RECORDER_WANTS_FILE);
	if (!is_answered(visit, before, &found))
		answer_json(visit->out, 503,
			    json_pack("{s:s, s:I}", "error", "it is still being written", "after", (json_int_t)before));
	else if (found->failing)
		refuse(visit, 503, found->reason);
	else
		answer_json(visit->out, 200, json_pack("{s:s}", "file", found->file));
}

void page_record(const struct visit *visit)
{
	if (!visit->request->post)
		refuse(visit, 405, "only POST, by the Unix socket; GET /recording has the recording itself");
	else if (!is_off(visit))
		record(visit);
}
