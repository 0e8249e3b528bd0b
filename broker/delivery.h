/* delivery: what one worker was sent and has not acknowledged.  Pure.  A delivery has the
 * number that its tag shows; the deliveries of one channel are chained in the order of
 * seq, because the edge is told only that everything up to a seq is processed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;

enum { DELIVERIES_MAX = 32768 }; // span from the oldest open one to the newest

struct delivery {
    struct channel *channel; // NULL: the channel moved or is gone
    uint64_t seq;
    uint64_t after;  // number of the channel's next one, 0: none yet
    int64_t sent_ms; // when
    bool counted;    // in the worker's window
    bool done;
    bool closes; // it is the CLOSE of the channel
};

struct deliveries {
    struct delivery *slot; // room of them, by number modulo room
    size_t room;           // a power of two, or 0
    uint64_t first, next; // held: first <= number < next; first is open, or equal to next
};

void deliveries_init(struct deliveries *self);
void deliveries_clear(struct deliveries *self);
bool deliveries_is_full(const struct deliveries *self);
/* The new one is zeroed; valid until the next call of this function.  Must not be full.
 */
struct delivery *deliveries_add(struct deliveries *self, uint64_t *number_out);
/* NULL for a number that is not held. */
struct delivery *deliveries_at(const struct deliveries *self, uint64_t number);
/* Forgets the oldest ones that are done. */
void deliveries_trim(struct deliveries *self);
