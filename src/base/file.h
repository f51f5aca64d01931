/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_BASE_FILE_H
#define PORTSYNCD_BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/secret.h"

/* Opens a regular file of at most max bytes. An open descriptor and *st, or a negative errno. */
int file_open(const char *path, off_t max, struct stat *st);
/* Fills buf up to its size, so that a file that grew is seen. The length, or a negative errno. */
ssize_t file_read(int fd, char *buf, size_t size);
/*
 * Reads a whole file, which must not have a NUL byte, and terminates it. The caller frees *ret. 0, -EINVAL (a NUL
 * byte), or the errors of the calls above.
 */
int file_read_text(const char *path, size_t max, char **ret);
/* The same into pages that leave no trace; the caller wipes *ret. Also -EPERM: others may read or write the file. */
int file_read_secret(const char *path, size_t max, struct secret *ret);
/* Writes all, syncs, and closes the descriptor in any case. 0 or a negative errno. */
int file_write_and_close(int fd, const void *bytes, size_t len);
/* What such an errno means to the user. */
const char *file_error(int error);

#endif
