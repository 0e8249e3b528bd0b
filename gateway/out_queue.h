/* out_queue: encoded bytes on their way to one client.  Pure.  Holds references, not
 * copies. */
#pragma once

#include "common/blob.h"

#include <stddef.h>
#include <sys/uio.h>

struct out_node;

struct out_queue {
    struct out_node *first, *last;
    size_t bytes; // still to be written
    size_t sent;  // bytes of the first blob that were written
};

/* Takes the reference. */
void out_queue_push(struct out_queue *self, struct blob *blob);
/* The next bytes as at most `room` parts; returns how many. */
int out_queue_parts(const struct out_queue *self, struct iovec *parts, int room);
void out_queue_consume(struct out_queue *self, size_t size);
void out_queue_clear(struct out_queue *self);
/* Gives back the memory that this thread keeps at hand for queues; at its end. */
void out_queue_release_spare(void);
