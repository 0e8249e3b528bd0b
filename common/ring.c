#include "common/ring.h"

#include "common/mem.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { RING_LINE = 64 }; // bytes of a cache line

/* Indexes only grow and wrap with size_t; the slot is index & mask.  Each side keeps the
 * other side's index as it last saw it, so that the shared line is read only when the
 * ring seems full or empty. */
struct ring {
    _Alignas(RING_LINE) atomic_size_t head; // next slot to write; written by the producer
    size_t tail_seen;                       // producer only
    _Alignas(RING_LINE) atomic_size_t tail; // next slot to read; written by the consumer
    size_t head_seen;                       // consumer only
    _Alignas(RING_LINE) size_t mask;        // read only from here on
    void **slots;
};

struct ring *ring_new(size_t room)
{
    assert(room <= SIZE_MAX / 4 / sizeof(void *));
    size_t size = 1;
    while (size < room)
        size *= 2;
    struct ring *self = aligned_alloc(RING_LINE, sizeof *self);
    if (!self)
        abort();
    atomic_init(&self->head, 0);
    atomic_init(&self->tail, 0);
    self->tail_seen = 0;
    self->head_seen = 0;
    self->mask = size - 1;
    self->slots = mem_alloc(size * sizeof *self->slots);
    return self;
}

void ring_destroy(struct ring **self_p)
{
    struct ring *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    free(self->slots);
    free(self);
}

bool ring_push(struct ring *self, void *item)
{
    assert(item);
    size_t head = atomic_load_explicit(&self->head, memory_order_relaxed);
    if (head - self->tail_seen > self->mask) {
        self->tail_seen = atomic_load_explicit(&self->tail, memory_order_acquire);
        if (head - self->tail_seen > self->mask)
            return false;
    }
    self->slots[head & self->mask] = item;
    atomic_store_explicit(&self->head, head + 1, memory_order_release);
    return true;
}

void *ring_pop(struct ring *self)
{
    size_t tail = atomic_load_explicit(&self->tail, memory_order_relaxed);
    if (tail == self->head_seen) {
        self->head_seen = atomic_load_explicit(&self->head, memory_order_acquire);
        if (tail == self->head_seen)
            return NULL;
    }
    void *item = self->slots[tail & self->mask];
    atomic_store_explicit(&self->tail, tail + 1, memory_order_release);
    return item;
}
