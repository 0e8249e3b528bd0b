/* sequence: the positions of the broker, and what waits for its turn to be delivered.
 * Pure.
 *
 * A number is given out to each publication and to each SEND to a session; they are
 * delivered in this order.  What may be delivered at once is not put in here.  What has
 * to wait, because it must be stored first, or its position is not leased yet, stands in
 * a queue, and everything with a higher number behind it. */
#pragma once

#include "broker/keeper.h"
#include "broker/list.h"

enum {
    SEQUENCE_LEASE = 10000,  // positions in a block
    SEQUENCE_POSITION = 40,  // bytes of one as text, NUL included
    SEQUENCE_HOLES_MAX = 16, // the two nearest become one beyond
};

/* Inside of what waits. */
struct waiting {
    struct link order;
    uint64_t g;
    size_t bytes; // that it takes
    bool durable; // it has to be stored first
    int result;   // negative: it will never be stored
    /* Its turn has come, or never will: it is the callee's then. */
    void (*deliver)(void *context, struct waiting *self);
};

/* Positions of which it is not known what was stored; both ends are in it. */
struct hole {
    uint64_t from, to;
};

struct sequence {
    char epoch[17];
    uint64_t next;               // the first that was not given out
    uint64_t delivered;          // all up to here were delivered, or never will be
    uint64_t leased;             // the last that may be delivered
    uint64_t asked;              // the last for which a lease was asked for
    uint64_t stored;             // all up to here are stored
    const struct keeper *keeper; // NULL: nothing has to be leased or stored
    struct link queue;
    size_t bytes, limit;                  // of what waits
    struct hole hole[SEQUENCE_HOLES_MAX]; // in order
    size_t holes;
};

void sequence_init(struct sequence *self, uint64_t epoch, size_t limit);
void sequence_text(const struct sequence *self, uint64_t g, char out[SEQUENCE_POSITION]);
/* A position of this epoch: 0.  -ESTALE for another epoch; -EPROTO for what is none. */
int sequence_read(const struct sequence *self, struct wire_text text, uint64_t *g_out);
bool sequence_is_position(struct wire_text text);

/* Gives out the next number. */
uint64_t sequence_take(struct sequence *self);
/* May this number, which was taken last, be delivered now?  It counts as delivered then.
 */
bool sequence_is_due(struct sequence *self, uint64_t g);
/* It will not be delivered. */
void sequence_skip(struct sequence *self, uint64_t g);
bool sequence_has_room(const struct sequence *self, size_t bytes);
/* It waits; g, bytes, durable and deliver are set. */
void sequence_wait(struct sequence *self, struct waiting *waiting);

/* After a start with a store. */
void sequence_restore(struct sequence *self, const struct keeper_start *start);
void sequence_add_hole(struct sequence *self, uint64_t from, uint64_t to);
/* What the store says; delivers whose turn has come. */
void sequence_stored(struct sequence *self, uint64_t g, int result, void *context);
void sequence_leased(struct sequence *self, uint64_t to, void *context);
/* The end: nobody waits any more, with this result. */
void sequence_give_up(struct sequence *self, int result, void *context);
