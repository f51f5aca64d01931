/* SPDX-License-Identifier: Apache-2.0 */
/* What a process inherits from its parent: it must neither kill the process nor misdirect its output. */
#ifndef PORTSYNCD_PROCESS_H
#define PORTSYNCD_PROCESS_H

/*
 * Call it first. Fills descriptors 0 to 2, if closed, with something that can be neither read nor written, so that no
 * socket gets their number and then the lines for stderr. A limit's signal becomes an error of the call that hits it;
 * limits are raised as far as the kernel allows. 0 or negative errno.
 */
int process_prepare(void);
/* Warns of what process_prepare() could not change. Call it once the log is open. */
void process_report(void);

#endif
