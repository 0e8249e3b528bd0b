/* hub: which channels of one worker are subscribed to which topics, and where each topic
 * stands. Pure but for the carriers that it calls.  docs/protocol/2-client.md section 3.
 */
#pragma once

#include "gateway/channel.h"

#include <stddef.h>

struct hub;

/* tell: subscription counts for the bus: one more (true) or one less (false). */
struct hub *hub_new(void (*tell)(void *context, const char *topic, bool more),
                    void *context);
void hub_destroy(struct hub **self_p);

/* A topic route: the client showed `cursor` (or NULL); the carrier's `subscribed` is
 * called once the broker has said where the topic stands. */
void hub_join(struct hub *self, struct channel *channel, const char *topic,
              const char *cursor);
/* A SUB command: the bus has counted it already. */
void hub_subscribe(struct hub *self, struct channel *channel, const char *topic);
void hub_unsubscribe(struct hub *self, struct channel *channel, const char *topic);
void hub_leave_all(struct hub *self, struct channel *channel);

/* The newest position of a topic, as "epoch:number". */
void hub_top(struct hub *self, const char *topic, const char *position);
/* Publications up to `position` are lost. */
void hub_lost(struct hub *self, const char *topic, const char *position);
/* Publications of any topic are lost.  Who cannot be told is closed as too slow. */
void hub_lost_all(struct hub *self);
/* Deliver to every subscriber but `except` (an id, 0: none). */
void hub_publish(struct hub *self, struct message *message, uint64_t except);
