/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONFIG_DB PORT -> APPL_DB PORT_TABLE, PortConfigDone, PortInitDone, and the links that an earlier switch process left
 * behind (docs/sonic.md#start). Each step waits for what it needs. After a lost connection, or when APPL_DB was
 * emptied, all rows are pushed again.
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
	/* It is decided which links are old: from now on the others may be published. */
	void (*decided)(void *user);
	/* PortInitDone was sent. */
	void (*init_done)(void *user);
	/* The question of startup_check() is answered, or its connection is lost. */
	void (*checked)(void *user);
	/* portsyncd must not run on this switch; why is one line. */
	void (*refuse)(const char *why, void *user);
};

struct startup;

/* 0 or negative errno. deps is copied; what it points to must outlive the startup. */
int startup_new(struct startup **ret, const struct startup_deps *deps, const struct startup_ops *ops, void *user);
void startup_free(struct startup *s);

/* The first dump of the kernel's links is in the model. */
void startup_links_known(struct startup *s);
/* A connection came, of CONFIG_DB or APPL_DB: the markers are asked for once all are there. Or any went. */
void startup_ready(struct startup *s);
void startup_lost(struct startup *s);
/* Takes the next step if all it needs is there. Called once a loop turn. */
void startup_turn(struct startup *s);
/* APPL_DB has PortConfigDone, as far as is known: it accepted ours, or this start is warm. */
bool startup_config_done(const struct startup *s);
/* APPL_DB has both markers, as far as is known. */
bool startup_init_done(const struct startup *s);
bool startup_is_warm(const struct startup *s);
/* How many links of an earlier switch process were set down. */
uint64_t startup_links_set_down(const struct startup *s);
/*
 * Asks APPL_DB whether it still has the markers; what is gone is pushed again. Called at each reconciliation, and when
 * a client asks whether the daemon is ready. True: APPL_DB was asked, and ops->checked() follows.
 */
bool startup_check(struct startup *s);

#endif
