/* throttle: at most one thing in an interval for each peer, in fixed memory.  Pure.  Two
 * peers may share a slot and then share its interval: it is for hints, which are asked
 * for again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_SLOTS = 4096 };

struct throttle {
    int64_t interval_ms;
    int64_t free_ms[THROTTLE_SLOTS]; // when the slot may be used again
};

void throttle_init(struct throttle *self, int64_t interval_ms);
/* True at most once in an interval. */
bool throttle_pass(struct throttle *self, uint64_t peer, int64_t now_ms);
