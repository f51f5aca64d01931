/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all keys of the configuration file. Only config.c and the files beside this one include it. */
#ifndef PORTSYNCD_CONFIG_KEYS_H
#define PORTSYNCD_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define CONFIG_N_KEYS 61
#define CONFIG_WHY_MAX 512  /* room for what is wrong and what is allowed */
#define CONFIG_QUOTE_MAX 80 /* room for the user's own words in it */

enum value_type { INTEGER, NUMBER, BOOLEAN, TEXT, FILE_PATH, CHOICE, CPU_LIST, LOG_ADDRESS, ADDRESS_LIST };

struct choice {
	const char *name;
	int value;
};

struct choices {
	const char *wrong;
	const struct choice *list; /* ends with a NULL name */
};

#define NO_EFFECT SIZE_MAX

struct key {
	const char *section, *name;
	enum value_type type;
	long min, max;        /* of a text or path: max is its length in bytes */
	const char *fallback; /* NULL: not set, which is an empty text or list, or one below min */
	size_t offset;        /* in struct config, or NO_EFFECT */
	const struct choices *choices;
	const char *meaning;
};

/* The keys of one section stand together. */
extern const struct key config_keys[CONFIG_N_KEYS];

/* NULL for a key that there is not. */
const struct key *config_find(const char *section, const char *name);

/* Checks and stores a value. 0, or -EINVAL with what is wrong and what is allowed in why. */
int config_set(struct config *config, const struct key *key, const char *text, char *why, size_t size);

/* Each key of it as if nobody had set it. */
void config_default_section(struct config *config, const char *section);

/* What values a key may have. Returns out. */
const char *config_describe(const struct key *key, char *out, size_t size);

#endif
