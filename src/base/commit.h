/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_COMMIT_H
#define PORTSYNCD_COMMIT_H

/* The commit this was built from: 12 digits, with "-dirty" if files differ from it; "unknown" without git and without
 * the file .commit of a source package. */
extern const char base_commit[];

#endif
