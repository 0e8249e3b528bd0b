#include "broker/session_ring.h"

#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What an entry costs: its bytes, and what holds them. */
static size_t s_cost(size_t options, size_t payload)
{
    return sizeof(struct session_entry) + options + payload;
}

void session_rings_init(struct session_rings *self, size_t limit_each, size_t limit_all,
                        int64_t age_ms)
{
    *self = (struct session_rings){
        .limit_each = limit_each, .limit_all = limit_all, .age_ms = age_ms};
    list_init(&self->entries);
}

void session_ring_init(struct session_ring *self, struct session_rings *all)
{
    *self = (struct session_ring){.all = all};
    list_init(&self->entries);
}

static struct session_entry *s_oldest(const struct link *entries)
{
    return list_item(list_first(entries), struct session_entry, of_ring);
}

static void s_drop(struct session_entry *entry)
{
    struct session_ring *ring = entry->ring;
    size_t cost = s_cost(entry->options_size, entry->payload->size);
    ring->bytes -= cost;
    ring->all->bytes -= cost;
    if (entry->number > ring->lost)
        ring->lost = entry->number;
    list_remove(&entry->of_ring);
    list_remove(&entry->of_all);
    blob_unref(&entry->payload);
    free(entry);
}

/* The oldest of all rings, unseen as it is. */
static void s_drop_oldest(struct session_rings *self)
{
    self->dropped++;
    s_drop(list_item(list_pop(&self->entries), struct session_entry, of_all));
}

static void s_drop_oldest_of(struct session_ring *self)
{
    s_drop(list_item(list_pop(&self->entries), struct session_entry, of_ring));
}

void session_rings_expire(struct session_rings *self, int64_t now_ms)
{
    struct link *first;
    while ((first = list_first(&self->entries)) &&
           list_item(first, struct session_entry, of_all)->at_ms + self->age_ms <= now_ms)
        s_drop_oldest(self);
}

void session_ring_clear(struct session_ring *self)
{
    while (!list_is_empty(&self->entries))
        s_drop_oldest_of(self);
}

/* Room for so much: the oldest of this ring go first, then the oldest of all. */
static void s_make_room(struct session_ring *self, size_t cost)
{
    struct session_rings *all = self->all;
    while (self->bytes + cost > all->limit_each) {
        all->dropped++;
        s_drop_oldest_of(self);
    }
    while (all->bytes + cost > all->limit_all)
        s_drop_oldest(all);
}

int session_ring_add(struct session_ring *self, uint64_t number, struct wire_text options,
                     struct wire_text payload, int64_t now_ms)
{
    size_t cost = s_cost(options.size, payload.size);
    bool fits = cost <= self->all->limit_each && cost <= self->all->limit_all;
    struct blob *copy =
        fits ? blob_new(payload.size ? payload.data : "", payload.size) : NULL;
    if (!copy) {
        self->lost = number;
        return fits ? -ENOMEM : -EMSGSIZE;
    }
    s_make_room(self, cost);
    struct session_entry *entry = mem_alloc(sizeof *entry + options.size + 1);
    entry->ring = self;
    entry->number = number;
    entry->at_ms = now_ms;
    entry->payload = copy;
    entry->options_size = options.size;
    if (options.size)
        memcpy(entry->options, options.data, options.size);
    entry->options[options.size] = 0;
    list_append(&self->entries, &entry->of_ring);
    list_append(&self->all->entries, &entry->of_all);
    self->bytes += cost;
    self->all->bytes += cost;
    return 0;
}

void session_ring_seen(struct session_ring *self, uint64_t number)
{
    while (!list_is_empty(&self->entries) && s_oldest(&self->entries)->number <= number)
        s_drop_oldest_of(self);
}

const struct session_entry *session_ring_after(const struct session_ring *self,
                                               uint64_t number)
{
    struct link *at = list_first(&self->entries);
    for (; at; at = list_after(&self->entries, at))
        if (list_item(at, struct session_entry, of_ring)->number > number)
            return list_item(at, struct session_entry, of_ring);
    return NULL;
}
