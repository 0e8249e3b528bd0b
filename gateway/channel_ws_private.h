/* channel_ws_private: what the files of the WebSocket carrier share: channel_ws.c (its
 * life, and towards the client) and channel_ws_read.c (from the client, and its silence).
 */
#pragma once

#include "common/bytes.h"
#include "gateway/channel_ws.h"
#include "gateway/ws_message.h"

/*   OPEN --we send Close--> CLOSING --its Close, or the timer--> FINISHING --EOF or
 * timer--> ended
 *     `-----------its Close (answered), or it broke a rule-------^ */
enum ws_stage { WS_OPEN, WS_CLOSING, WS_FINISHING };

struct ws_carried {
    struct loop_watch watch;
    struct timer timer; // ping, pong, close: what is due next
    struct loop_task release;
    struct channel *channel; // NULL once the channel has its CLOSE
    struct loop *loop;
    struct channel_host *host;
    struct transport transport;
    struct admission *admission;
    struct admission_ticket *ticket;
    struct ws_message *reader;
    struct bytes unread; // came, but the window is full
    int64_t heard_ms;
    int64_t seen_ms;                   // when what the client has may be asked for again
    uint64_t pinged;                   // mark that a ping under way carries, 0: none
    uint32_t acked_bytes, ahead_bytes; // of the connection, when the pong was last due
    uint32_t events;                   // what the loop watches for
    uint8_t stage;
    bool cursors, awaits_pong, paused;
    bool wrote_all; // nothing is queued
    bool
        is_unseen; // a session's client is to confirm what was queued since the last ping
    int end_code;  // of the CLOSE event, once the closing handshake is over
    const char *cause;
};

/* channel_ws.c */
void channel_ws_watch(struct ws_carried *self);
/* The TCP connection is over. */
void channel_ws_lost(struct ws_carried *self);
/* It has been silent for too long. */
void channel_ws_silent(struct ws_carried *self);
void channel_ws_send_close(struct ws_carried *self, int code, const void *reason,
                           size_t size);
/* Both sides have said Close, or the client broke a rule: what the kernel does not take
 * now is dropped with the channel. */
void channel_ws_conclude(struct ws_carried *self, const struct channel_end *end);

/* channel_ws_session.c: the carrier's part of a session. */
void channel_ws_bound(struct channel *channel);
void channel_ws_dropped(struct channel *channel, enum session_drop reason);
void channel_ws_acked(struct channel *channel, uint64_t seq);
/* The option that numbers the next message, with a space before it, or "". */
void channel_ws_number(struct channel *channel, char *out, size_t room);
/* Something was queued that the client is to confirm, so that the broker can let go of
 * it: a ping is due within a second. */
void channel_ws_sent(struct ws_carried *self);
/* The ping that is being queued carries how far the client has come by then. */
void channel_ws_pings(struct ws_carried *self);
/* That ping was answered. */
void channel_ws_seen(struct ws_carried *self);
/* Is such a ping due? */
bool channel_ws_must_ping(const struct ws_carried *self, int64_t now_ms);

/* channel_ws_read.c */
void channel_ws_on_ready(struct loop_watch *watch, uint32_t events);
void channel_ws_on_due(struct timer *timer, int64_t now_ms);
/* Reads frames from these bytes, which are changed.  False when the connection finishes
 * or pauses. */
bool channel_ws_take(struct ws_carried *self, uint8_t *data, size_t size);
/* Queue a ping.  Where an answer waits for the client it carries the mark of everything
 * that is queued before it, and the pong brings that back. */
void channel_ws_ping(struct ws_carried *self);
