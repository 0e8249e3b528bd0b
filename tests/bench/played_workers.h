/* played_workers: workers that acknowledge all they get, and count by channel what that
 * is. They run in the thread that calls them. */
#pragma once

#include "tests/bench/played_edges.h"

enum { PLAYED_WORKERS_MAX = 16 };

struct played_worker;

struct played_workers {
    void *context; // of ZeroMQ
    unsigned count;
    struct played_worker *worker[PLAYED_WORKERS_MAX];
    unsigned edges, channels;        // channels of each edge
    uint8_t *opens, *closes;         // of each channel: how often it came, at most 255
    bool *adopted;                   // since the last reset
    uint64_t joined;                 // workers that were told JOINED
    uint64_t opened, closed, adopts; // channels that have come at least once
    uint64_t records;                // all of them
    uint64_t strangers;              // records of channels that do not exist
    int64_t close_ns; // when the newest channel was closed, CLOCK_MONOTONIC
};

/* `count` workers of PLAYED_SERVICE with a window of `window`. */
struct played_workers *played_workers_new(const char *endpoint, unsigned count,
                                          unsigned window);
void played_workers_destroy(struct played_workers **self_p);
/* Which channels there will be. */
void played_workers_expect(struct played_workers *self, unsigned edges,
                           unsigned channels);
/* Waits at most timeout_ms for records and takes those that there are. */
void played_workers_turn(struct played_workers *self, int timeout_ms);
/* Before the broker is taken away: JOINED and ADOPT are counted anew. */
void played_workers_reset(struct played_workers *self);
/* How many channels did not get exactly this many? */
uint64_t played_workers_wrong(const struct played_workers *self, const uint8_t *counts,
                              unsigned each);
