/* hub: which channels of one worker are subscribed to which topics, and what each of them
 * gets when.  Pure but for the carriers that it calls.  docs/protocol/1-bus.md section
 * 5.4, docs/protocol/2-client.md section 3.
 *
 * A channel with subscriptions has one follower, and with it one cursor for all of them.
 */
#pragma once

#include "common/wire.h"
#include "gateway/channel.h"
#include "gateway/cursor.h"
#include "gateway/slow_policy.h"

#include <stddef.h>

enum { HUB_TOPICS_MAX = 4096 }; // of one channel; so many fit in the lines of a HGET

struct hub;

struct hub_options {
    void *context;
    /* Subscription counts for the bus: one more (true) or one less (false). */
    void (*tell)(void *context, const char *topic, bool more);
    /* A record for the broker: its header without LF, and its payload. */
    void (*post)(void *context, const struct wire_header *header, const void *payload,
                 size_t size);
};

struct hub *hub_new(const struct hub_options *options);
void hub_destroy(struct hub **self_p);

/* How a client of a topic route joins. */
struct hub_join {
    const char *const *topics; // names and patterns
    size_t count;              // 1 or more
    const char *cursor;        // what the client showed, or NULL: begin with what is new
    uint16_t limit;            // messages of one HGET
    enum slow_policy slow;
};
/* The bus is told; nothing is said to the client yet. */
void hub_join(struct hub *self, struct channel *channel, const struct hub_join *how);
/* After hub_join, and what else the bus has to know of the channel: what is told of it is
 * answered by publications that it wants.  The carrier's `subscribed` is called once the
 * broker has said where the topics stand, and then what the client missed; any of it may
 * end the channel. */
void hub_start(struct hub *self, struct channel *channel);

/* A SUB command: the bus has counted it already.  position: the broker's newest when it
 * passed the command on, or NULL where it did not say.  since: what was published after
 * it is wanted, or NULL.  Returns false when the channel has HUB_TOPICS_MAX. */
bool hub_subscribe(struct hub *self, struct channel *channel, const char *topic,
                   const struct cursor *position, const struct cursor *since);
/* What becomes of publications when the channel is behind; of all its topics.  One that
 * ended meanwhile is left alone. */
void hub_set_slow(struct channel *channel, enum slow_policy policy);
void hub_unsubscribe(struct hub *self, struct channel *channel, const char *topic);
void hub_leave_all(struct hub *self, struct channel *channel);

/* The newest position of a topic: from here on the pipe has everything of it. */
void hub_top(struct hub *self, const char *topic, const struct cursor *position);
/* Publications up to `position` did not fit on the way here: they are asked for. */
void hub_lost(struct hub *self, const char *topic, const struct cursor *position);
/* So did records of any kind. */
void hub_lost_all(struct hub *self);
/* Deliver to every subscriber but `except` (an id, 0: none). */
void hub_publish(struct hub *self, struct message *message, const struct cursor *position,
                 uint64_t except);
/* A set of channels and topics: first its exceptions are named, by topic and by channel,
 * then each of its topics is published to, with the same position; who is subscribed to
 * several gets it once. */
void hub_cast_begin(struct hub *self);
void hub_cast_except_topic(struct hub *self, const char *topic);
void hub_cast_except(struct hub *self, struct channel *channel);
void hub_cast_publish(struct hub *self, struct message *message,
                      const struct cursor *position);
/* Is what the set names it by still to be sent to this channel?  Else it is excepted, or
 * has it as a subscriber, now or from the history. */
bool hub_cast_is_due(const struct hub *self, const struct channel *channel);
/* The broker is there again.  forgot: it knows nothing of this gateway, and tells the
 * top of every topic; else the pipe goes on, but a HGET may have been lost. */
void hub_linked(struct hub *self, bool forgot);
/* The queue of a channel that awaits it has drained. */
void hub_drained(struct hub *self, struct channel *channel);

/* The answer to HGET number `asked`; what answers an earlier one is ignored. */
void hub_history(struct hub *self, struct channel *channel, uint64_t asked,
                 struct message *message, const struct cursor *position);
/* to: where the gap ends; gap->to is the same as text.  The cursor stays, but for a gap
 * `restart` or `reset`: then it is `to`. */
void hub_gap(struct hub *self, struct channel *channel, uint64_t asked,
             const struct gap *gap, const struct cursor *to);
void hub_live(struct hub *self, struct channel *channel, uint64_t asked,
              const struct cursor *position, bool more);

/* ... and it has heard by now of every channel: carriers of sessions ask from here on. */
void hub_announced(struct hub *self);

/* The carrier of a session, whose subscriptions the broker knows, goes on behind `from`;
 * is_live: from here on the pipe has everything for it.  hub_subscribe may follow for the
 * subscriptions that the session has, without `since`; then hub_begin. */
void hub_attach(struct hub *self, struct channel *channel, const struct cursor *from,
                bool is_live);
void hub_begin(struct hub *self, struct channel *channel);
/* What the application sent to the session. */
void hub_send(struct hub *self, struct channel *channel, struct message *message,
              const struct cursor *position);
/* The broker had no room for one of these: it has to be asked for. */
void hub_pause(struct hub *self, struct channel *channel);
/* How far the client of a channel with a follower has come. */
bool hub_cursor(const struct channel *channel, char out[CURSOR_ROOM]);
