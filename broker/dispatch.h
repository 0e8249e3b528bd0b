/* dispatch: events to workers: which worker has which channel, and what it was sent.  The
 * heart of the core: sections 5.2 (2 to 5) and 5.3 of the specification. */
#pragma once

#include "broker/core_state.h"

enum event_kind {
    EVENT_OPEN,
    EVENT_ADOPT,
    EVENT_MESSAGE,
    EVENT_PRESSURE,
    EVENT_PRESENCE, // of a session
    EVENT_MISSED,   // likewise: it is no message, and has no payload
    EVENT_BODY,
    EVENT_CLOSE
};

/* What happened to a channel. */
struct event {
    enum event_kind kind;
    const char *verb;
    uint64_t seq;
    const struct wire_record *record; // NULL: made by the broker
    size_t first; // its first token after channel and seq that is passed on
};

/* An event that is the next of its channel, which is LIVE: to its worker, or parked. */
void dispatch_event(struct core *core, struct channel *channel,
                    const struct event *event);
/* A channel that is UNBOUND and in no list gets a worker if one has room.  False: it has
 * none. */
bool dispatch_bind(struct core *core, struct channel *channel);
void dispatch_bind_to(struct channel *channel, struct member *member);
/* A channel that is UNBOUND and in no list waits: for its service, or `wanted`. */
void dispatch_wait(struct channel *channel);
/* Ask the edge of a channel that is LIVE for the events after `last`. */
void dispatch_gap(struct core *core, struct channel *channel);
/* The same for one that is MOVING, without counting another try. */
void dispatch_ask_again(struct core *core, struct channel *channel);
/* The one place where a state changes: keeps the worker's queue and kept places right. */
void dispatch_become(struct channel *channel, enum channel_state next);
/* Take the worker away; the channel is UNBOUND and in no list then. */
void dispatch_unbind(struct channel *channel);
/* May it leave its worker: nothing is unacknowledged, and no upload under way? */
bool dispatch_is_idle(const struct channel *channel);
/* The CLOSE of a channel whose edge is dead, to its worker. */
void dispatch_close(struct core *core, struct channel *channel);
/* The channel loses its worker, which lives on and is told. */
void dispatch_move(struct core *core, struct channel *channel);
/* The edge does not have the channel any more, or is dead: the worker gets a CLOSE. */
void dispatch_orphan(struct core *core, struct channel *channel);
/* Everything of it is processed up to seq: tell the edge. */
void dispatch_ack(struct channel *channel);
/* A SEND to it was lost, and its sender may not know which: it ends, cause `slow`. */
void dispatch_cut(struct channel *channel);
/* Tell the edge all that it can forget now; frees channels whose CLOSE is processed.
 * False: its ring has no room. */
bool dispatch_pass_acks(struct core *core, struct edge *edge);
/* Its CLOSE is processed: it waits only until the edge has been told. */
void dispatch_finish(struct core *core, struct channel *channel);
/* The edge has taken all commands up to lastc and says so behind all it sent before. */
void dispatch_told(struct core *core, struct edge *edge, uint64_t lastc);
/* Forget the channel. */
void dispatch_forget(struct core *core, struct channel *channel);

/* This delivery is processed. */
void dispatch_done(struct core *core, struct worker *worker, uint64_t number);
/* After acknowledgements: room for what waits. */
void dispatch_room(struct core *core, struct worker *worker);
/* The service has channels that wait: give them to workers with room. */
void dispatch_service(struct core *core, struct service *service);
/* The worker cannot be reached: it goes at the end of the record. */
void dispatch_fail(struct core *core, struct worker *worker);
/* The worker is dead or unknown: all its channels move. */
void dispatch_bury(struct core *core, struct worker *worker);
/* The member leaves: channels without open deliveries move now, the others then. */
void dispatch_leave(struct core *core, struct member *member);
/* The member is gone if it leaves and has no channel any more. */
void dispatch_left(struct core *core, struct member *member);
/* Is the service served?  Tell all edges. */
void dispatch_flow(struct core *core, const struct service *service);
/* Find or make it; NULL when there are too many. */
struct service *dispatch_get_service(struct core *core, struct wire_text name);
