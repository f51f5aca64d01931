/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of file and command line have in common: a folder of their own, and what was printed. */
#ifndef PORTSYNCD_CONFIG_FIXTURE_H
#define PORTSYNCD_CONFIG_FIXTURE_H

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define LEVELS "emerg, alert, crit, err, error, warning, warn, notice, info, debug"

extern char *captured; /* what the last call wrote to err */
extern size_t captured_len;
extern char *answered; /* and to out */

/* Of the whole group: the tests run in a directory of their own, so that messages hold short names. */
int config_setup(void **state);
int config_teardown(void **state);

void write_file(const char *path, const char *bytes, size_t len, mode_t mode);
void write_text(const char *path, const char *text);

/* The file alone. 0 or negative errno. */
int read_file(struct config *config, const char *path);
int read_text(struct config *config, const char *text);

/* args: what follows the program's name, ended by NULL */
enum config_outcome load(struct config *config, const char *const *args);
#define LOAD(config, ...) load(config, (const char *const[]){__VA_ARGS__, NULL})

#endif
