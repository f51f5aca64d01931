/* SPDX-License-Identifier: Apache-2.0 */
/* What is said on a new connection before it takes commands: AUTH, SELECT, PING, PSUBSCRIBE. */
#ifndef PORTSYNCD_HANDSHAKE_H
#define PORTSYNCD_HANDSHAKE_H

#include <stddef.h>

#include "redis/conn.h"
#include "redis/resp.h"

#define HANDSHAKE_STEPS 4

struct handshake {
	const struct access *access;
	const char *steps[HANDSHAKE_STEPS]; /* the commands that were sent */
	size_t n, done;
	size_t secret_bytes; /* of the buffer, from its start, hold AUTH: to be wiped once they are sent */
};

/* DENIED: our identity or our rights were refused. */
enum handshake_outcome { HANDSHAKE_GOES_ON, HANDSHAKE_DONE, HANDSHAKE_REFUSED, HANDSHAKE_DENIED };

/* Puts the commands into out, which is empty. 0; -ENOMEM; or what reading the password gave, which why then explains.
 */
int handshake_begin(struct handshake *h, const struct conn_options *opt, struct resp_buffer *out, char *why,
		    size_t size);
/* Wipes the secret in out once it was sent, or will not be. */
void handshake_wipe(struct handshake *h, struct resp_buffer *out);
/* Takes the next answer. When it is refused, why says it, without any secret. */
enum handshake_outcome handshake_take(struct handshake *h, const struct resp_value *answer, char *why, size_t size);

#endif
