#include "broker/channel.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IN_HEX = 1, IN_NAME = 2 };

/* What a byte may be part of. */
static const uint8_t s_class[256] = {
    ['0' ... '9'] = IN_HEX | IN_NAME,
    ['A' ... 'F'] = IN_HEX | IN_NAME,
    ['a' ... 'f'] = IN_HEX | IN_NAME,
    ['G' ... 'Z'] = IN_NAME,
    ['g' ... 'z'] = IN_NAME,
    ['-'] = IN_NAME,
    ['_'] = IN_NAME,
};

static bool s_is_all(struct wire_text text, unsigned class)
{
    unsigned all = class;
    for (size_t at = 0; at < text.size; at++)
        all &= s_class[(unsigned char)text.data[at]];
    return all == class;
}

bool channel_name_is_valid(struct wire_text name)
{
    return name.size >= 1 && name.size <= 64 && s_is_all(name, IN_NAME);
}

bool channel_epoch_is_valid(struct wire_text epoch)
{
    return epoch.size >= 8 && epoch.size <= 16 && s_is_all(epoch, IN_HEX);
}

bool channel_counter_is_valid(struct wire_text counter)
{
    return counter.size >= 1 && counter.size <= 16 && s_is_all(counter, IN_HEX);
}

/* Cuts off what follows the last dot; false when there is none. */
static bool s_cut(struct wire_text *whole, struct wire_text *part)
{
    const char *dot = whole->size ? memrchr(whole->data, '.', whole->size) : NULL;
    if (!dot)
        return false;
    size_t before = (size_t)(dot - whole->data);
    *part = (struct wire_text){dot + 1, whole->size - before - 1};
    whole->size = before;
    return true;
}

bool channel_id_is_valid(struct wire_text id)
{
    struct wire_text counter, epoch;
    return s_cut(&id, &counter) && channel_counter_is_valid(counter) &&
           s_cut(&id, &epoch) && channel_epoch_is_valid(epoch) &&
           channel_name_is_valid(id);
}

struct channel *channel_find(const struct table *channels, struct wire_text id)
{
    struct table_entry *found = table_find(channels, id.data, id.size);
    return found ? table_item(found, struct channel, by_id) : NULL;
}

struct channel *channel_new(struct table *channels, struct wire_text id)
{
    assert(id.size <= CHANNEL_ID_MAX);
    struct channel *self = mem_alloc(sizeof *self + id.size + 1);
    memcpy(self->id, id.data, id.size);
    self->id_size = (uint8_t)id.size;
    list_init(&self->place);
    list_init(&self->of_edge);
    list_init(&self->parked);
    list_init(&self->ack);
    list_init(&self->of_label);
    table_add(channels, &self->by_id, self->id, id.size);
    return self;
}

void channel_destroy(struct table *channels, struct channel **self_p)
{
    struct channel *self = *self_p;
    *self_p = NULL;
    assert(self->out_first == 0);
    list_remove(&self->place);
    list_remove(&self->of_edge);
    list_remove(&self->parked);
    list_remove(&self->ack);
    label_clear(self);
    table_remove(channels, &self->by_id);
    free(self);
}

const char *channel_state_name(enum channel_state state)
{
    static const char *const names[] = {
        [CHANNEL_UNBOUND] = "waiting", [CHANNEL_PARKED] = "parked",
        [CHANNEL_ASKED] = "asked",     [CHANNEL_MOVING] = "moving",
        [CHANNEL_LIVE] = "live",
    };
    return names[state];
}
