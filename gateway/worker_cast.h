/* worker_cast: a set of channels and topics, as far as it is one worker's. */
#pragma once

#include "gateway/worker_commands.h"

/* CAST; answered for each channel that it names. */
void worker_cast_take(struct worker_commands *self, struct worker_command *command);
