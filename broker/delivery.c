#include "broker/delivery.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { DELIVERIES_ROOM = 64 }; // slots at first

void deliveries_init(struct deliveries *self)
{
    *self = (struct deliveries){.first = 1, .next = 1};
}

void deliveries_clear(struct deliveries *self)
{
    free(self->slot);
    deliveries_init(self);
}

bool deliveries_is_full(const struct deliveries *self)
{
    return self->next - self->first >= DELIVERIES_MAX;
}

static void s_grow(struct deliveries *self)
{
    size_t room = self->room ? self->room * 2 : DELIVERIES_ROOM;
    struct delivery *slot = mem_alloc(room * sizeof *slot);
    for (uint64_t number = self->first; number < self->next; number++)
        slot[number & (room - 1)] = self->slot[number & (self->room - 1)];
    free(self->slot);
    self->slot = slot;
    self->room = room;
}

struct delivery *deliveries_add(struct deliveries *self, uint64_t *number_out)
{
    assert(!deliveries_is_full(self));
    if (self->next - self->first == self->room)
        s_grow(self);
    *number_out = self->next++;
    struct delivery *added = &self->slot[*number_out & (self->room - 1)];
    memset(added, 0, sizeof *added);
    return added;
}

struct delivery *deliveries_at(const struct deliveries *self, uint64_t number)
{
    if (number < self->first || number >= self->next)
        return NULL;
    return &self->slot[number & (self->room - 1)];
}

void deliveries_trim(struct deliveries *self)
{
    while (self->first < self->next && self->slot[self->first & (self->room - 1)].done)
        self->first++;
}
