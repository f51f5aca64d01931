/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of error answers, by their first word (redis.io/docs/reference/protocol-spec, "Simple errors"; src/server.c).
 */
#ifndef PORTSYNCD_REDIS_ERRORS_H
#define PORTSYNCD_REDIS_ERRORS_H

#include "redis/resp.h"

enum redis_error {
	REDIS_ERROR_OTHER,
	REDIS_ERROR_WRONGTYPE,
	REDIS_ERROR_READONLY,
	REDIS_ERROR_OOM,
	REDIS_ERROR_LOADING,
	REDIS_ERROR_MISCONF,
	REDIS_ERROR_NOAUTH,
	REDIS_ERROR_NOPERM,
	REDIS_ERROR_NOSCRIPT,
	REDIS_ERROR_BUSY,
	REDIS_ERROR_TOO_LARGE, /* ours, see resp_reader_next() */
	REDIS_ERRORS,
};

/* error: a value of type RESP_ERROR. */
enum redis_error redis_error_kind(const struct resp_value *error);
/* "wrongtype" */
const char *redis_error_name(enum redis_error kind);

#endif
