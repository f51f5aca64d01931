/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Redis that any number of connections may have at once: it answers as an empty one, and remembers who came. It lives
 * in the loop of those under test.
 */
#ifndef PORTSYNCD_FAKE_DATABASES_H
#define PORTSYNCD_FAKE_DATABASES_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#define FAKE_CLIENTS 16
#define FAKE_WORDS 8
#define FAKE_WORD_BYTES 96

struct fake_databases;

struct fake_client {
	struct fake_databases *of;
	sd_event_source *source;
	int fd; /* -1: it left */
	unsigned database;
	char pattern[FAKE_WORD_BYTES]; /* "": it takes commands */
	char auth[FAKE_WORD_BYTES];    /* "user password", or "password"; "": neither */
	char in[16384];
	size_t len;
	size_t heard;                           /* bytes */
	char word[FAKE_WORDS][FAKE_WORD_BYTES]; /* of the command that is answered */
	size_t words;
};

struct fake_databases {
	sd_event *event;
	sd_event_source *accepting;
	int listener;
	const char *path;
	/* The answer to the command of this client, "" for none; NULL: as an empty Redis. May be NULL itself. */
	const char *(*says)(const struct fake_client *c);
	const size_t *most; /* bytes that a client hears before it is hung up on; NULL: any number */
	struct fake_client *clients[FAKE_CLIENTS]; /* in the order in which they came; those who left may be missing */
	size_t n;
};

void databases_listen(struct fake_databases *f, sd_event *event, const char *path);
/* Nobody listens any more, and all clients are gone. NULL path: it never listened. */
void databases_end(struct fake_databases *f);

/* The one of this database, and of this pattern ("" for commands), that is still there; NULL: none is. */
struct fake_client *databases_find(const struct fake_databases *f, unsigned database, const char *pattern);
void databases_hang_up(struct fake_client *c);
/* A client that hung up hears nothing. */
void databases_tell(struct fake_client *c, const char *text);

#endif
