/* edge: the gateways that said HELLO: their commands on the way, and what belongs to
 * them. Pure.  docs/protocol/1-bus.md section 5.
 *
 *   (unknown) --HELLO--> attached <--HELLO / send failed--> detached --lease, BYE--> dead
 *      `--a command, soon after our start--> expected --HELLO--> attached
 */
#pragma once

#include "broker/command_ring.h"
#include "broker/list.h"
#include "broker/output.h"
#include "broker/pull.h"
#include "common/table.h"

#include <stdbool.h>

enum {
    EDGES_EXPECTED_MAX = 1000, // that commands wait for
    EDGE_ID_MAX = 64 + 1 + 16, // name.epoch
    EDGE_ASKS_MAX = 100000,    // commands whose answer is awaited
};

struct edge {
    struct table_entry by_id;
    struct table_entry by_peer;
    struct edges *all;
    uint64_t peer; // its records connection; 0: detached
    bool synced;   // everything it has was announced
    bool known;    // it was synced before, in this life of the broker
    bool expected; // it did not come yet in this life of the broker; commands wait for it
    bool met_before;                   // by an earlier life of the broker
    const struct authority *authority; // of the key that it greeted with
    struct command_ring ring;
    uint64_t cursor;       // the first command that the socket has not taken yet
    struct blob *welcome;  // goes before all commands; NULL: the socket has it
    int64_t heard_ms;      // last record on either connection
    struct link channels;  // all of them
    struct link acks;      // those with an acknowledgement to pass on
    struct link closed;    // those whose last acknowledgement is on its way
    struct link interests; // topics that it wants
    struct link lost;      // those of them that lost publications
    struct link presents;  // who is in topics by its word
    struct link sessions;  // of which it keeps the newest copy
    struct link announced; // sessions whose carrier it may still announce
    struct link held;      // commands that wait until it has announced everything
    size_t held_count, held_bytes;
    struct pulls pulls; // HGETs that are not answered yet
    uint64_t post;      // the newest publication that it wanted
    bool posted;        // and that fitted
    struct table asks;  // c -> question
    size_t ask_count;
    uint64_t sync_c;   // commands after this are behind what it announces
    uint64_t unsure_c; // answers to commands up to this may have been lost
    int64_t unsure_ms; // when they are given up; 0: there are none
    size_t channel_count;
    size_t cuts, cuts_due; // of these, channels that are cut
    uint8_t id_size;
    char id[EDGE_ID_MAX + 1]; // name.epoch
};

struct edges {
    const struct output *output;
    struct table by_id, by_peer;
    struct edge *recent; // of the last lookup by peer; is in both tables
    size_t count;
};

/* NULL when there is none. */
struct edge *edge_find(const struct edges *edges, const char *id, size_t size);
struct edge *edge_of_peer(struct edges *edges, uint64_t peer);
/* The edge that a channel id names: all before the last dot. */
struct edge *edge_of_channel(const struct edges *edges, struct wire_text channel);
/* The first edge of all, and the next one; NULL after the last. */
struct edge *edge_first(const struct edges *edges);
struct edge *edge_after(const struct edge *self);

/* size <= EDGE_ID_MAX; there must be none of this id. */
struct edge *edge_new(struct edges *edges, const char *id, size_t size);
/* An edge that is in no table and has no connection: the caller takes its commands from
 * its ring. */
struct edge *edge_new_apart(const char *id);
/* Channels, interests and questions must have been taken away before. */
void edge_destroy(struct edge **self_p);
/* This peer is the edge's records connection now. */
void edge_attach(struct edge *self, uint64_t peer);
void edge_detach(struct edge *self);

/* The answer to its HELLO, which must not be lost: its turn comes before all commands. */
void edge_welcome(struct edge *self, const struct wire_header *header);
/* Begin a numbered command: the verb and its c. */
void edge_begin(const struct edge *self, struct wire_header *header, const char *verb);
void edge_begin_text(const struct edge *self, struct wire_header *header,
                     struct wire_text verb);
/* Number it, keep it, send it if its turn has come.  0, -ENOBUFS when the ring is full,
 * -EMSGSIZE when the header is too long. */
int edge_commit(struct edge *self, const struct wire_header *header,
                struct wire_text payload, enum command_share share)
    __attribute__((warn_unused_result));
/* Send what the socket did not take before. */
void edge_flush(struct edge *self);
bool edge_is_behind(const struct edge *self);
/* A record without a number; lost when the connection does not take it. */
void edge_say(struct edge *self, const struct wire_header *header);
