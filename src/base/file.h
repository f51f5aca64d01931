/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORTSYNCD_BASE_FILE_H
#define PORTSYNCD_BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

/* Opens a regular file of at most max bytes. An open descriptor and *st, or a negative errno. */
int file_open(const char *path, off_t max, struct stat *st);
/* Fills buf up to its size, so that a file that grew is seen. The length, or a negative errno. */
ssize_t file_read(int fd, char *buf, size_t size);
/* What its errno means to the user. */
const char *file_error(int error);

#endif
