/* SPDX-License-Identifier: Apache-2.0 */
/* How dbconfig.c and dbglobal.c read SONiC's JSON files and complain about them. Nobody else includes it. */
#ifndef PORTSYNCD_JSONFILE_H
#define PORTSYNCD_JSONFILE_H

#include <jansson.h>
#include <stddef.h>

#include "base/util.h"

#define JSONFILE_QUOTE_MAX 80 /* room for the file's own words in a complaint */
#define JSONFILE_PLACE_MAX (JSONFILE_QUOTE_MAX + 16)

/* A file that is judged, and where the one line goes that says what is wrong with it. */
struct jsonfile {
	const char *name, *kind; /* its path, and what it should be */
	unsigned max_bytes;
	char *error;
	size_t size;
	char place[JSONFILE_PLACE_MAX]; /* what complaints are about, "DATABASES.APPL_DB"; "": the file itself */
};

/* The whole file, or bytes in its stead. 0, or a negative errno after a complaint: that of opening, or -EINVAL. */
int jsonfile_load(const struct jsonfile *at, json_t **ret);
int jsonfile_parse(const struct jsonfile *at, const char *bytes, size_t len, json_t **ret);

/* For locals: json_t *root cleanup(jsonfile_free) = NULL; */
static inline void jsonfile_free(json_t **root)
{
	json_decref(*root);
}

/* Complains "name: place.key: ...; allowed: ...". Always -EINVAL. key may be NULL: the place itself. */
PRINTF_LIKE(4, 5)
int jsonfile_refuse(const struct jsonfile *at, const char *key, const char *allowed, const char *format, ...);
/* The same about a text, which is quoted before what is wrong with it. */
int jsonfile_refuse_text(const struct jsonfile *at, const char *key, const char *allowed, const char *text,
			 const char *wrong);

/* "an object", or "missing" for NULL. */
const char *jsonfile_type(const json_t *value);

/* The text of a key. 0, or -EINVAL after a complaint. One that is optional is NULL where the key is missing. */
int jsonfile_text(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
		  const char **ret);
int jsonfile_optional_text(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
			   const char **ret);

#endif
