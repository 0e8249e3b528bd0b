/* play: sessions in the core of the broker between played edges, workers and clients,
 * with a clock of its own; sim_session.c says what must hold. */
#pragma once

#include "broker/session_core.h"
#include "tests/sim/sim_common.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PLAY_EDGES = 3,
    PLAY_WORKERS = 3,
    PLAY_CLIENTS = 8,
    PLAY_CARRIERS = 400, // of one edge in one run
    PLAY_EVENTS = 64,    // of one carrier
    PLAY_STEPS = 1200,   // with faults
    PLAY_CALM_STEPS = 4000,
    PLAY_RUNS = 100,
    PLAY_LEASE_MS = 5000,
    PLAY_GRACE_MS = 20000,
    PLAY_NAME = 48,
};

/* One connection: what is on its way. */
struct play_pipe {
    uint64_t peer;
    struct sim_queue to_core, to_peer;
};

struct play_event {
    char verb[8];
    uint64_t n; // of a message; 0: none
    unsigned k; // which message it is
    char rest[24];
};

struct play_carrier {
    char id[PLAY_NAME], mode[8];
    int client;
    uint64_t last, acked, att, ask;
    struct play_event event[PLAY_EVENTS];
    bool bound, live, dropped, over, gone, ws;
};

struct play_copy {
    bool held;
    uint64_t att, up, older;
    char position[40], worker[16];
    int64_t until_ms; // 0: while its carrier is there
};

struct play_edge {
    char epoch[17], boot[17];
    struct play_pipe pipe;
    uint64_t lastc;
    bool joined;
    int64_t hello_ms, beat_ms;
    int carriers;
    struct play_carrier carrier[PLAY_CARRIERS];
    struct play_copy copy[PLAY_CLIENTS];
};

struct play_client {
    char sid[PLAY_NAME];
    bool counts, begun, over;
    int edge, carrier; // where it is; -1: nowhere
    unsigned said;     // messages so far
    uint64_t n_acked;  // of a client that counts
    char cursor[40];
    unsigned got;         // newest message to it
    bool gap;             // it was told of one since
    unsigned sent, taken; // messages to it; newest that the broker took
    bool took[4000];
    /* Of the checks. */
    unsigned handled; // newest message that a worker handled
    bool lost;        // LOST since
    bool closed;      // a worker was told
    /* Of one life of the broker. */
    unsigned boot;
    uint64_t open_seq, close_seq; // 0: it has said no such thing
    uint64_t text_seq;            // of its newest message
    unsigned text;                // that one
};

struct play_seen {
    bool open, closed;
    uint64_t seq;
    char origin[PLAY_NAME + 24]; // o= of the newest message
    uint64_t n;
};

struct play_debt {
    char tag[WORKER_TAG_MAX];
};

struct play_worker {
    struct play_pipe pipe;
    bool named;
    char boot[17];
    int64_t joined_ms, check_ms;
    struct play_seen seen[PLAY_CLIENTS];
    struct play_debt debt[512];
    size_t debts;
};

struct play {
    uint64_t seed, random, peers, steps;
    int64_t now_ms, tick_ms, down_ms;
    struct core *core;
    unsigned boots; // lives of the broker
    unsigned full;  // one in so many records to an edge finds no room; 0: none
    struct play_edge edge[PLAY_EDGES];
    struct play_worker worker[PLAY_WORKERS];
    struct play_client client[PLAY_CLIENTS];
    struct play_pipe sender;
    uint64_t handled, received, faults;
    struct sim_doctor doctor;
};

/* play_world.c */
unsigned play_draw(struct play *self, unsigned below);
bool play_chance(struct play *self, unsigned one_in);
void play_trace(const struct play *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void play_empty(struct play_pipe *pipe);
void play_connect(struct play *self, struct play_pipe *pipe);
void play_say(struct play *self, struct play_pipe *pipe, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The text in an array of `room` characters, cut off if it is longer. */
void play_text(char *out, size_t room, struct wire_text text);
/* The number that is the payload; 0: none. */
unsigned play_number(const struct wire_record *record);
/* -1: of none. */
int play_client_of(struct play *self, struct wire_text sid);
void play_start_broker(struct play *self);
void play_stop_broker(struct play *self);
/* The core takes up to so many messages. */
void play_core_takes(struct play *self, unsigned most);

/* play_edge.c */
void play_edge_start(struct play *self, int edge);
void play_edge_die(struct play *self, int edge);
void play_edge_turn(struct play *self, int edge);
/* A carrier for a client; NULL when there are too many. */
struct play_carrier *play_open(struct play *self, int edge, int client, const char *mode,
                               bool ws);
/* An event of it: a message has a k, and an n if its client counts. */
void play_event(struct play *self, int edge, struct play_carrier *carrier,
                const struct play_event *event);

/* play_worker.c */
void play_worker_start(struct play *self, int worker);
void play_worker_turn(struct play *self, int worker);

/* play_check.c: each says what is wrong with the seed, and ends the process. */
void play_fail(const struct play *self, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
/* The core sends this to a worker. */
void play_delivered(struct play *self, const struct wire_record *record);
/* A worker carries out, for the first time that it hears of it, a message; a LOST; a
 * CLOSE. */
void play_handled(struct play *self, int client, unsigned k);
void play_lost(struct play *self, int client);
void play_closed(struct play *self, int client);
/* A client gets a message. */
void play_received(struct play *self, int client, unsigned k);
/* All has come that will come; then, all has ended. */
void play_check_quiet(const struct play *self);
void play_check_end(const struct play *self);

/* sim_session.c */
/* Its carrier is no more, and no other one is there yet. */
void play_away(struct play *self, int client);
/* The carrier serves: the client says what was not acknowledged again. */
void play_bound(struct play *self, int edge, struct play_carrier *carrier);
