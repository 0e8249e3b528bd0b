/* session_carrier: a channel of an edge that brings a client to its session: which of its
 * events wait for which event of the session, and what its edge is still to be told.
 * Pure.
 *
 *   WAITING --the session is known--> BOUND <--HGET, LIVE--> LIVE     (mode=post:
 * POSTING)
 *       `--DROP--> DROPPED <-- any       `--a newer one--> SUPERSEDED <--'
 */
#pragma once

#include "broker/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum carrier_mode { CARRIER_NEW, CARRIER_JOIN, CARRIER_POST };

enum carrier_state {
    CARRIER_WAITING,    // nobody knows its session yet
    CARRIER_BOUND,      // it serves, and is behind: a replay comes first
    CARRIER_LIVE,       // it serves, and gets what is sent as it comes
    CARRIER_POSTING,    // it brings a message
    CARRIER_SUPERSEDED, // what it still has goes first
    CARRIER_DROPPED,    // of no use: what it sends is thrown away
};

/* Its events on the way to the session. */
enum carrier_flow {
    CARRIER_FLOWS,
    CARRIER_PARKED, // dropped for now: it is not their turn, or there is no room
    CARRIER_ASKED,  // its edge was asked for them
};

/* What is to be sent to its edge. */
enum carrier_due {
    CARRIER_DUE_DROP = 1, // in the order in which it goes
    CARRIER_DUE_BIND = 2,
    CARRIER_DUE_UP = 4,
    CARRIER_DUE_MORE = 8,
    CARRIER_DUE_CLOSE = 16,
    CARRIER_DUE_RESEND = 32,
};

struct carrier {
    struct channel *channel; // what it is on the edge port
    struct session *session; // NULL: none, or none any more
    struct link of_session;  // the session's carriers
    struct link due_place;   // those that are due
    uint64_t att;            // 0: none
    uint64_t waits_n;        // the message that it has, when its turn is not yet; 0: none
    bool closed;             // its CLOSE was taken
    bool lost_after;         // a later one died: LOST comes after what this one has
    unsigned due;            // of enum carrier_due
    const char *reason;      // of its DROP; a literal
    char *as;                // as it was announced
    enum carrier_mode mode;
    enum carrier_state state;
    enum carrier_flow flow;
    /* For each of its events that is not acknowledged, from the oldest on: the event of
     * the session after which it is. */
    uint64_t *needs;
    size_t count, room;
    char sid[SESSION_ID_SIZE + 1];
};

struct carrier *carrier_new(struct channel *channel, enum carrier_mode mode);
/* Out of all lists. */
void carrier_destroy(struct carrier **self_p);
/* Its next event was taken, and is acknowledged with this event of the session. */
void carrier_needs(struct carrier *self, uint64_t seq);
/* The session's events up to seq are processed: how many of the oldest events of the
 * carrier are so too?  They are forgotten. */
size_t carrier_acknowledge(struct carrier *self, uint64_t seq);
/* It serves its session, or brings it messages: is it not over? */
bool carrier_is_serving(const struct carrier *self);
