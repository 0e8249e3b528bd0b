#include "broker/command_ring.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { COMMAND_RING_ROOM = 64 }; // slots at first

void command_ring_init(struct command_ring *self, size_t records, size_t bytes)
{
    *self = (struct command_ring){
        .first = 1, .next = 1, .limit_records = records, .limit_bytes = bytes};
}

void command_ring_clear(struct command_ring *self)
{
    if (self->next > self->first)
        command_ring_trim(self, self->next - 1);
    free(self->slot);
    self->slot = NULL;
    self->room = 0;
}

bool command_ring_has_room(const struct command_ring *self, size_t size,
                           enum command_share share)
{
    size_t records = self->limit_records, bytes = self->limit_bytes;
    if (share == COMMAND_CONTROL) {
        records += records / 8 + 1;
        bytes += bytes / 8 + 1;
    } else if (share == COMMAND_REPLAY && self->next > self->first) {
        records /= 2;
        bytes /= 2;
    }
    return self->next - self->first < records && size <= bytes &&
           self->bytes <= bytes - size;
}

static void s_grow(struct command_ring *self)
{
    size_t room = self->room ? self->room * 2 : COMMAND_RING_ROOM;
    struct blob **slot = mem_alloc(room * sizeof(struct blob *));
    for (uint64_t c = self->first; c < self->next; c++)
        slot[c & (room - 1)] = self->slot[c & (self->room - 1)];
    free(self->slot);
    self->slot = slot;
    self->room = room;
}

void command_ring_push(struct command_ring *self, struct blob **record_p)
{
    if (self->next - self->first == self->room)
        s_grow(self);
    self->bytes += (*record_p)->size;
    self->slot[self->next++ & (self->room - 1)] = *record_p;
    *record_p = NULL;
}

struct blob *command_ring_at(const struct command_ring *self, uint64_t c)
{
    assert(c >= self->first && c < self->next);
    return self->slot[c & (self->room - 1)];
}

bool command_ring_covers(const struct command_ring *self, uint64_t lastc)
{
    return lastc < self->next && lastc + 1 >= self->first;
}

void command_ring_trim(struct command_ring *self, uint64_t lastc)
{
    if (lastc >= self->next)
        return;
    for (; self->first <= lastc; self->first++) {
        struct blob **slot = &self->slot[self->first & (self->room - 1)];
        self->bytes -= (*slot)->size;
        blob_unref(slot);
    }
}
