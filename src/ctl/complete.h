/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers the completion of bash and zsh: portsyncctl --complete WORD... prints a line for each word that fits, with
 * its meaning after a tab; or COMPLETE_FILES if a file is wanted.
 */
#ifndef PORTSYNCD_CTL_COMPLETE_H
#define PORTSYNCD_CTL_COMPLETE_H

#include "ctl/ctl.h"

#define COMPLETE_FILES ":files"

/* words: those that follow the command on the command line, up to the one to complete (which may be ""). */
void complete_answer(struct ctl *ctl, int n, char *words[]);

#endif
