#include "gateway/out_queue.h"

#include "common/mem.h"

#include <stdlib.h>

struct out_node {
    struct out_node *next;
    struct blob *blob;
};

void out_queue_push(struct out_queue *self, struct blob *blob)
{
    struct out_node *node = mem_new(struct out_node);
    node->blob = blob;
    if (self->last)
        self->last->next = node;
    else
        self->first = node;
    self->last = node;
    self->bytes += blob->size;
}

int out_queue_parts(const struct out_queue *self, struct iovec *parts, int room)
{
    int count = 0;
    size_t skip = self->sent;
    for (struct out_node *at = self->first; at && count < room; at = at->next) {
        parts[count].iov_base = at->blob->data + skip;
        parts[count++].iov_len = at->blob->size - skip;
        skip = 0;
    }
    return count;
}

static void s_drop_first(struct out_queue *self)
{
    struct out_node *node = self->first;
    self->first = node->next;
    if (!self->first)
        self->last = NULL;
    blob_unref(&node->blob);
    free(node);
    self->sent = 0;
}

void out_queue_consume(struct out_queue *self, size_t size)
{
    self->bytes -= size;
    while (self->first) {
        size_t left = self->first->blob->size - self->sent;
        if (size < left) {
            self->sent += size;
            return;
        }
        size -= left;
        s_drop_first(self);
    }
}

void out_queue_clear(struct out_queue *self)
{
    while (self->first)
        s_drop_first(self);
    self->bytes = 0;
}
