/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONFIG_DB PORT -> APPL_DB PORT_TABLE, PortConfigDone, PortInitDone, and the links an earlier switch process left
 * behind (docs/sonic.md#start). Each step waits for what it needs; a lost connection starts the pushing
 * again, an emptied APPL_DB does as well.
 */
#ifndef PORTSYNCD_STARTUP_H
#define PORTSYNCD_STARTUP_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "ports/links.h"
#include "redis/conn.h"
#include "sonic/appl_ports.h"
#include "sonic/oldlinks.h"
#include "sonic/producer.h"

struct startup_deps {
	sd_event *event;
	struct links *links;
	struct conn *config, *appl, *state;
	struct appl_ports *appl_ports;
	struct producer *producer;
	const char *config_separator, *appl_separator, *state_separator;
	enum oldlinks_policy old_links;
	bool follow_count; /* PortConfigDone's count follows the rows of APPL_DB (S8) */
};

struct startup_ops {
	/* It is known which links are old: from now on the others may be published. */
	void (*decided)(void *user);
	/* PortInitDone was sent. */
	void (*init_done)(void *user);
	/* What startup_check() asked for is answered, or the connection is lost. */
	void (*checked)(void *user);
	/* This switch must not run portsyncd; why is one line. */
	void (*refuse)(const char *why, void *user);
};

struct startup;

/* 0 or negative errno. deps is copied, what it names must outlive it. */
int startup_new(struct startup **ret, const struct startup_deps *deps, const struct startup_ops *ops, void *user);
void startup_free(struct startup *s);

/* The first dump of the kernel's links is in the model. */
void startup_links_known(struct startup *s);
/* A connection came or went. */
void startup_ready(struct startup *s);
void startup_lost(struct startup *s);
/* Goes on if there is something to go on with. Called once a loop turn. */
void startup_turn(struct startup *s);
/* PortConfigDone was accepted, or is none of a warm start's business; APPL_DB has it as far as is known. */
bool startup_config_done(const struct startup *s);
/* PortInitDone was accepted, no other is owed, and APPL_DB has both markers as far as is known. */
bool startup_init_done(const struct startup *s);
bool startup_is_warm(const struct startup *s);
/* How many links of an earlier switch process were set down. */
uint64_t startup_links_set_down(const struct startup *s);
/*
 * Looks whether APPL_DB still holds the markers that were pushed; what is gone is pushed again. Called at each audit,
 * and when somebody asks whether we are ready. True: APPL_DB was asked, ops->checked() follows.
 */
bool startup_check(struct startup *s);

#endif
