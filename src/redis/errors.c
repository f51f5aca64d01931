/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/errors.h"

static const struct {
	const char *word, *name;
} kinds[REDIS_ERRORS] = {
	[REDIS_ERROR_OTHER] = {"ERR", "other"},
	[REDIS_ERROR_WRONGTYPE] = {"WRONGTYPE", "wrongtype"},
	[REDIS_ERROR_READONLY] = {"READONLY", "readonly"},
	[REDIS_ERROR_OOM] = {"OOM", "oom"},
	[REDIS_ERROR_LOADING] = {"LOADING", "loading"},
	[REDIS_ERROR_MISCONF] = {"MISCONF", "misconf"},
	[REDIS_ERROR_NOAUTH] = {"NOAUTH", "noauth"},
	[REDIS_ERROR_NOPERM] = {"NOPERM", "noperm"},
	[REDIS_ERROR_NOSCRIPT] = {"NOSCRIPT", "noscript"},
	[REDIS_ERROR_BUSY] = {"BUSY", "busy"},
	[REDIS_ERROR_TOO_LARGE] = {RESP_TOO_LARGE, "toolarge"},
};

enum redis_error redis_error_kind(const struct resp_value *error)
{
	for (unsigned kind = REDIS_ERROR_WRONGTYPE; kind < REDIS_ERRORS; kind++)
		if (resp_is_error(error, kinds[kind].word))
			return kind;
	return REDIS_ERROR_OTHER;
}

const char *redis_error_name(enum redis_error kind)
{
	return kinds[kind].name;
}
