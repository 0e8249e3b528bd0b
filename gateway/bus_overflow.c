#include "gateway/bus_overflow.h"

#include "common/mem.h"

#include <stdlib.h>

struct s_channel {
    struct table_entry by_number;
    uint64_t number;
};

bool bus_overflow_channel(struct bus_overflow *self, uint64_t number)
{
    if (table_find(&self->channels, &number, sizeof number))
        return false;
    struct s_channel *channel = mem_new(struct s_channel);
    channel->number = number;
    table_add(&self->channels, &channel->by_number, &channel->number,
              sizeof channel->number);
    return true;
}

bool bus_overflow_topics(struct bus_overflow *self)
{
    bool is_first = !self->has_lost_topics;
    self->has_lost_topics = true;
    return is_first;
}

void bus_overflow_passes(struct bus_overflow *self)
{
    self->has_lost_topics = false;
}

void bus_overflow_clear(struct bus_overflow *self)
{
    while (self->channels.first) {
        struct s_channel *channel =
            table_item(self->channels.first, struct s_channel, by_number);
        table_remove(&self->channels, &channel->by_number);
        free(channel);
    }
}
