/* sim: the core of the broker between played edges and applications, in one process, with
 * a clock of its own.  What happens next is drawn from a seeded generator: messages,
 * faults, turns of each part.  What must hold is checked at each step (sim_check.c).
 *
 *   sim_edge --pipe--> core --pipe--> sim_app        a pipe holds what is under way, may
 * be
 *            <--------      <--------                cut, full, or dead without being
 * known */
#pragma once

#include "broker/dispatch.h"
#include "tests/sim/sim_common.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    SIM_EDGES = 3,
    SIM_APPS = 4,
    SIM_CHANNELS = 400, // of one run
    SIM_EVENTS = 40,    // of one channel, its CLOSE included
    SIM_SENDS = 4000,   // of one run
    SIM_POSTS = 20000,  // publications of one run
    SIM_FOLLOWERS = 12, // clients that follow topics
    SIM_LINES = 3,      // subscriptions of one
    SIM_GAPS = 400,     // that one is told of in one epoch
    SIM_PIPES = 64,     // at a time
    SIM_ID = 48,
    SIM_LEASE_MS = 5000,
    SIM_ACK_MS = 30000,
    SIM_ORPHAN_MS = 60000,
    SIM_GRACE_MS = 20000,
};

/* One connection.  Cut: what is on its way to the core may still arrive, what the core
 * sends is lost without a word until that is done. */
struct sim_pipe {
    uint64_t peer; // 0: free
    bool cut;
    bool to_edges;
    struct sim_queue to_core, to_peer;
};

enum sim_verb { SIM_OPEN, SIM_TEXT, SIM_BODY, SIM_SLOW, SIM_CLOSE };

struct sim_event {
    enum sim_verb verb;
    uint8_t tries;
    bool handled;   // by some application
    bool discarded; // its edge gave it up
};

/* What an edge knows of a channel, and what the checks know of it. */
struct sim_channel {
    char id[SIM_ID];
    int edge;
    unsigned life; // of the edge
    int service;
    uint32_t gen;
    bool ws, forgotten;
    char bound[16];
    uint64_t last, acked;
    struct sim_event event[SIM_EVENTS + 1]; // by seq
    /* Of the checks. */
    uint64_t holder;      // peer that was sent the newest event, 0: none
    uint32_t holder_inc;  // its incarnation
    uint64_t sent;        // seq of that event
    unsigned holder_boot; // life of the broker that sent it
    bool moving;          // its edge was asked to announce it again
    uint64_t asked_gen;   // under this gen
    unsigned asked_boot;  // by this life of the broker
    bool moved;           // the holder was told that it lost it
    bool opened;          // some application knows of it
    bool edge_died;
    unsigned boot_at_death; // life of the broker then; 0: it did not know the channel
    bool close_done;        // the core has taken the acknowledgement of its CLOSE
    unsigned closes;        // CLOSEs that applications handled
    bool returned; // its edge came back after the broker that had closed it was gone
    unsigned boot_of_made; // life of the broker that closed it for its edge, 0: none
};

enum sim_state { SIM_AWAY, SIM_GREETING, SIM_JOINED };

struct sim_edge {
    unsigned life;
    char epoch[17], boot[17];
    enum sim_state state;
    uint64_t records, pulses; // peers
    uint64_t lastc;
    bool was_joined, unlinked;
    int64_t heard_ms, away_ms, hello_ms, beat_ms, stopped_ms;
};

struct sim_seen {
    uint64_t seq; // newest event that this process handled
    bool open, closed, was;
};

struct sim_debt {
    char tag[WORKER_TAG_MAX];
    int channel;
    uint64_t seq;
};

struct sim_app {
    unsigned process; // counts lives
    uint64_t peer;
    int64_t leave_ms; // when it gives up on waiting for LEFT
    char name[8];     // "": none
    char boot[17];
    char inc[9];
    int service;
    unsigned window;
    bool pressure, hung, leaving, must_join;
    int64_t said_ms, stopped_ms, check_ms;
    struct sim_seen seen[SIM_CHANNELS];
    struct sim_debt debt[1024];
    size_t debts;
    int question; // send that waits for its answer, or -1
    int64_t asked_ms, question_ms;
};

/* A SEND of an application. */
struct sim_send {
    int app;
    unsigned process;
    int channel;
    bool asks;      // with id=
    bool taken;     // by the core, for an edge that it knew
    bool refused;   // and the sender was told
    bool known;     // to the core: its channel
    bool answered;  // OK
    bool arrived;   // at its edge
    unsigned times; // that the edge carried it out
    unsigned boot;  // life of the broker that took it
    uint64_t peer;  // connection on which it was sent first
};

/* A publication that the core delivered. */
struct sim_post {
    unsigned boot; // life of the broker
    uint64_t g;
    char topic[12];
};

struct sim_gap {
    uint64_t from, to;
    char line[12]; // "": of any topic
};

enum sim_follow { SIM_ASKS, SIM_ASKED, SIM_LIVE };

/* A client that follows topics over whatever edge, with one cursor. */
struct sim_follower {
    int edge;
    unsigned channel; // of its connection
    enum sim_follow state;
    unsigned asks; // n= of the newest HGET
    const char *line[SIM_LINES];
    unsigned boot; // epoch of its cursor
    uint64_t at;   // its cursor
    uint64_t got;  // its newest publication
    struct sim_gap gap[SIM_GAPS];
    int gaps;
};

struct sim {
    uint64_t seed, random;
    int64_t now_ms, tick_ms;
    struct core *core;
    unsigned boot; // lives of the broker, from 1
    uint64_t peers;
    struct sim_pipe pipe[SIM_PIPES];
    struct sim_edge edge[SIM_EDGES];
    struct sim_app app[SIM_APPS];
    struct sim_channel channel[SIM_CHANNELS];
    int channels;
    struct sim_send send[SIM_SENDS];
    int sends;
    struct sim_post post[SIM_POSTS];
    int posts;
    struct sim_follower follower[SIM_FOLLOWERS];
    unsigned connections;       // that followers had
    char epoch[1000][17];       // of each life of the broker
    uint64_t followed, told;    // publications and gaps that followers got
    int sending;                // index of the SEND that the core is taking, or -1
    bool calm;                  // no more faults
    int64_t down_ms, frozen_ms; // the broker is dead, or stopped, until then
    unsigned full;  // one in so many sends to an edge finds a full pipe; 0: none
    uint64_t ring;  // records
    uint64_t steps; // so far
    uint64_t delivered, faults;
    struct sim_doctor doctor;
};

/* sim_bus.c */
unsigned sim_draw(struct sim *self, unsigned below);
bool sim_chance(struct sim *self, unsigned one_in);
uint64_t sim_connect(struct sim *self, bool to_edges);
void sim_cut(struct sim *self, uint64_t peer);
/* The connection breaks and there is another at once; whoever has it does not see that.
 */
uint64_t sim_replace(struct sim *self, uint64_t peer);
void sim_say(struct sim *self, uint64_t peer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The next message for the peer, or NULL; the caller frees it. */
struct sim_message *sim_hear(struct sim *self, uint64_t peer);
bool sim_is_cut(struct sim *self, uint64_t peer);
/* The core takes one message of some connection.  False: there is none. */
bool sim_core_takes(struct sim *self);
void sim_start_broker(struct sim *self);
void sim_stop_broker(struct sim *self);
void sim_clear(struct sim *self);
void sim_trace(const struct sim *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* sim_edge.c */
void sim_edge_start(struct sim *self, int edge);
void sim_edge_die(struct sim *self, int edge);
void sim_edge_turn(struct sim *self, int edge);
void sim_edge_event(struct sim *self, int channel, enum sim_verb verb);
int sim_edge_open(struct sim *self, int edge, int service);
bool sim_edge_has(const struct sim *self, const struct sim_channel *channel);
struct sim_channel *sim_channel_find(struct sim *self, struct wire_text id);

/* sim_topic.c */
void sim_topic_start(struct sim *self);
/* The core delivers a publication: "PUB topic position". */
void sim_topic_post(struct sim *self, const struct wire_header *header);
/* PUB, HIST, GAP, LIVE, TOP or LOST for an edge; false: it is another command. */
bool sim_topic_take(struct sim *self, int edge, const struct wire_record *record);
/* The edge announces what it wants, or goes on. */
void sim_topic_greet(struct sim *self, int edge, bool sync);
/* It is gone, or begins a new life: its clients come back. */
void sim_topic_lose(struct sim *self, int edge);
void sim_topic_turn(struct sim *self, int edge);
void sim_topic_traffic(struct sim *self);
bool sim_topic_is_over(const struct sim *self);

/* sim_app.c */
void sim_app_start(struct sim *self, int app);
void sim_app_die(struct sim *self, int app);
void sim_app_turn(struct sim *self, int app);
void sim_app_send(struct sim *self, int app);
void sim_app_leave(struct sim *self, int app);

/* sim_check.c: each prints what is wrong with the seed, and ends the process. */
void sim_fail(const struct sim *self, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
void sim_check_delivery(struct sim *self, uint64_t peer,
                        const struct wire_record *record);
void sim_check_command(struct sim *self, const struct wire_record *record);
void sim_check_handled(struct sim *self, int app, int channel, uint64_t seq);
void sim_check_acked(struct sim *self, struct sim_channel *channel, uint64_t seq);
void sim_check_core(const struct sim *self);
void sim_check_end(const struct sim *self);
