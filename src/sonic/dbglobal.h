/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SONiC's database_global.json: which database_config.json a namespace ("asic0") or a container ("dpu0") uses
 * (docs/sonic.md#databases).
 */
#ifndef PORTSYNCD_DBGLOBAL_H
#define PORTSYNCD_DBGLOBAL_H

#include <stddef.h>

#define DBGLOBAL_MAX_BYTES (1U << 20)

/*
 * Writes the path of the database_config.json of that name (not an empty one) to path; an include that is relative
 * starts from the folder of the global file. Whether there is such a file is left to the caller. On failure a negative
 * errno, path is empty, and error says file, place, what is wrong and what is allowed, in one line.
 */
int dbglobal_resolve(const char *global_path, const char *name, char *path, size_t size, char *error,
		     size_t error_size);

#endif
