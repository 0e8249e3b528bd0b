/* backlog: publications for a client that is behind, on their way to its queue.  Pure.
 * Here they can still be dropped, the oldest first, or give way to a newer one of the
 * same key; each drop is counted, and becomes one gap in the place of what is missing.
 *
 *   publication --> backlog --pop, when there is room--> out_queue --> client
 *                      `--drop--> gap of the next pop */
#pragma once

#include "common/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BACKLOG_CURSOR_ROOM = 48 };

/* What was dropped before a publication. */
struct backlog_gap {
    char from[BACKLOG_CURSOR_ROOM];   // the client has everything up to here; "": unknown
    char to[BACKLOG_CURSOR_ROOM];     // of the newest one that was dropped
    char cursor[BACKLOG_CURSOR_ROOM]; // what the client may show when it has seen the gap
    uint64_t count;                   // 0: there is no gap
};

struct backlog_item {
    const char
        *before; // cursor of the publication before; used when the backlog is empty
    const char *cursor; // of this one
    const void *key;    // of what it replaces; NULL: it replaces nothing
    size_t key_size;
};

struct backlog;

/* Takes the reference.  *self_p may be NULL: it is made.  Returns how many publications
 * gave way to this one: 0 or 1. */
size_t backlog_push(struct backlog **self_p, struct blob *blob,
                    const struct backlog_item *item);
/* The oldest one gives way.  False when only one is left: the newest is never dropped. */
bool backlog_drop(struct backlog *self);
/* The oldest one, with the caller's reference, and what was dropped before it.  NULL, and
 * *self_p becomes NULL, when it is empty. */
struct blob *backlog_pop(struct backlog **self_p, struct backlog_gap *gap);
/* Bytes that it holds, its own records included; NULL: 0. */
size_t backlog_bytes(const struct backlog *self);
void backlog_destroy(struct backlog **self_p);
