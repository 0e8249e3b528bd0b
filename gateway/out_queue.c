#include "gateway/out_queue.h"

#include "common/mem.h"

#include <stdlib.h>

struct out_node {
    struct out_node *next;
    struct blob *blob;
};

/* Nodes come and go by the thousand in one turn, always in the same thread. */
enum { SPARE_MAX = 8192 };
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

void out_queue_push(struct out_queue *self, struct blob *blob)
{
    struct out_node *node = s_node_new();
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
    s_node_free(node);
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
