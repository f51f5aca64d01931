/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "ctl/complete.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/out.h"

#define INTERRUPTED (128 + SIGINT) /* as a shell reports it */

static void on_interrupt(int number)
{
	(void)number;
	_exit(INTERRUPTED);
}

int main(int argc, char *argv[])
{
	static struct ctl ctl;
	char **arguments = NULL;
	int n = 0, code = CTL_GOOD;

	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGINT, on_interrupt);
	json_set_alloc_funcs(out_take, free);
	switch (options_read(&ctl, argc, argv, &n, &arguments)) {
	case OPTIONS_RUN:
		code = ctl.verb->run(&ctl, n, arguments);
		break;
	case OPTIONS_COMPLETE:
		complete_answer(&ctl, n, arguments);
		break;
	case OPTIONS_BAD:
		code = ctl_fail(&ctl);
		break;
	case OPTIONS_DONE:
		break;
	}
	return out_finish() == CTL_GOOD ? code : CTL_NO_SOURCE;
}
