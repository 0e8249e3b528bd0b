/* core: the broker without sockets: one record in, any number of records out.  Pure: time
 * is an argument, output goes through a table of functions (output.h).
 *
 *   from edges --> from_edge.c --.                    .--> to_app
 *                                 > dispatch.c  nouns <
 *   from applications --> from_app.c, command.c --'    `--> to_edge
 */
#pragma once

#include "broker/history.h"
#include "broker/keeper.h"
#include "broker/output.h"

#include <stdbool.h>

struct core;

struct core_settings {
    int64_t edge_lease_ms, worker_lease_ms, ack_timeout_ms;
    size_t ring_records, ring_bytes; // of each edge
    size_t topics;                   // positions that are kept
    size_t edges, workers, services; // at a time
    size_t closes;                   // that wait for a worker
    size_t answers;                  // that are remembered
    size_t presence_members;         // of one topic
    size_t presence_total;           // of all
    size_t watches;                  // of all
    int64_t watch_lease_ms;          // WATCH is said again before
    size_t cast_lines;               // of one CAST
    size_t cast_channels;            // that one CAST names, exceptions too
    size_t sessions;                 // at a time
    int64_t session_grace_ms, session_ring_age_ms;
    size_t session_ring_bytes, session_rings_bytes; // of one, of all
    int64_t born_ms; // wall clock: later than in every earlier life
    struct history_settings history;
    size_t pending_bytes; // of publications that wait for the store
    uint64_t boot;        // random, new for each life
};

/* Why a record was dropped. */
enum core_drop {
    CORE_DROP_SYNTAX,  // breaks the grammar, or lacks a token
    CORE_DROP_SIZE,    // header or payload too long
    CORE_DROP_VERB,    // unknown verb
    CORE_DROP_VALUE,   // a token that is not allowed
    CORE_DROP_PEER,    // from an edge or worker that is not known
    CORE_DROP_CHANNEL, // of a channel that is not known
    CORE_DROP_REPEAT,  // an event that was passed on already
    CORE_DROP_WAITING, // an event for which there is no room: it is asked for again
    CORE_DROP_STALE,   // a tag or gen of the past
    CORE_DROP_TARGET,  // a command whose edge is gone or full
    CORE_DROP_DENIED,  // the key of the sender does not allow it
    CORE_DROPS,
};

/* Why a channel was told of a gap. */
enum core_gap {
    CORE_GAP_RESTART,  // its cursor is of another epoch
    CORE_GAP_RESET,    // or above every position
    CORE_GAP_HISTORY,  // what it lacks is not held
    CORE_GAP_STORE,    // it is not known what was stored
    CORE_GAP_OVERLOAD, // too long for the ring of its edge
    CORE_GAP_PATTERN,  // too many topics
    CORE_GAPS,
};

struct core_stats {
    uint64_t events, commands, publications, acks, resends, joins, hellos;
    uint64_t lost_edges, lost_workers, left_edges, left_workers;
    uint64_t pauses, lost_publications;
    uint64_t sessions_opened, sessions_ended, sessions_revived, sessions_lost;
    uint64_t replays, gaps[CORE_GAPS];
    uint64_t dropped[CORE_DROPS];
    /* Of the present moment, filled in by core_measure. */
    uint64_t edges, workers, services, channels, parked, topics, answers;
    uint64_t ring_records, ring_bytes;
    uint64_t sessions, sessions_attached, carriers;
    uint64_t session_ring_bytes, session_ring_dropped;
    uint64_t history_messages, history_bytes, history_evictions, pending_bytes;
};

/* The newest record that was denied; all "" before the first. */
struct core_denied {
    char key[AUTHORITY_NAME_MAX + 1]; // name of the sender's
    char verb[17];
    char subject[160]; // service, topic, channel or edge, as far as it fits
};

struct core *core_new(const struct core_settings *settings, const struct output *output,
                      int64_t now_ms);
void core_destroy(struct core **self_p);

/* Once before the records of a loop turn.  Never goes back.  A jump of more than 1.5 s is
 * a pause of our own: nobody is judged by it. */
void core_set_time(struct core *self, int64_t now_ms);
/* One frame each, with what its sender may do: authority, or that in `from`. */
void core_from_edge(struct core *self, const struct address *from,
                    struct wire_text frame);
void core_from_app(struct core *self, const struct address *from, struct wire_text frame);
void core_from_plain(struct core *self, const struct authority *authority,
                     struct wire_text frame);
void core_from_publisher(struct core *self, const struct authority *authority,
                         struct wire_text topic, struct wire_text payload);
/* What keys allow has changed: edges and workers go that may not be here any more. */
void core_authority_changed(struct core *self);
const struct core_denied *core_last_denied(const struct core *self);
/* Once after the records of a loop turn: acknowledgements, and what did not fit before.
 */
void core_turn(struct core *self);
/* Once a second, or five times in a shorter lease: heartbeats, leases, what waits. */
void core_tick(struct core *self);
/* Is something waiting for room in a connection?  core_turn should be called soon then.
 */
bool core_is_behind(const struct core *self);

/* Is anybody watching the tap? */
void core_set_tap(struct core *self, bool watched);
const struct core_stats *core_measure(struct core *self);
/* A word for each reason, for metrics. */
const char *core_drop_name(enum core_drop drop);
const char *core_gap_name(enum core_gap gap);

/* The store.  Without one, history lives as long as the process, and its epoch is the
 * boot id. */

/* Once, before any record, and before core_restore_start. */
void core_set_keeper(struct core *self, const struct keeper *keeper);
/* What struct keeper_events says, in its order. */
void core_restore_start(struct core *self, const struct keeper_start *start);
void core_restore_hole(struct core *self, uint64_t from, uint64_t to);
void core_restore_topic(struct core *self, struct wire_text topic, uint64_t mark);
void core_restore_message(struct core *self, const struct kept *message);
void core_stored(struct core *self, uint64_t g, int result);
void core_leased(struct core *self, uint64_t to, int result);
/* The first position that was not given out: what an orderly stop writes down. */
uint64_t core_next_position(const struct core *self);
