/* SPDX-License-Identifier: Apache-2.0 */
/* The ports as `top` shows them: what is known of each, and the picture of all. */
#ifndef PORTSYNCD_CTL_BOARD_H
#define PORTSYNCD_CTL_BOARD_H

#include <jansson.h>

#include "base/text.h"
#include "ctl/ctl.h"

struct board;

/* Ports that fit one of the patterns; none: all. NULL without memory. */
struct board *board_new(const struct ctl *ctl, int n, char **patterns);
void board_free(struct board *b);

/* The pages /ports and /status. Returns 0, or -ENOMEM. */
int board_set_ports(struct board *b, const json_t *page);
void board_set_status(struct board *b, const json_t *page);
/* A line of /watch. */
void board_change(struct board *b, const json_t *change);
void board_lost(struct board *b, long long lost);

/* Something has changed since the pages were read: they should be read again soon. */
bool board_is_stale(const struct board *b);
/* When the picture changes without an event: a port is no longer new. CLOCK_MONOTONIC us; UINT64_MAX: never. */
uint64_t board_fades_usec(const struct board *b);

/* Adds the picture, for a terminal of that size; lines 0: as many as it needs. */
void board_draw(struct board *b, struct text *out, unsigned columns, unsigned lines);
json_t *board_json(const struct board *b);

#endif
