#include "broker/front.h"

#include "broker/batch.h"
#include "broker/zap.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRONT_COPIED = 1024, // bytes; a longer record is lent to libzmq
    FRONT_MESSAGE_MAX = WIRE_PAYLOAD_MAX + 65536,
};

struct front {
    void *socket;
    const struct key_store *keys;
    zmq_msg_t id, frame;
    struct batch batch;
    char endpoint[SOCKET_ENDPOINT_MAX];
};

struct front *front_new(const struct socket_place *place)
{
    /* No limit on arrival: the windows of the edges bound what is under way. */
    const struct socket_options options = {ZMQ_ROUTER, 0, 100000, FRONT_MESSAGE_MAX,
                                           ZAP_EDGE};
    struct front *self = mem_new(struct front);
    self->keys = place->keys;
    self->socket = socket_new(place, &options, self->endpoint);
    (void)zmq_msg_init(&self->id);
    (void)zmq_msg_init(&self->frame);
    batch_init(&self->batch, self->socket);
    if (!self->socket)
        front_destroy(&self);
    return self;
}

void front_destroy(struct front **self_p)
{
    struct front *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    batch_end(&self->batch);
    (void)zmq_msg_close(&self->id);
    (void)zmq_msg_close(&self->frame);
    socket_destroy(&self->socket);
    free(self);
}

const char *front_endpoint(const struct front *self)
{
    return self->endpoint;
}

void *front_socket(const struct front *self)
{
    return self->socket;
}

int front_drain(struct front *self, struct core *core, int budget)
{
    int taken = 0;
    for (; taken < budget && socket_receive(self->socket, &self->id) == 0; taken++) {
        struct address from = {
            .peer = socket_peer(zmq_msg_data(&self->id), zmq_msg_size(&self->id))};
        if (!from.peer) {
            socket_skip(self->socket, &self->id);
            continue;
        }
        bool more = zmq_msg_more(&self->id);
        while (more && socket_receive(self->socket, &self->frame) == 0) {
            more = zmq_msg_more(&self->frame);
            from.authority = socket_authority(self->keys, &self->frame);
            core_from_edge(core, &from, socket_text(&self->frame));
        }
    }
    return taken;
}

static void s_give_back(void *data, void *hint)
{
    struct blob *record = hint;
    (void)data;
    blob_unref(&record);
}

static int s_make(zmq_msg_t *frame, struct blob *record)
{
    if (record->size >= FRONT_COPIED)
        return zmq_msg_init_data(frame, record->data, record->size, s_give_back,
                                 blob_ref(record));
    if (zmq_msg_init_size(frame, record->size) < 0)
        return -1;
    memcpy(zmq_msg_data(frame), record->data, record->size);
    return 0;
}

int front_send(struct front *self, uint64_t peer, struct blob *record)
{
    zmq_msg_t frame;
    if (s_make(&frame, record) < 0)
        return -ENOMEM;
    int result = batch_add(&self->batch, peer, &frame);
    if (result < 0)
        (void)zmq_msg_close(&frame);
    return result;
}

void front_flush(struct front *self)
{
    batch_end(&self->batch);
}
