/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the completion of bash and zsh asks: portsyncctl --complete WORD... The answer is a line for each word that
 * fits, with what it means behind a tab; or COMPLETE_FILES, when a file is wanted.
 */
#ifndef PORTSYNCD_CTL_COMPLETE_H
#define PORTSYNCD_CTL_COMPLETE_H

#include "ctl/ctl.h"

#define COMPLETE_OPTION "--complete"
#define COMPLETE_FILES ":files"

/* words: those of the command line behind the command, up to the one that is to be completed (which may be ""). */
void complete_answer(struct ctl *ctl, int n, char *words[]);

#endif
