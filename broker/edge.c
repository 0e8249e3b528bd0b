#include "broker/edge.h"

#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct edge *edge_find(const struct edges *edges, const char *id, size_t size)
{
    struct edge *recent = edges->recent;
    if (recent && recent->id_size == size && memcmp(recent->id, id, size) == 0)
        return recent;
    struct table_entry *found = table_find(&edges->by_id, id, size);
    return found ? table_item(found, struct edge, by_id) : NULL;
}

struct edge *edge_of_peer(struct edges *edges, uint64_t peer)
{
    if (edges->recent && edges->recent->peer == peer)
        return edges->recent;
    struct table_entry *found = table_find(&edges->by_peer, &peer, sizeof peer);
    if (!found)
        return NULL;
    edges->recent = table_item(found, struct edge, by_peer);
    return edges->recent;
}

struct edge *edge_of_channel(const struct edges *edges, struct wire_text channel)
{
    const char *dot = memrchr(channel.data, '.', channel.size);
    return dot ? edge_find(edges, channel.data, (size_t)(dot - channel.data)) : NULL;
}

struct edge *edge_first(const struct edges *edges)
{
    struct table_entry *first = edges->by_id.first;
    return first ? table_item(first, struct edge, by_id) : NULL;
}

struct edge *edge_after(const struct edge *self)
{
    struct table_entry *after = table_after(&self->by_id);
    return after ? table_item(after, struct edge, by_id) : NULL;
}

static struct edge *s_new(const char *id, size_t size)
{
    assert(size <= EDGE_ID_MAX);
    struct edge *self = mem_new(struct edge);
    memcpy(self->id, id, size);
    self->id_size = (uint8_t)size;
    self->cursor = 1;
    list_init(&self->channels);
    list_init(&self->acks);
    list_init(&self->closed);
    list_init(&self->interests);
    list_init(&self->presents);
    list_init(&self->held);
    list_init(&self->lost);
    list_init(&self->sessions);
    list_init(&self->announced);
    pulls_init(&self->pulls);
    return self;
}

struct edge *edge_new_apart(const char *id)
{
    return s_new(id, strlen(id));
}

struct edge *edge_new(struct edges *edges, const char *id, size_t size)
{
    struct edge *self = s_new(id, size);
    self->all = edges;
    table_add(&edges->by_id, &self->by_id, self->id, size);
    edges->count++;
    return self;
}

void edge_destroy(struct edge **self_p)
{
    struct edge *self = *self_p;
    *self_p = NULL;
    assert(list_is_empty(&self->channels) && list_is_empty(&self->interests) &&
           !self->asks.first);
    edge_detach(self);
    if (self->all) {
        table_remove(&self->all->by_id, &self->by_id);
        self->all->count--;
    }
    command_ring_clear(&self->ring);
    pulls_clear(&self->pulls);
    blob_unref(&self->welcome);
    free(self);
}

void edge_attach(struct edge *self, uint64_t peer)
{
    struct edge *former = edge_of_peer(self->all, peer);
    if (former == self)
        return;
    if (former)
        edge_detach(former);
    edge_detach(self);
    self->peer = peer;
    table_add(&self->all->by_peer, &self->by_peer, &self->peer, sizeof self->peer);
}

void edge_detach(struct edge *self)
{
    if (!self->peer)
        return;
    table_remove(&self->all->by_peer, &self->by_peer);
    self->peer = 0;
    blob_unref(&self->welcome);
    if (self->all->recent == self)
        self->all->recent = NULL;
}

void edge_begin(const struct edge *self, struct wire_header *header, const char *verb)
{
    edge_begin_text(self, header, (struct wire_text){verb, strlen(verb)});
}

void edge_begin_text(const struct edge *self, struct wire_header *header,
                     struct wire_text verb)
{
    wire_begin_text(header, verb);
    wire_add_u64(header, self->ring.next);
}

static struct blob *s_record(const struct wire_header *header, struct wire_text payload)
{
    size_t size = header->size + (payload.data ? 1 + payload.size : 0);
    struct blob *record = blob_new(NULL, size);
    if (!record)
        return NULL;
    memcpy(record->data, header->text, header->size);
    if (payload.data) {
        record->data[header->size] = '\n';
        memcpy(record->data + header->size + 1, payload.data, payload.size);
    }
    return record;
}

int edge_commit(struct edge *self, const struct wire_header *header,
                struct wire_text payload, enum command_share share)
{
    if (header->overflow)
        return -EMSGSIZE;
    size_t size = header->size + payload.size + 1;
    if (!command_ring_has_room(&self->ring, size, share))
        return -ENOBUFS;
    struct blob *record = s_record(header, payload);
    if (!record)
        return -ENOBUFS;
    command_ring_push(&self->ring, &record);
    edge_flush(self);
    return 0;
}

void edge_welcome(struct edge *self, const struct wire_header *header)
{
    blob_unref(&self->welcome);
    if (self->peer)
        self->welcome = s_record(header, payload_none());
}

/* 0 when the socket took it. */
static int s_pass(struct edge *self, struct blob *record)
{
    const struct output *output = self->all->output;
    int result = output->to_edge(output->context, self->peer, record);
    if (result < 0 && result != -EAGAIN)
        edge_detach(self);
    return result;
}

void edge_flush(struct edge *self)
{
    if (self->welcome && s_pass(self, self->welcome) == 0)
        blob_unref(&self->welcome);
    while (self->peer && !self->welcome && self->cursor < self->ring.next) {
        if (s_pass(self, command_ring_at(&self->ring, self->cursor)) < 0)
            return;
        self->cursor++;
    }
}

bool edge_is_behind(const struct edge *self)
{
    return self->peer && (self->welcome || self->cursor < self->ring.next);
}

void edge_say(struct edge *self, const struct wire_header *header)
{
    struct blob *record = self->peer ? s_record(header, payload_none()) : NULL;
    if (!record)
        return;
    (void)s_pass(self, record);
    blob_unref(&record);
}
