/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_COMMIT_H
#define PORTSYNCD_COMMIT_H

/* Of which commit this is built: 12 digits, with "-dirty" where files differ from it; "unknown" without git and without
 * the file .commit, which a source package has. */
extern const char base_commit[];

#endif
