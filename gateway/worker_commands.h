/* worker_commands: records between the bus and the channels of one worker: what a command
 * does to a channel, and what a channel's events look like on the wire. */
#pragma once

#include "gateway/bus_port.h"
#include "gateway/channel.h"
#include "gateway/hub.h"

struct worker_commands {
    struct channel_host *host;
    struct hub *hub;
    struct bus_lane *lane; // to the bus
    bool is_linked;        // the broker knows our channels: emit
};

/* An item from the bus; borrowed. */
void worker_commands_take(struct worker_commands *self, const struct bus_item *item);
/* For channel_host: an event goes out, command c is answered (error: NULL or a code; c 0:
 * nobody asked). */
void worker_commands_emit(struct channel_host *host, struct channel *channel,
                          const struct event *event);
void worker_commands_answer(struct channel_host *host, uint64_t c, const char *error);
