/* list: circular doubly linked lists whose links live inside the objects.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev, *next; // both the link itself when it is in no list
};

/* The object around a link. */
#define list_item(link, type, field)                                                     \
    ((type *)(void *)((char *)(link)-offsetof(type, field)))

/* Makes an empty list, or a link that is in none. */
static inline void list_init(struct link *self)
{
    self->prev = self->next = self;
}

static inline bool list_is_empty(const struct link *list)
{
    return list->next == list;
}

/* Is this link in a list? */
static inline bool list_has(const struct link *link)
{
    return link->next != link;
}

/* The link must be in no list. */
static inline void list_append(struct link *list, struct link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* May be called for a link that is in no list. */
static inline void list_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* NULL when empty. */
static inline struct link *list_first(const struct link *list)
{
    return list->next == list ? NULL : list->next;
}

/* Takes the first one out; the list must not be empty. */
static inline struct link *list_pop(struct link *list)
{
    struct link *first = list->next;
    list->next = first->next;
    first->next->prev = list;
    list_init(first);
    return first;
}

/* NULL after the last. */
static inline struct link *list_after(const struct link *list, const struct link *link)
{
    return link->next == list ? NULL : link->next;
}
