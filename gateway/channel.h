/* channel: one client's open conversation, whatever carries it: its events on the way to
 * the application, and its queue on the way to the client.
 *
 *   OPENING --accepted or answered--> OPEN --close asked--> CLOSING --the carrier
 * ended--> CLOSED |                                `------------ the carrier ended
 * -------------------^
 *      `-------------------- refused, or the carrier ended ------------------------------
 * ^
 *
 * A channel outlives its carrier until the application has acknowledged its CLOSE.  It
 * does not know what carries it. */
#pragma once

#include "common/blob.h"
#include "common/table.h"
#include "gateway/attachment.h"
#include "gateway/event_queue.h"
#include "gateway/loop.h"
#include "gateway/message.h"
#include "gateway/out_queue.h"
#include "gateway/receipts.h"
#include "gateway/session_drop.h"
#include "gateway/settings.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum channel_state { CHANNEL_OPENING, CHANNEL_OPEN, CHANNEL_CLOSING, CHANNEL_CLOSED };

enum { CHANNEL_ID_ROOM = 128 }; // bytes of an id as text, NUL included

struct channel;

/* A service as one worker of the gateway sees it. */
struct service {
    char *name;
    size_t events, bytes; // unacknowledged, of all its channels
    int64_t told_ms;      // when FLOW said last whether it has a worker
    bool has_worker;
    bool has_moved; // acknowledgements came in this turn
    struct service *next_moved;
    struct channel *first_blocked, *last_blocked; // wait for room, the oldest first
    struct table_entry by_name;
};

/* What a SEND asks for besides its payload. */
struct send_options {
    int status;       // HTTP head in the payload; 0: bare body
    int close;        // 0: no, 1: yes, else the code to close with
    int64_t length;   // announced size of the body, or -1
    bool is_sse;      // format=sse
    uint64_t receipt; // number of the command to answer, 0: none
    enum {
        WANT_ACCEPTED, // answer when it is queued
        WANT_WRITTEN,  // ... when the kernel has it
        WANT_RECEIVED, // ... when the client's stack has it
    } want;
};

/* What carries a channel: ws, http. */
struct carrier {
    const char *name;
    /* All return NULL, or the code of an ERR. */
    const char *(*send)(struct channel *channel, struct message *message,
                        const struct send_options *options);
    const char *(*accept)(struct channel *channel, const char *protocol, const void *head,
                          size_t size);
    const char *(*close)(struct channel *channel, int status, const void *reason,
                         size_t size);
    /* A publication of a topic that the channel is subscribed to. */
    const char *(*publish)(struct channel *channel, struct message *message);
    /* The client of a topic route begins at `cursor`: what the client showed, or the
     * newest position.  What it missed since then follows. */
    void (*subscribed)(struct channel *channel, const char *cursor);
    /* Publications are lost, at this place; gap NULL: only asks.  False: the client
     * cannot be told; NULL: it never can. */
    bool (*missed)(struct channel *channel, const struct gap *gap);
    /* Everything up to `cursor` was delivered that was asked for; NULL: no matter. */
    void (*reached)(struct channel *channel, const char *cursor);
    /* There is room for events again: read on. */
    void (*resume)(struct channel *channel);
    /* Write what is queued; called once at the end of a turn. */
    void (*flush)(struct channel *channel);
    /* The service has, or has no longer, a worker. */
    void (*flow)(struct channel *channel);
    /* Close for a reason of the gateway's own: cause "slow", "drain", "bus-lost",
     * "poison", "worker-lost". */
    void (*end)(struct channel *channel, const char *cause);
    /* May another application go on with it?  NULL: yes.  false: what only the former one
     * had is lost with it. */
    bool (*is_adoptable)(const struct channel *channel);
    /* Free the carrier's object without a word, when the process ends; may be NULL. */
    void (*discard)(struct channel *channel);
    /* Of a session's carrier: the broker has bound it; has given it up; a worker has
     * processed its events up to seq, which are still in the queue. */
    void (*bound)(struct channel *channel);
    void (*dropped)(struct channel *channel, enum session_drop reason);
    void (*acked)(struct channel *channel, uint64_t seq);
};

struct channel_host;
struct worker_commands;

/* What the hub keeps of a channel that has subscriptions. */
struct follower;
struct presence_mark;
struct backlog;

struct channel {
    struct table_entry by_id; // in the host's table
    uint64_t id;
    struct channel_host *host;
    const struct carrier *carrier;
    void *carried;           // the carrier's object; NULL when the carrier has ended
    struct service *service; // NULL on a topic route
    struct event_queue events;
    struct out_queue out;
    struct backlog *backlog; // publications that may still be dropped, behind `out`
    struct channel *next_dirty;
    struct channel *next_blocked, *prev_blocked;
    struct receipts *receipts;            // answers that wait for the queue, or NULL
    uint64_t queued_total, written_total; // bytes since the channel began
    struct follower *follower;            // the hub's; NULL without subscriptions
    struct presence_mark *present_in;     // topics, worker_presence.c
    struct attachment *session;           // that it carries a client to, or NULL
    char *adopt;                          // JSON for ADOPT
    char *bound;                          // name of the worker that has it, or NULL
    char *label; // that the application or the route gave it, as a token, or NULL
    uint32_t gen;
    uint8_t state; // enum channel_state
    bool is_websocket, is_unsafe, redeliver_all, needs_accept;
    bool is_dirty, is_blocked, is_slow;
    bool awaits_drain;  // host->drained is to be called
    bool open_is_acked; // acknowledged, but kept until the application has decided
    bool drained;       // the close is ours, because the gateway stops
};

/* The worker, as its channels see it. */
struct channel_host {
    struct loop *loop;
    const struct gateway_settings *settings;
    char prefix[96];             // of ids: "edge.epoch."
    struct table channels;       // by id
    struct table services;       // by name
    struct channel *dirty;       // to be flushed at the end of the turn
    struct channel *unannounced; // it and all born after it are still to be announced
    struct service *moved;       // services with new room
    /* What the turn has counted; given away once, at its end, because shared counters are
     * dear. */
    struct {
        size_t messages, bytes, writes;
        ssize_t out_bytes;
    } turn;
    atomic_size_t *out_total; // bytes queued in the whole process
    uint8_t *scratch;         // SCRATCH_SIZE bytes for one read
    uint64_t next_id;
    size_t posting; // bytes of messages to sessions that have not come whole yet
    unsigned index, workers;
    bool draining;
    void *context;
    struct worker_commands *commands;
    /* Put an event on the bus; answer command c; subscribe. */
    void (*emit)(struct channel_host *self, struct channel *channel,
                 const struct event *event);
    void (*answer)(struct channel_host *self, uint64_t c, const char *error);
    void (*unsubscribe_all)(struct channel_host *self, struct channel *channel);
    /* The queue of a channel that awaits it is below half of its cap. */
    void (*drained)(struct channel_host *self, struct channel *channel);
    /* A session's client has everything up to a position. */
    void (*seen)(struct channel_host *self, const struct channel *channel,
                 const char *position);
    /* The application has chosen this subprotocol: ADOPT has to tell it. */
    void (*chose)(struct channel_host *self, struct channel *channel,
                  const char *protocol);
};

enum { SCRATCH_SIZE = 64 * 1024 };

/* channel_window.c: services.  All that routes name are added at the start; a name that
 * none has is NULL. */
void channel_add_service(struct channel_host *host, const char *name);
struct service *channel_find_service(const struct channel_host *host, const char *name);
struct service *channel_first_service(const struct channel_host *host);
struct service *channel_next_service(const struct service *self); // NULL after the last
void channel_free_services(struct channel_host *host);
/* FLOW: the service has a worker, or none. */
void channel_flow(struct channel_host *host, struct service *service, bool has_worker);
/* The broker is there (again): it will say what has no worker. */
void channel_expect_flow(struct channel_host *host);
/* Once a second while the broker is there: a service that was not said for 3 s to have no
 * worker, although events of it wait, has one. */
void channel_forget_flow(struct channel_host *host);
/* Book events and bytes as unacknowledged, or as acknowledged where they are negative. */
void channel_count(struct channel *self, ssize_t events, ssize_t bytes);

/* A new channel in state OPENING, in the host's table; service may be NULL. */
struct channel *channel_new(struct channel_host *host, const struct carrier *carrier,
                            void *carried, struct service *service);
struct channel *channel_find(struct channel_host *host, uint64_t id);
/* All channels: NULL after the last.  The one before may be destroyed meanwhile. */
struct channel *channel_first(const struct channel_host *host);
struct channel *channel_after(const struct channel *self);
/* Does the broker know of it, as far as one is connected? */
bool channel_is_announced(const struct channel *self);
void channel_id_text(const struct channel *self, char out[CHANNEL_ID_ROOM]);
/* 0 and the number, when the text is an id of this edge; else -ENOENT. */
int channel_id_parse(const struct channel_host *host, const char *text, size_t size,
                     uint64_t *id);

void channel_set_state(struct channel *self, enum channel_state next);
bool channel_is_open(const struct channel *self); // OPENING or OPEN

/* An event.  head: tokens and options after seq, each with a space before it, or "". */
void channel_event(struct channel *self, enum event_verb verb, const char *head,
                   const struct iovec *payload, int parts);
/* Is there room in the windows for another event? */
bool channel_has_room(const struct channel *self);
/* Read no more until the carrier's `resume` is called. */
void channel_block(struct channel *self);
void channel_unlink_blocked(struct channel *self);
/* Everything up to seq was acknowledged.  The channel is freed when that was its CLOSE.
 */
void channel_acked(struct channel *self, uint64_t seq);
/* The application has accepted or refused: the OPEN need not be kept any longer. */
void channel_decided(struct channel *self);
/* Once a turn: blocked channels that have room again read on. */
void channel_unblock(struct channel_host *host);
/* Once a turn: write what was queued in it, and give the counts away. */
void channel_flush(struct channel_host *host);

/* How a channel ended. */
struct channel_end {
    int status;        // docs/protocol/1-bus.md 4.2
    const char *cause; // 4.5
    int code;          // what the gateway put on the wire, 0: nothing
    bool is_unclean;
    bool ends_session; // not only this carrier
    const void *reason;
    size_t reason_size;
};
/* The carrier has ended: the CLOSE event, state CLOSED.  The channel may be gone after
 * this. */
void channel_ended(struct channel *self, const struct channel_end *end);

/* channel_backlog.c: a publication, in this form; where the channel is behind and its
 * follower's policy drops, it waits where it can be dropped.  NULL or an error code. */
const char *channel_publish(struct channel *self, struct message *message,
                            enum message_form form);
/* Bytes that wait for the client, queued or held back. */
size_t channel_pending(const struct channel *self);
/* Something follows that must come behind all that is held back: it goes into the queue.
 */
void channel_backlog_move(struct channel *self);
/* As much of it as a short queue takes. */
void channel_backlog_refill(struct channel *self);
/* Something comes that is never dropped: publications make room for it, as far as that
 * does. */
void channel_backlog_yield(struct channel *self);
void channel_backlog_clear(struct channel *self);

/* Has what waits reached its cap?  And is it below half of it? */
bool channel_is_full(const struct channel *self);
bool channel_has_drained(const struct channel *self);
/* Queue encoded bytes; takes the reference.  NULL or an error code: "gone", "full". */
const char *channel_queue(struct channel *self, struct blob *blob);
/* A control frame or the end of a stream: not subject to the cap. */
void channel_queue_control(struct channel *self, struct blob *blob);
/* Something was queued for a SEND: answer it when it has come as far as its sender wants.
 */
void channel_owe(struct channel *self, const struct send_options *options);
/* The client has everything up to the byte that queued_total was. */
void channel_received(struct channel *self, uint64_t mark);
/* Does an answer wait until the client has something? */
bool channel_awaits_client(const struct channel *self);
/* The carrier wrote `size` bytes of the queue. */
void channel_written(struct channel *self, size_t size);
/* Writes the queue to a transport: 0 when all is written, -EAGAIN, or another negative
 * errno. */
struct transport;
int channel_write_out(struct channel *self, struct transport *transport);
void channel_mark_dirty(struct channel *self);
/* Frees the channel without any event; when the edge's epoch ends. */
void channel_destroy(struct channel **self_p);
