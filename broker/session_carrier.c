#include "broker/session_carrier.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum { CARRIER_ROOM_FIRST = 4 };

struct carrier *carrier_new(struct channel *channel, enum carrier_mode mode)
{
    struct carrier *self = mem_new(struct carrier);
    self->channel = channel;
    self->mode = mode;
    list_init(&self->of_session);
    list_init(&self->due_place);
    return self;
}

void carrier_destroy(struct carrier **self_p)
{
    struct carrier *self = *self_p;
    *self_p = NULL;
    list_remove(&self->of_session);
    list_remove(&self->due_place);
    free(self->needs);
    free(self->as);
    free(self);
}

void carrier_needs(struct carrier *self, uint64_t seq)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : CARRIER_ROOM_FIRST;
        self->needs = mem_realloc(self->needs, self->room * sizeof *self->needs);
    }
    self->needs[self->count++] = seq;
}

size_t carrier_acknowledge(struct carrier *self, uint64_t seq)
{
    size_t done = 0;
    while (done < self->count && self->needs[done] <= seq)
        done++;
    self->count -= done;
    if (self->count > 0 && done > 0)
        memmove(self->needs, self->needs + done, self->count * sizeof *self->needs);
    return done;
}

bool carrier_is_serving(const struct carrier *self)
{
    return self->state == CARRIER_BOUND || self->state == CARRIER_LIVE;
}
