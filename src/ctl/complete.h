/* SPDX-License-Identifier: Apache-2.0 */
/* What the completion of bash and zsh asks. Answers are lines: a word, and behind a tab what it means. */
#ifndef PORTSYNCD_CTL_COMPLETE_H
#define PORTSYNCD_CTL_COMPLETE_H

#include "ctl/ctl.h"

#define COMPLETE_OPTION "--complete"

/* words: those of the command line behind the command, up to the one that is to be completed (which may be ""). */
void complete_answer(struct ctl *ctl, int n, char *words[]);

#endif
