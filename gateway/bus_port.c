#include "gateway/bus_port.h"

#include <stdint.h>
#include <unistd.h>

enum { LANE_ITEMS = 16384 };

static size_t s_weight(const struct bus_item *item)
{
    return sizeof *item + item->size + (item->blob ? item->blob->size : 0);
}

static void s_lane_init(struct bus_lane *self, int wake_fd)
{
    self->ring = ring_new(LANE_ITEMS);
    self->wake_fd = wake_fd;
    self->first = self->last = NULL;
    self->sent = 0;
    self->pushed = false;
    atomic_init(&self->received, 0);
}

static void s_lane_clear(struct bus_lane *self)
{
    struct bus_item *item;
    while ((item = bus_lane_receive(self)) != NULL)
        bus_item_destroy(&item);
    while ((item = self->first) != NULL) {
        self->first = item->next;
        bus_item_destroy(&item);
    }
    ring_destroy(&self->ring);
}

void bus_port_init(struct bus_port *self, int wake_bus, int wake_worker)
{
    s_lane_init(&self->to_bus, wake_bus);
    s_lane_init(&self->to_worker, wake_worker);
    atomic_init(&self->turns, 0);
}

void bus_port_clear(struct bus_port *self)
{
    s_lane_clear(&self->to_bus);
    s_lane_clear(&self->to_worker);
}

void bus_lane_send(struct bus_lane *self, struct bus_item *item)
{
    self->pushed = true;
    item->next = NULL;
    self->sent += s_weight(item);
    if (!self->first && ring_push(self->ring, item))
        return;
    if (self->last)
        self->last->next = item;
    else
        self->first = item;
    self->last = item;
}

static void s_move_waiting(struct bus_lane *self)
{
    while (self->first) {
        struct bus_item *item = self->first, *next = item->next;
        if (!ring_push(self->ring, item))
            return;
        self->pushed = true;
        self->first = next;
        if (!next)
            self->last = NULL;
    }
}

void bus_lane_wake(struct bus_lane *self)
{
    s_move_waiting(self);
    if (!self->pushed)
        return;
    self->pushed = false;
    uint64_t one = 1;
    (void)!write(self->wake_fd, &one, sizeof one);
}

void bus_lane_nudge(struct bus_lane *self)
{
    self->pushed = true;
}

struct bus_item *bus_lane_receive(struct bus_lane *self)
{
    struct bus_item *item = ring_pop(self->ring);
    if (item) {
        size_t received = atomic_load_explicit(&self->received, memory_order_relaxed);
        atomic_store_explicit(&self->received, received + s_weight(item),
                              memory_order_relaxed);
    }
    return item;
}

size_t bus_lane_bytes(const struct bus_lane *self)
{
    return self->sent - atomic_load_explicit(&self->received, memory_order_relaxed);
}
