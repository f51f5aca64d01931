/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all keys of the configuration file: type, range, default and meaning of each. */
#ifndef PORTSYNCD_CONFIG_KEYS_H
#define PORTSYNCD_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

#define KEYS 42
#define KEY_WHY_MAX 512  /* capacity for what is wrong and what is allowed */
#define KEY_QUOTE_MAX 80 /* capacity for the user's own words in it */

enum key_type {
	KEY_INTEGER,
	KEY_NUMBER,
	KEY_BOOLEAN,
	KEY_TEXT,
	KEY_PATH,
	KEY_CHOICE,
	KEY_CPUS,
	KEY_DESTINATION,
	KEY_ADDRESSES
};

struct key_choice {
	const char *name;
	int value;
};

struct key_choices {
	const char *wrong;
	const struct key_choice *list; /* ends with a NULL name */
};

struct key {
	const char *section, *name;
	enum key_type type;
	long min, max;        /* of a text or path: max is its length in bytes */
	const char *fallback; /* NULL: not set, stored as an empty text or list, or as min - 1 */
	size_t offset;        /* in struct config */
	const struct key_choices *choices;
	const char *meaning;
};

/* The keys of one section stand together. */
extern const struct key key_table[KEYS];

/* NULL: there is no such key. */
const struct key *key_find(const char *section, const char *name);

/* What to use in place of a key that an earlier version had; NULL: none had it. */
const char *key_replacement(const char *section, const char *name);

/* The table's own copy of a section's name, also of one that has only replaced keys; NULL: there is no such section. */
const char *key_section(const char *name);

/* Checks and stores a value. 0, or -EINVAL with what is wrong and what is allowed in why. */
int key_set(struct config *config, const struct key *key, const char *text, char *why, size_t size);

/* Stores the default. */
void key_default(struct config *config, const struct key *key);

/* Stores another configuration's value. */
void key_copy(struct config *config, const struct key *key, const struct config *from);

#define KEY_VALUE_MAX PATH_MAX /* capacity for any value as text */

/* The value as key_set() accepts it. Returns out, or NULL: a number that is not set. A text that is not set is "". */
const char *key_format(const struct key *key, const struct config *config, char *out, size_t size);

bool key_differs(const struct key *key, const struct config *a, const struct config *b);

/* Describes the values that a key may have. Returns out. */
const char *key_describe(const struct key *key, char *out, size_t size);

#endif
