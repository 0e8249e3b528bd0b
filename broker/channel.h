/* channel: what the broker knows of one client's conversation.  Pure.
 *
 *              worker has room: RESEND from=                  the next event
 *   UNBOUND ------------------------------------> ASKED -----------------------> LIVE
 *    ^   |                                         ^ |                            | ^
 *    |   | it had a worker: gen + 1, RESEND tried= | | no room                    | |
 *    |   `--> MOVING --OPEN or ADOPT of that gen---+-+----------------------------|-'
 *    |                                             | v     window full            |
 *    |                                            PARKED <------------------------'
 *    `---- the worker dies, leaves or refuses it (from any state) */
#pragma once

#include "broker/list.h"
#include "broker/output.h"
#include "common/table.h"

#include <stdbool.h>

struct carrier;
struct edge;
struct label;
struct member;
struct service;
struct worker_name;

enum {
    CHANNEL_ID_MAX = 64 + 1 + 16 + 1 + 16,
};

enum channel_state {
    CHANNEL_UNBOUND, // no worker; in the queue of its service, or waits for a named
                     // worker
    CHANNEL_PARKED,  // in its worker's queue for room
    CHANNEL_ASKED, // RESEND is under way; the next event is taken, all others are dropped
    CHANNEL_MOVING, // the edge was asked to announce it again; events are dropped
    CHANNEL_LIVE,   // in step
};

struct channel {
    struct table_entry by_id;
    struct edge *edge;          // NULL: it is dead, the broker owes a CLOSE
    struct service *service;    // always
    struct member *member;      // its worker in that service; NULL when UNBOUND
    struct worker_name *wanted; // who it waits for, or NULL
    struct link place;          // member's channels, service's or name's queue
    struct link of_edge;        // the edge's channels
    struct link parked;         // its worker's queue, when PARKED
    struct link ack;            // the edge's acknowledgements, when there is one
    struct carrier *carrier;    // what it is to a session; NULL: a channel of its own
    struct label *label;        // that applications gave it, or NULL
    struct link of_label;       // the label's channels
    uint64_t last;              // newest event that was passed on, or is past
    uint64_t acked;             // all up to here is processed
    uint64_t tried;             // newest event that a former worker was sent
    uint64_t out_first;         // number of its oldest open delivery, 0: none
    uint64_t out_last;          // number of its newest one
    int64_t until_ms;           // avoid: until when; a dead edge: since when
    uint64_t told_c; // command that matters: RESEND when MOVING, ACK when finished
    uint32_t avoid;  // incarnation of the worker that refused it
    uint32_t gen;
    enum channel_state state : 8;
    bool ws : 1;        // a WebSocket
    bool announce : 1;  // a new worker needs OPEN or ADOPT first
    bool delivered : 1; // some worker has seen it
    bool touched : 1;   // its present worker was sent something
    bool closing : 1;   // its CLOSE was passed on
    bool named : 1;     // the edge was told the name of a worker
    bool finished : 1;  // its CLOSE is processed: goes with its acknowledgement
    bool unseen : 1;    // not announced yet in this resync
    bool shared : 1;    // other workers may have seen it, and more of it than we know
    bool cut : 1;       // a SEND was lost: nothing more goes to it but its end
    bool cut_due : 1;   // which is still to be sent
    bool uploading : 1; // its present worker has a BODY, and not yet the last one
    uint8_t id_size;
    char id[];
};

/* Is this an edge-name "." epoch "." counter? */
bool channel_id_is_valid(struct wire_text id);
bool channel_name_is_valid(struct wire_text name); // edge-name
bool channel_epoch_is_valid(struct wire_text epoch);
bool channel_counter_is_valid(struct wire_text counter);

struct channel *channel_find(const struct table *channels, struct wire_text id);
/* id must be valid and unknown.  UNBOUND, in no list. */
struct channel *channel_new(struct table *channels, struct wire_text id);
/* Out of all lists; its deliveries must have been taken away. */
void channel_destroy(struct table *channels, struct channel **self_p);
/* label.c: it has no label any more. */
void label_clear(struct channel *channel);
const char *channel_state_name(enum channel_state state);
