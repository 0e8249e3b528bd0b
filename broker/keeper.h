/* keeper: how the core and what makes history durable speak with each other.  The door
 * (store.h) fills one table, main the other; tests fill both with recorders. */
#pragma once

#include "common/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* A message as history holds it; everything is borrowed during the call. */
struct kept {
    uint64_t g;     // its position, never 0
    int64_t age_ms; // since it was published; 0 when it is new
    int64_t ttl_ms; // 0: none of its own
    bool binary;
    bool durable; // it is delivered only when it is stored
    struct wire_text topic;
    struct wire_text collapse; // .data NULL: none
    struct wire_text except;   // channel that does not get it; .data NULL: none
    struct wire_text key;      // idempotency key; .data NULL: none
    struct wire_text payload;
};

/* What the core asks for; no function waits for a disk.  A topic's mark is the newest
 * position of it that is not held. */
struct keeper {
    void *context;
    /* The message is held from now on: 0.  -ENOBUFS when too much waits for the disk,
     * -ENOSPC or another errno of the disk while nothing can be stored: it is not held.
     */
    int (*keep)(void *context, const struct kept *message);
    /* This message is not held any more; the mark is at least g. */
    void (*trim)(void *context, struct wire_text topic, uint64_t g);
    /* The mark of the topic is g; what is held of it stays. */
    void (*lose)(void *context, struct wire_text topic, uint64_t g);
    /* The topic is evicted, after all its messages were: its mark counts for all topics
     * without one. */
    void (*forget)(void *context, struct wire_text topic);
    /* Positions up to `to` are wanted; `leased` answers. */
    void (*lease)(void *context, uint64_t to);
};

/* What was found at the start, before anything else happens. */
struct keeper_start {
    uint64_t epoch;
    uint64_t next;      // the first free position
    uint64_t leased_to; // the last position that may be used
    uint64_t forgotten; // the mark of topics without one
};

/* What is told to the core. */
struct keeper_events {
    void *context;
    /* Only at the start, in this order.  A hole: of these positions, both included, it is
     * not known what was stored. */
    void (*start)(void *context, const struct keeper_start *start);
    void (*hole)(void *context, uint64_t from, uint64_t to);
    void (*topic)(void *context, struct wire_text topic, uint64_t mark);
    void (*message)(void *context, const struct kept *message); // by g
    /* 0: all messages up to g are stored.  Negative: the durable ones up to g that are
     * not stored will never be; the others are, as soon as the disk allows. */
    void (*stored)(void *context, uint64_t g, int result);
    /* 0: positions up to `to`, perhaps more than were wanted, may be used.  Negative:
     * they may not; it is tried again. */
    void (*leased)(void *context, uint64_t to, int result);
};
