/* ring: a bounded queue of pointers between exactly one producer thread and one consumer
 * thread, without locks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* room is rounded up to a power of two. */
struct ring *ring_new(size_t room);
/* The items that are left are not freed. */
void ring_destroy(struct ring **self_p);
/* Producer.  False when full. */
bool ring_push(struct ring *self, void *item);
/* Consumer.  NULL when empty. */
void *ring_pop(struct ring *self);
