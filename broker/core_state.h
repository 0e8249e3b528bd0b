/* core_state: what the files of the core share; nobody else includes it. */
#pragma once

#include "broker/channel.h"
#include "broker/core.h"
#include "broker/edge.h"
#include "broker/fence.h"
#include "broker/label.h"
#include "broker/once.h"
#include "broker/presence.h"
#include "broker/reply.h"
#include "broker/sequence.h"
#include "broker/service.h"
#include "broker/session.h"
#include "broker/throttle.h"
#include "broker/topic.h"
#include "broker/worker.h"

#define CORE_PROTOCOL "RW/1"

enum {
    CORE_PAUSE_MS = 1500,     // a longer turn is a pause of our own
    CORE_WHO_MS = 200,        // one WHO to each peer in this time
    CORE_NAME_MS = 3000,      // channels wait so long for their named worker
    CORE_UNSURE_MS = 30000,   // an answer that may be lost is given up
    CORE_AVOID_MS = 1000,     // a refused channel stays away from the worker
    CORE_FENCE_MS = 120000,   // a dead epoch is refused
    CORE_TOLD_MS = 600000,    // a channel whose end one worker knows, others do not
    CORE_SERVICE_MS = 60000,  // an unused service is forgotten
    CORE_CLOSE_MS = 86400000, // a CLOSE waits so long for a worker
    CORE_ACKS_BYTES = 65536,  // lines in one ACK record
};

struct core {
    struct core_settings settings;
    struct output output;
    int64_t now_ms;    // our pauses are not in it
    int64_t paused_ms; // how much of them there was
    int64_t started_ms;
    char boot[17];
    struct edges edges;
    size_t expected; // of these edges
    struct fence fence;
    struct fence told; // shared channels whose CLOSE a worker has processed
    struct workers workers;
    struct link failed; // workers to be taken away
    struct table services;
    struct table channels;
    struct table labels; // that channels have
    struct presences presences;
    struct topics topics;
    struct history history;
    struct sequence sequence;
    struct keeper keeper; // sequence.keeper, if there is a store
    struct once once;
    uint64_t replays; // turns of pulls so far
    struct replies replies;
    struct throttle who;
    size_t orphans;   // channels whose edge is dead
    struct link owed; // they, oldest first
    struct sessions sessions;
    size_t finished; // channels whose CLOSE is processed
    bool tapped;
    struct core_stats stats;
    struct core_denied denied; // the newest record that was
    char *acks;                // CORE_ACKS_BYTES
};

/* A command record from an application. */
struct request {
    struct core *core;
    const struct address *from;
    const struct wire_record *record;
    struct wire_text id; // of id=; .data NULL if there is none
    size_t options;      // index of the first option
};

static inline void core_dropped(struct core *self, enum core_drop why)
{
    self->stats.dropped[why]++;
}

/* Of the positions that are given out. */
static inline const char *core_epoch(const struct core *self)
{
    return self->sequence.epoch;
}

/* from_edge.c and from_app.c: one record that wire_read took, or the reason why it did
 * not. */
void from_edge(struct core *core, const struct address *from,
               const struct wire_record *record, int result);
void from_app(struct core *core, const struct address *from,
              const struct wire_record *record, int result);

/* The same for the edge of sessions, which has no connection. */
void from_edge_own(struct core *core, struct edge *edge,
                   const struct wire_record *record);

/* edge_life.c: HELLO and HB of an edge, whether it is known or not. */
void edge_life_hello(struct core *core, const struct address *from,
                     const struct wire_record *record);
void edge_life_pulse(struct core *core, const struct address *from,
                     const struct wire_record *record);
/* A stranger is asked to say HELLO. */
void edge_life_who(struct core *core, uint64_t peer);
/* May the edge of this channel still come back after our own start, or announce it? */
bool edge_life_may_come(const struct core *core, struct wire_text channel);
/* The edge of a channel; one that may still come is made, so that commands wait for it in
 * their order.  NULL: there is none.  The id must be valid. */
struct edge *edge_life_expect(struct core *core, struct wire_text channel);
/* The edge is dead: its channels are closed, its questions answered, its epoch fenced. */
void edge_life_bury(struct core *core, struct edge *edge);

/* command.c: commands for edges. */
void command_send(struct request *request);
void command_accept(struct request *request);
void command_close(struct request *request);
void command_label(struct request *request);
/* cast.c */
void command_cast(struct request *request);
/* The edge has announced all it has: labels that are still on their way to it count. */
void command_relabel(struct core *core, const struct edge *edge);
/* The edge answered command c: an OK or ERR record. */
void command_answered(struct core *core, struct edge *edge,
                      const struct wire_record *record);
/* The edge will not answer any more. */
void command_abandon(struct core *core, struct edge *edge);
/* The edge lost its connection after it had taken all commands up to lastc: it will not
 * repeat its answers to those unless it is asked again. */
void command_unsure(struct core *core, struct edge *edge, uint64_t lastc);
/* Answers of which nothing was heard since are given up. */
void command_expire(struct core *core, struct edge *edge);

/* publish.c: topics; post.c: publications. */
void command_sub(struct request *request);
void command_unsub(struct request *request);
void command_pub(struct request *request);
/* Publications that were lost, and positions that are owed. */
void publish_catch_up(struct core *core, struct edge *edge);
/* TSUB and TUNSUB of an edge. */
void publish_tsub(struct core *core, struct edge *edge, struct wire_text topic);
void publish_tunsub(struct core *core, struct edge *edge, struct wire_text topic,
                    uint64_t lastc);
/* The edge wants nothing any more. */
void publish_abandon(struct core *core, struct edge *edge);

/* The edge wants the topic from its command c on. */
void publish_want(struct core *core, struct edge *edge, struct wire_text name,
                  uint64_t c);

/* session_*.c: sessions, which are channels of an edge within the broker. */
void session_start(struct core *core);
void session_stop(struct core *core);
void session_tick(struct core *core);
/* After each record: what it caused. */
void session_settle(struct core *core);
/* Once a turn, before edges are told of acknowledgements. */
void session_turn(struct core *core);
/* May this session still be announced? */
bool session_may_come(const struct core *core, struct wire_text id);
/* The session has another label: who watches is told. */
void session_relabelled(struct core *core, struct wire_text id);
/* A command of an application for one session: 0, or a negative errno; answered then. */
int session_command(struct request *request);
/* Data for one session, with the options of a SEND or CAST: 0, or a negative errno. */
int session_give(const struct request *request, struct wire_text id,
                 struct wire_text data, struct question *question);
/* A SEND to sessions, with commas between them; returns how many did not take it. */
uint32_t session_send_each(const struct request *request, struct wire_text sids,
                           struct question *question);
/* An edge does not have this carrier any more, or is dead. */
void session_carrier_lost(struct core *core, struct channel *channel);
/* The record of the carrier ends. */
void session_carrier_forget(struct core *core, struct channel *channel);
/* The CLOSE of the session is processed, or nobody waits for that any more. */
void session_over(struct core *core, struct wire_text id);
/* The edge has announced all its carriers. */
void session_edge_synced(struct core *core, struct edge *edge);
/* The edge is dead. */
void session_edge_lost(struct core *core, struct edge *edge);
/* GET session sid; answers. */
void session_describe(const struct request *request, struct wire_text id);

/* query.c: questions about the broker. */
void query_get(struct request *request);
void query_check(struct request *request);
/* {"topic":,"count":,"full":,"present":[{"id":,"label":}]} with so many of them, the
 * first that came; the caller frees it. */
char *query_presence(const struct presence *topic, size_t limit);

/* answer.c: to applications.  Key and why may be any text of the record. */
void answer_ok(const struct request *request, struct wire_text key, const char *option);
/* To a question: JSON. */
void answer_info(const struct request *request, struct wire_text key, const char *json);
/* Only if the sender asked for answers. */
void answer_error(const struct request *request, struct wire_text key, const char *code,
                  const char *why);
/* Even if it did not. */
void answer_error_always(const struct request *request, struct wire_text key,
                         const char *code, const char *why);
/* The answer to a question that edges answered. */
void answer_question(struct core *core, const struct question *question);
/* One record of four tokens to a worker: 0 or the result of output. */
int answer_say(struct core *core, uint64_t peer, const char *verb, const char *key);
/* Does the sender want an answer? */
bool answer_wanted(const struct request *request);
static inline struct wire_text answer_key(const char *text)
{
    return (struct wire_text){text, __builtin_strlen(text)};
}

/* The first of several channels: the key of the answer. */
static inline struct wire_text answer_first(struct wire_text channels)
{
    const char *comma = __builtin_memchr(channels.data, ',', channels.size);
    return (struct wire_text){channels.data,
                              comma ? (size_t)(comma - channels.data) : channels.size};
}

/* permit.c: the one check of every record against its sender's key. */

/* What a verb needs. */
enum permit {
    PERMIT_WORKER, // the worker that the sender is: checked when it joined
    PERMIT_SERVICE,
    PERMIT_CHANNELS, // a channel counts as its service
    PERMIT_CHANNEL_AND_TOPIC,
    PERMIT_TOPIC,
    PERMIT_QUESTION,
    PERMIT_EACH, // of the channels: query.c asks for each
};
/* False when it is denied; that was counted and answered then. */
bool permit_request(const struct request *request, enum permit need);
/* The same for one channel; of a channel that is not known nothing is said. */
bool permit_channel(const struct core *core, const struct authority *authority,
                    struct wire_text channel);
/* The edge that a command for this channel may go to; NULL when there is none.  To an
 * edge that has not announced the channel only those may speak who have every service. */
struct edge *permit_target(struct core *core, const struct authority *authority,
                           struct wire_text channel);
/* It was denied: counted, and remembered for the log. */
void permit_deny(struct core *core, const struct authority *authority,
                 struct wire_text verb, struct wire_text subject);

/* hold.c: a command for channels of an edge that has not announced them, by a key that
 * does not have every service, waits.  False: it is not one. */
bool hold_request(const struct request *request);
/* Header and payload of a record as they came; NULL when the machine has no memory. */
struct blob *hold_write(const struct wire_record *record);
/* Takes what waits for the edge. */
void hold_take(struct edge *edge, struct link *out);
/* Forgets it. */
void hold_drop(struct link *held);
/* Carries it out, in its order; the edge has announced everything, or is gone. */
void hold_release(struct core *core, struct link *held);

/* tap_record.c: what watchers see. */
void tap_event(struct core *core, const struct channel *channel,
               const struct wire_header *header, struct wire_text payload);
void tap_send(struct core *core, struct wire_text channel, const struct request *request);
void tap_publication(struct core *core, struct wire_text topic,
                     const struct wire_header *header, struct wire_text payload);
