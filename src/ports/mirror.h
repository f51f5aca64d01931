/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the model equal to the kernel's links: the events and dumps of a watch go into it, and what the kernel changed
 * without a message is found and applied. A link is read again soon after its master changed or was deleted (deleting a
 * bond gives its members their MTU back without a message), all links when mirror_reread() is called.
 */
#ifndef PORTSYNCD_MIRROR_H
#define PORTSYNCD_MIRROR_H

#include <systemd/sd-event.h>

#include "kernel/reread.h"
#include "kernel/watch.h"
#include "ports/links.h"

struct mirror;

typedef void (*mirror_state_fn)(enum watch_state state, void *user);

/*
 * Subscribes to the kernel and starts the first dump. state_changed is called once the model has been updated. links
 * must outlive the mirror. 0 or negative errno.
 */
int mirror_new(struct mirror **ret, sd_event *event, const struct watch_options *opt, struct links *links,
	       mirror_state_fn state_changed, void *user);
/* Starts the thread that asks the kernel, with the rights that are left. Without it no link is read again. */
void mirror_serve(struct mirror *m);
/* NULL is fine. */
void mirror_free(struct mirror *m);

/* The mirror's watch. */
struct watch *mirror_watch(const struct mirror *m);
/* Reads all links again, a little in each quiet turn of the loop; nothing when that is under way, or not in sync. */
void mirror_reread(struct mirror *m);
/* A reading is under way, of all links or of some. */
bool mirror_is_reading(const struct mirror *m);

struct mirror_stats {
	uint64_t silent_changes; /* links that differed without a message */
	struct reread_stats reread;
};
struct mirror_stats mirror_stats(const struct mirror *m);

#endif
