/* worker_commands: records between the bus and the channels of one worker: what a command
 * does to a channel, and what a channel's events look like on the wire. */
#pragma once

#include "common/wire.h"
#include "gateway/bus_port.h"
#include "gateway/channel.h"
#include "gateway/hub.h"

struct worker_commands {
    struct channel_host *host;
    struct hub *hub;
    struct session_copies *sessions; // that it serves, or served last
    struct bus_lane *lane;           // to the bus
    bool is_linked;                  // the broker knows our channels: emit
    bool has_presence;               // some channel was present in a topic
    bool announces;        // an announcement is under way: host->unannounced is next
    bool announces_all;    // it is for a broker that knows nothing
    uint64_t announcement; // its number
};

/* An item from the bus; borrowed. */
void worker_commands_take(struct worker_commands *self, const struct bus_item *item);
/* Once a turn: goes on with the announcement, as far as there is room. */
void worker_commands_announce(struct worker_commands *self);
/* For channel_host: an event goes out, command c is answered (error: NULL or a code; c 0:
 * nobody asked). */
void worker_commands_emit(struct channel_host *host, struct channel *channel,
                          const struct event *event);
void worker_commands_answer(struct channel_host *host, uint64_t c, const char *error);

/* What the files of the worker's commands share. */

enum { WORKER_TEXT_ROOM = 256 }; // bytes of a token as text, NUL included

struct worker_command {
    struct wire_record record;
    struct blob *blob; // the record's bytes
    uint64_t c;        // number
    uint64_t reply;    // c when an answer is wanted, else 0
};

/* A record to the bus: header without LF, payload. */
void worker_commands_post(struct worker_commands *self, const char *head,
                          size_t head_size, const void *payload, size_t size);
/* The channel of an id, or NULL. */
struct channel *worker_commands_channel(struct worker_commands *self,
                                        struct wire_text id);
/* The options of a SEND or CAST. */
void worker_commands_send_options(const struct worker_command *command,
                                  struct send_options *options);
/* The message to one channel, if it is one of this worker's; answered. */
void worker_commands_send_to(struct worker_commands *self,
                             const struct worker_command *command,
                             const struct send_options *options, struct wire_text id,
                             struct message *message);
/* A token as text in `out`, or NULL: too long, or badly escaped. */
const char *worker_commands_text(struct wire_text text, char *out, size_t room);
