/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three small databases that answer one command at a time, in place of Redis, with the kernel's links and appl_ports:
 * so in every state of a startup a connection can be lost, a database emptied, or a command refused.
 */
#ifndef PORTSYNCD_STARTUP_WORLD_H
#define PORTSYNCD_STARTUP_WORLD_H

#include "sonic/startup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "test.h"

#define CONFIG_DONE "PORT_TABLE:PortConfigDone"
#define INIT_DONE "PORT_TABLE:PortInitDone"
#define STEPS_MAX 400

enum { CONFIG, APPL, STATE, DATABASES };

/* A hash of one field; the producer's "_" of a key is left out, as if its consumer moved each row at once. */
struct key {
	char name[64], field[32], value[32];
};

struct command {
	unsigned database;
	conn_reply_fn fn;
	void *user, *item;
	uint64_t cookie;
	size_t argc;
	char argv[16][256];
};

/* A struct conn is one of its databases. */
struct world {
	struct key keys[DATABASES][16];
	bool connected[DATABASES];
	size_t capacity;
	struct command queue[64];
	size_t queued;
	const char *refused;         /* a command with this argument is refused, once */
	const char *forbidden;       /* and one with this always, by the access list */
	unsigned refusals, commands; /* answered so far */
	bool unheard;                /* the answer is lost */
	bool scanned;                /* appl_ports_known() */
	size_t counted;              /* appl_ports_rows() */
	sd_event *event;
	struct links *links;
	struct producer *producer;
	struct startup *startup;
	unsigned decided, init_done, checked;
	char refuse[128];
};

extern struct world w;

/* --- the databases --- */

void put(unsigned database, const char *name, const char *field, const char *value);
void flush(unsigned database);
void drop(unsigned database, const char *name);
const char *value_of(unsigned database, const char *name);
/* The oldest command is answered, then the turn of the loop ends. False when there was none. */
bool step(void);
/* Answers the oldest command of one database: its connection is quicker than the others. */
bool step_of(unsigned database);
void run(void);
/* Runs the back-off after a refusal, too. */
void run_until(bool (*condition)(void));
void lose(unsigned database);
/* Some of its commands are carried out first, but their answers are lost. */
void lose_after(unsigned database, unsigned carried_out);
void connect_to(unsigned database);
void connect_all(void);

/* --- the kernel and what others do --- */

/* The links come, APPL_DB has their rows, STATE_DB acknowledges them. */
void links_come(void);
void fill_config(void);
/* What an earlier boot left, with this count of ports. */
void enable_warm(const char *count);
void check(void);
bool is_done(void);
bool awaits_links(void);
void nothing_is_promised(void);
void all_is_in(void);
void begin(const struct startup_deps *more);
void end(void);
int world_setup(void **state);
int world_teardown(void **state);
void start_cold(void);

static inline int setup(void **state)
{
	return world_setup(state);
}

static inline int teardown(void **state)
{
	return world_teardown(state);
}

#endif
