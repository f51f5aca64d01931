/* SPDX-License-Identifier: Apache-2.0 */
/* A change of a port, from the daemon's JSON (metrics/changejson.h), for people. */
#ifndef PORTSYNCD_CTL_CHANGETEXT_H
#define PORTSYNCD_CTL_CHANGETEXT_H

#include <jansson.h>

#include "ctl/out.h"

#define CHANGETEXT_BYTES 160

/* "oper up -> down, mtu 9100 -> 1500". style: the one for a port in the new state. Returns out. */
const char *changetext_what(const json_t *change, char out[CHANGETEXT_BYTES], enum out_style *style);
/* "2026-11-27 09:34:10.813004", local time. Returns out. */
const char *changetext_time(const json_t *change, char out[CHANGETEXT_BYTES]);
/* "183 us"; "-": it was not timed. Returns out. */
const char *changetext_latency(const json_t *change, char out[CHANGETEXT_BYTES]);
/* The name of the port; "" if there is none. */
const char *changetext_port(const json_t *change);

#endif
