#include "gateway/hang.h"

bool hang_look(struct hang *self, uint64_t turns, int64_t now_ms, int64_t limit_ms)
{
    int64_t passed_ms = now_ms - self->looked_ms;
    self->looked_ms = now_ms;
    if (turns == 0 || turns != self->turns) {
        self->turns = turns;
        self->standing_ms = 0;
        return false;
    }
    self->standing_ms += passed_ms < HANG_LOOK_MAX_MS ? passed_ms : HANG_LOOK_MAX_MS;
    return self->standing_ms > limit_ms;
}
