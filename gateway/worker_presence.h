/* worker_presence: which channels of one worker are present in which topics, as the
 * broker is told.  docs/protocol/1-bus.md section 4.6. */
#pragma once

#include "gateway/worker_commands.h"

/* The channel is in the topic from now on; a pattern is ignored. */
void worker_presence_enter(struct worker_commands *self, struct channel *channel,
                           const char *topic);
void worker_presence_exit(struct worker_commands *self, struct channel *channel,
                          const char *topic);
/* The channel has ended. */
void worker_presence_leave_all(struct worker_commands *self, struct channel *channel);
/* The channel has another label, or is announced: who is where is said again. */
void worker_presence_relabel(struct worker_commands *self, const struct channel *channel);
