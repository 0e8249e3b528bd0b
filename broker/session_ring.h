/* session_ring: what was sent to a session and its client does not have for sure, so that
 * it can be repeated.  Pure.  Each ring has a limit, and all rings together have one;
 * what goes first is the oldest, and `lost` says that it is gone. */
#pragma once

#include "broker/list.h"
#include "common/blob.h"
#include "common/wire.h"

#include <stdint.h>

/* All rings: their entries in the order in which they were added. */
struct session_rings {
    struct link entries; // oldest first
    size_t bytes;
    size_t limit_each, limit_all; // bytes
    int64_t age_ms;
    uint64_t dropped; // entries that were not seen, so far
};

struct session_ring {
    struct session_rings *all;
    struct link entries; // oldest first
    size_t bytes;
    uint64_t lost; // number of the newest entry that is not held any more
};

struct session_entry {
    struct session_ring *ring;
    struct link of_ring, of_all;
    uint64_t number; // its position
    int64_t at_ms;   // when it was added
    struct blob *payload;
    size_t options_size;
    char options[]; // words with a space before each, as they were sent; NUL-terminated
};

void session_rings_init(struct session_rings *self, size_t limit_each, size_t limit_all,
                        int64_t age_ms);
/* Forgets what is too old. */
void session_rings_expire(struct session_rings *self, int64_t now_ms);

void session_ring_init(struct session_ring *self, struct session_rings *all);
void session_ring_clear(struct session_ring *self);
/* Numbers grow.  0; -EMSGSIZE for what no ring can hold, which counts as lost then;
 * -ENOMEM likewise. */
int session_ring_add(struct session_ring *self, uint64_t number, struct wire_text options,
                     struct wire_text payload, int64_t now_ms)
    __attribute__((warn_unused_result));
/* The client has all up to here. */
void session_ring_seen(struct session_ring *self, uint64_t number);
/* The first entry with a higher number; NULL when there is none.  Borrowed. */
const struct session_entry *session_ring_after(const struct session_ring *self,
                                               uint64_t number);
