/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording in place of the kernel, behind nlsock.h: what was received comes again through the same sockets, in the
 * recorded order. nlsock.c opens these sockets while a replay is installed.
 *
 * What was lost is lost again. A dump is answered with the recorded one: nothing goes on from the moment at which it
 * was asked for until it is asked for again, and a watch that sees no reason to ask is given a loss. Where there is no
 * recorded answer (before the recording's beginning, after its end, for one link) the answer is what the messages so
 * far say.
 */
#ifndef PORTSYNCD_REPLAY_H
#define PORTSYNCD_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/nlsock.h"
#include "kernel/watch.h"
#include "recorder/recording.h"

struct replay;

/*
 * The recording must outlive it; sequence numbers in its dumps are overwritten. realtime: datagrams come with their
 * recorded delays, else as fast as they are read. 0, -EBADMSG (the message of a port's link is bad), -ENOMEM.
 */
int replay_new(struct replay **ret, const struct recording *recording, bool realtime);
/* Call it after its sockets are closed. NULL is fine. */
void replay_free(struct replay *r);
/* From now on nlsock.c opens sockets of this replay; NULL: the kernel's again. */
void replay_install(struct replay *r);

/* Call it at each change of the watch's state. */
void replay_note_state(struct replay *r, enum watch_state state);
/* All was delivered, and no dump is under way. */
bool replay_is_over(const struct replay *r);
/* After that: questions are answered by the last checkpoint, if the recording ends with one. */
void replay_settle(struct replay *r);

/* --- for nlsock.c --- */

struct replay_socket;

/* NULL: none is installed. */
struct replay *replay_installed(void);
/* datagrams: of one receive call, at most. 0 or negative errno. */
int replay_open(struct replay_socket **ret, struct replay *r, enum remark_socket kind, unsigned datagrams);
void replay_close(struct replay_socket *s);
int replay_fd(const struct replay_socket *s);
/* As nlsock_request_dump() (ifindex 0) and nlsock_request_link(). */
int replay_request(struct replay_socket *s, int ifindex, uint32_t seq);
void replay_receive(struct replay_socket *s, struct nlsock_batch *batch);

#endif
