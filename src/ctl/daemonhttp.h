/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's pages by its Unix socket (http.unix_socket, --socket). HTTP/1.0, so that nothing comes in chunks.
 * Blocking, and for no longer than CTL_ANSWER_SECS of silence.
 */
#ifndef PORTSYNCD_CTL_DAEMONHTTP_H
#define PORTSYNCD_CTL_DAEMONHTTP_H

#include <jansson.h>

#include "base/text.h"
#include "ctl/ctl.h"

#define DAEMONHTTP_BODY_MAX (256U << 20)

/*
 * The answer to GET target ("/ports"), whatever its status. The caller frees body->data. 0; or -1, ctl_fail() is due:
 * the daemon is stopped, hung or absent.
 */
int daemonhttp_get(struct ctl *ctl, const char *target, struct text *body, unsigned *status);
/* POST without a body. The same contract. */
int daemonhttp_post(struct ctl *ctl, const char *target, struct text *body, unsigned *status);
/*
 * The JSON document of a page, which has a member of this name and type; an array is one of objects. 0; or -1,
 * ctl_fail() is due, also when the status is not 200.
 */
int daemonhttp_json(struct ctl *ctl, const char *target, json_type type, const char *member, json_t **ret);

struct daemonhttp;

/* Opens a stream of lines; its status was 200. NULL: ctl_fail() is due. */
struct daemonhttp *daemonhttp_open(struct ctl *ctl, const char *target);
void daemonhttp_close(struct daemonhttp *stream);
/* For poll(2), once daemonhttp_line() had nothing more. */
int daemonhttp_fd(const struct daemonhttp *stream);
/*
 * The next line, without its end, valid until the next call. 1; 0: there is none yet; -EPIPE: the daemon has closed the
 * stream; another negative errno. Does not wait.
 */
int daemonhttp_line(struct daemonhttp *stream, const char **line);

#endif
