/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links that a cold start finds. After a restart of swss as a whole they belong to the earlier switch process: they
 * will be deleted and made again, and if they counted, PortInitDone would come much too early (S4). In any other case
 * they carry the traffic, and setting them down would be an outage.
 */
#ifndef PORTSYNCD_OLDLINKS_H
#define PORTSYNCD_OLDLINKS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "ports/links.h"
#include "redis/conn.h"

enum oldlinks_policy {
	/*
	 * Started by SONiC's supervisord: yes, unless APPL_DB still has PortInitDone. swss.sh deletes that when swss is
	 * stopped, so only this process has died, and orchagent does not make the links again. Otherwise: no.
	 */
	OLDLINKS_AUTO,
	OLDLINKS_ALWAYS,
	OLDLINKS_NEVER,
};

struct oldlinks;

/* known: false when Redis refused to answer; ask again later. */
typedef void (*oldlinks_fn)(bool known, void *user);

/* NULL without memory. */
struct oldlinks *oldlinks_new(sd_event *event, enum oldlinks_policy policy, struct links *links, struct conn *appl,
			      const char *appl_separator, oldlinks_fn fn, void *user);
void oldlinks_free(struct oldlinks *o);
/*
 * Decides, and retires the links if that is the decision: all are ignored from now on until they are deleted, and set
 * down, some in each turn of the loop. fn is called when that is done, or now; never when the connection is lost
 * meanwhile. 0 or conn_command()'s errors.
 */
int oldlinks_settle(struct oldlinks *o);
/* The connection is lost: fn is not called for an earlier decision. Links still go on being set down. */
void oldlinks_lost(struct oldlinks *o);
/* How many links were set down, which were up. */
uint64_t oldlinks_set_down(const struct oldlinks *o);

#endif
