/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "base/timer.h"
#include "base/util.h"

#define STACK_BYTES (256U * 1024)
#define NAMES_MAX 8 /* three databases have no more */
#define LATE_USEC (2 * USEC_PER_SEC)
#define LATE_ACCURACY_USEC (100 * USEC_PER_MSEC)

struct host_query {
	size_t name; /* which of the names it is about */
	char host[LOOKUP_HOST_BYTES];
};

struct answer {
	size_t name;
	int error, system_error; /* getaddrinfo(3) */
	struct endpoint found;
};

struct name {
	char host[LOOKUP_HOST_BYTES]; /* "": none */
	struct list waiters;
	bool asked;
};

struct lookup {
	int ours, theirs; /* the thread's, once it was started */
	sd_event_source *io, *late;
	struct name names[NAMES_MAX];
};

/* ---- the thread ---- */

static void look_up(const struct host_query *question, struct answer *answer)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	*answer = (struct answer){.name = question->name};
	answer->error = getaddrinfo(question->host, NULL, &hints, &found);
	answer->system_error = errno;
	if (answer->error != 0)
		return;
	endpoint_take(&answer->found, found);
	freeaddrinfo(found);
}

/* The thread: answers until the other end is closed. */
static void *run(void *user)
{
	int fd = (int)(intptr_t)user;
	struct host_query question;
	struct answer answer;

	thread_name_self("lookup");
	thread_step_back();
	while (recv(fd, &question, sizeof(question), 0) == (ssize_t)sizeof(question)) {
		look_up(&question, &answer);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	close_fd(&fd);
	return NULL;
}

/* ---- the loop's side ---- */

static void deliver(struct lookup_waiter *w, const struct answer *answer)
{
	char why[128];

	if (answer->error == 0) {
		endpoint_renew(w->endpoint, &answer->found);
		w->fn(LOOKUP_FOUND, NULL, w->user);
		return;
	}
	(void)snprintf(why, sizeof(why), "its host name cannot be looked up: %s",
		       answer->error == EAI_SYSTEM ? strerror(answer->system_error) : gai_strerror(answer->error));
	w->fn(LOOKUP_FAILED, why, w->user);
}

/* A waiter that asks again from its callback waits for the next answer. */
static void take_answer(struct lookup *l, const struct answer *answer)
{
	struct name *name = &l->names[answer->name];
	struct list answered;

	name->asked = false;
	list_init(&answered);
	while (!list_empty(&name->waiters)) {
		struct list *first = name->waiters.next;

		list_remove(first);
		list_append(&answered, first);
	}
	while (!list_empty(&answered)) {
		struct list *first = answered.next;

		list_remove(first);
		deliver(container_of(first, struct lookup_waiter, link), answer);
	}
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct lookup *l = user;
	struct answer answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);

	if (n == (ssize_t)sizeof(answer))
		take_answer(l, &answer);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* there is no thread */
	(void)events;
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *user)
{
	struct lookup *l = user;

	(void)source;
	(void)usec;
	for (size_t i = 0; i < NAMES_MAX; i++)
		for (struct list *at = l->names[i].waiters.next; at != &l->names[i].waiters; at = at->next) {
			const struct lookup_waiter *w = container_of(at, struct lookup_waiter, link);

			w->fn(LOOKUP_LATE, "its host name is still being looked up", w->user);
		}
	return 0;
}

static struct name *find_name(struct lookup *l, const char *host)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *name = &l->names[i];

		if (name->host[0] == '\0')
			(void)snprintf(name->host, sizeof(name->host), "%s", host);
		if (strcmp(name->host, host) == 0)
			return name;
	}
	return NULL;
}

static int put_question(struct lookup *l, struct name *name)
{
	struct host_query question = {.name = (size_t)(name - l->names)};

	memcpy(question.host, name->host, sizeof(question.host));
	if (send(l->ours, &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	name->asked = true;
	timer_start(l->late, LATE_USEC);
	return 0;
}

int lookup_ask(struct lookup *l, struct lookup_waiter *waiter)
{
	struct name *name = find_name(l, waiter->endpoint->host);
	int r;

	if (!name)
		return -ENOSPC;
	r = name->asked ? 0 : put_question(l, name);
	if (r >= 0)
		list_append(&name->waiters, &waiter->link);
	return MIN(r, 0);
}

void lookup_cancel(struct lookup_waiter *waiter)
{
	list_remove(&waiter->link);
}

/* ---- building ---- */

int lookup_start(struct lookup *l)
{
	pthread_t thread;
	int r = thread_start(&thread, STACK_BYTES, run, (void *)(intptr_t)l->theirs);

	if (r < 0)
		return r;
	l->theirs = -1;
	(void)pthread_detach(thread);
	return 0;
}

static int build(struct lookup *l, sd_event *event)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	l->ours = pair[0];
	l->theirs = pair[1];
	r = sd_event_add_io(event, &l->io, l->ours, EPOLLIN, on_answer, l);
	if (r >= 0)
		r = timer_add(&l->late, event, LATE_ACCURACY_USEC, on_late, l);
	return MIN(r, 0);
}

int lookup_new(struct lookup **ret, sd_event *event)
{
	struct lookup *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->ours = l->theirs = -1;
	for (size_t i = 0; i < NAMES_MAX; i++)
		list_init(&l->names[i].waiters);
	r = build(l, event);
	if (r < 0) {
		lookup_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	sd_event_source_disable_unref(l->io);
	sd_event_source_disable_unref(l->late);
	close_fd(&l->ours);
	close_fd(&l->theirs);
	free(l);
}
