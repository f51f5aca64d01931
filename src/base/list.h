/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive, circular, doubly linked list. The head is a node of its own. */
#ifndef PORTSYNCD_LIST_H
#define PORTSYNCD_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* True if the node is in a list. Initialise nodes with list_init(). */
static inline bool list_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Takes the node out of its list; does nothing if it is in no list. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#endif
