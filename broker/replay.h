/* replay: what is held goes to a channel that lacks it: HIST, GAP and LIVE of one HGET
 * after the other.  docs/protocol/1-bus.md section 5.2, rules 15 to 17. */
#pragma once

#include "broker/core_state.h"

enum {
    REPLAY_TURN_BYTES = 256 * 1024, // to one edge in a turn; one record is always allowed
    REPLAY_TOPICS_MAX = 256,        // of one pattern
};

/* HGET of an edge; the channel is its own. */
void replay_ask(struct core *core, struct edge *edge, const struct wire_record *record);
/* As much as there is room for. */
void replay_turn(struct core *core, struct edge *edge);
/* Has the edge asked for something that fits now? */
bool replay_is_due(const struct edge *edge);
