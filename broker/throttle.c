#include "broker/throttle.h"

#include <string.h>

void throttle_init(struct throttle *self, int64_t interval_ms)
{
    memset(self, 0, sizeof *self);
    self->interval_ms = interval_ms;
    for (unsigned at = 0; at < THROTTLE_SLOTS; at++)
        self->free_ms[at] = INT64_MIN;
}

bool throttle_pass(struct throttle *self, uint64_t peer, int64_t now_ms)
{
    /* Fibonacci hashing: neighbours, as ZeroMQ numbers peers, get slots of their own. */
    uint64_t slot = (peer * 0x9E3779B97F4A7C15u) >> 52;
    if (now_ms < self->free_ms[slot])
        return false;
    self->free_ms[slot] = now_ms + self->interval_ms;
    return true;
}
