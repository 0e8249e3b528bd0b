#include "gateway/out_queue.h"

#include "common/mem.h"

#include <stdlib.h>

/* One cache line: a fan-out touches the queues of a thousand channels in turn, and each
 * line that it touches has left the cache since. */
enum { NODE_BLOBS = 6 };

struct out_node {
    struct out_node *next;
    struct blob *blobs[NODE_BLOBS];
    uint32_t begin, end; // those still in the queue
};

/* Nodes come and go by the thousand in one turn, always in the same thread. */
enum { SPARE_MAX = 2048 };
static __thread struct out_node *s_spare;
static __thread size_t s_spare_count;

static struct out_node *s_node_new(void)
{
    struct out_node *node = s_spare;
    if (!node)
        return mem_new(struct out_node);
    s_spare = node->next;
    s_spare_count--;
    node->next = NULL;
    node->begin = node->end = 0;
    return node;
}

static void s_node_free(struct out_node *node)
{
    if (s_spare_count >= SPARE_MAX) {
        free(node);
        return;
    }
    node->next = s_spare;
    s_spare = node;
    s_spare_count++;
}

void out_queue_release_spare(void)
{
    while (s_spare) {
        struct out_node *node = s_spare;
        s_spare = node->next;
        free(node);
    }
    s_spare_count = 0;
}

/* The node that takes the next blob. */
static struct out_node *s_last(struct out_queue *self)
{
    if (self->last && self->last->end < NODE_BLOBS)
        return self->last;
    struct out_node *node = s_node_new();
    if (self->last)
        self->last->next = node;
    else
        self->first = node;
    self->last = node;
    return node;
}

void out_queue_push(struct out_queue *self, struct blob *blob)
{
    struct out_node *node = s_last(self);
    node->blobs[node->end++] = blob;
    self->bytes += blob->size;
}

int out_queue_parts(const struct out_queue *self, struct iovec *parts, int room)
{
    int count = 0;
    size_t skip = self->sent;
    for (struct out_node *node = self->first; node && count < room; node = node->next) {
        for (uint32_t at = node->begin; at < node->end && count < room; at++) {
            parts[count].iov_base = node->blobs[at]->data + skip;
            parts[count++].iov_len = node->blobs[at]->size - skip;
            skip = 0;
        }
    }
    return count;
}

static void s_drop_first(struct out_queue *self)
{
    struct out_node *node = self->first;
    blob_unref(&node->blobs[node->begin++]);
    self->sent = 0;
    if (node->begin < node->end)
        return;
    self->first = node->next;
    if (!self->first)
        self->last = NULL;
    s_node_free(node);
}

void out_queue_consume(struct out_queue *self, size_t size)
{
    self->bytes -= size;
    while (self->first) {
        size_t left = self->first->blobs[self->first->begin]->size - self->sent;
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
