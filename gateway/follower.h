/* follower: how far one channel has come in its topics, and whether it takes what is
 * published now or waits for what it missed.  Pure.
 *
 *              topics live, nothing missed
 *   WAITING ----------------------------------> LIVE <--LIVE-- ASKED
 *     |  ^---the broker forgot us--- (from all)   |              ^ |
 *     |                              lost, paused |              | | LIVE more=1,
 *     `----topics live, something missed----------+-- drained ---' | the queue is full
 *                                                 `---> BEHIND <---'
 *
 * Everything reaches the gateway in one pipe, in the order of the positions.  A follower
 * that is LIVE takes a publication if it stands behind its cursor, so it takes each once,
 * however many of its topics match.  One that is not LIVE takes nothing but the answer to
 * its newest HGET: docs/protocol/1-bus.md section 5.4. */
#pragma once

#include "gateway/cursor.h"
#include "gateway/slow_policy.h"

struct channel;
struct subscription;

enum follower_state { FOLLOWER_WAITING, FOLLOWER_ASKED, FOLLOWER_BEHIND, FOLLOWER_LIVE };

struct follower {
    struct channel *channel;
    struct subscription *subscriptions;            // the hub's
    struct follower *next_session, **session_link; // of the hub's list of carriers
    struct cursor cursor; // the last that was delivered; no position: not begun
    struct cursor before; // the one before it
    uint32_t asked;       // number of the newest HGET
    uint32_t count;       // subscriptions
    uint32_t not_live;    // those of which the broker has not told the top
    uint16_t limit;       // messages of one HGET
    uint8_t state;        // enum follower_state
    bool by_route;        // the client is told cursors
    bool has_begun;       // ... and was told the first
    bool stays;           // without subscriptions too, as long as its channel
    enum slow_policy slow : 8;
    bool is_session;            // the carrier of one
    uint32_t excepted, reached; // number of the newest set of that it is
};

/* A publication that is delivered now: is it for this one?  Moves the cursor. */
bool follower_takes(struct follower *self, const struct cursor *position);
/* A HGET goes out: its number. */
uint32_t follower_asks(struct follower *self);
/* Is this an answer to the newest HGET? */
bool follower_expects(const struct follower *self, uint64_t asked);
/* A message of the answer; false: it stands before the cursor. */
bool follower_takes_old(struct follower *self, const struct cursor *position);
/* The end of the answer. */
void follower_reaches(struct follower *self, const struct cursor *position, bool more);
/* Where it has to go on from cannot be delivered now: wait until the queue has drained.
 */
void follower_falls_behind(struct follower *self);
/* The broker has to hear of every topic again. */
void follower_waits(struct follower *self);
