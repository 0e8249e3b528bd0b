/* worker_topics: what the bus says about topics, on its way to the hub of one worker. */
#pragma once

#include "gateway/worker_commands.h"

/* SUB or UNSUB for a channel that is there; answered. */
void worker_topics_subscription(struct worker_commands *self,
                                struct worker_command *command, struct channel *channel);
/* SUB for a channel that is not there: the bus has counted it. */
void worker_topics_missed(struct worker_commands *self, const struct wire_record *record);
/* PUB, TOP or LOST. */
void worker_topics_take(struct worker_commands *self, struct worker_command *command);
/* HIST, GAP or LIVE. */
void worker_topics_answer(struct worker_commands *self, struct worker_command *command);
/* The payload as a publication; topic and cursor are borrowed, NULL: none.  options:
 * index of the first one. */
struct message worker_topics_message(const struct worker_command *command, size_t options,
                                     const char *topic, const char *cursor);
/* Publications of any topic were dropped on the way here. */
void worker_topics_lost(struct worker_commands *self);
