/* SPDX-License-Identifier: Apache-2.0 */
/* What a process inherits from its parent, and must neither kill it nor misdirect its output. */
#ifndef PORTSYNCD_PROCESS_H
#define PORTSYNCD_PROCESS_H

/*
 * Call it first. Descriptors 0 to 2 that are closed are taken by something that refuses to be read or written, so that
 * no socket gets their number and then the lines for stderr. Signals of limits become errors of the call that hits the
 * limit; limits that can be raised are. 0 or negative errno.
 */
int process_prepare(void);
/* Warns of what process_prepare() could not change. Call it once the log is open. */
void process_report(void);

#endif
