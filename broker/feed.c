#include "broker/feed.h"

#include "broker/zap.h"
#include "common/mem.h"

#include <stdlib.h>

struct feed {
    enum feed_kind kind;
    const struct key_store *keys;
    void *socket;
    zmq_msg_t topic, frame;
    char endpoint[SOCKET_ENDPOINT_MAX];
};

struct feed *feed_new(const struct socket_place *place, enum feed_kind kind)
{
    const struct socket_options options = {kind == FEED_PULL ? ZMQ_PULL : ZMQ_SUB, 1000,
                                           1000, WIRE_PAYLOAD_MAX + 65536, ZAP_APP};
    struct feed *self = mem_new(struct feed);
    self->kind = kind;
    self->keys = place->keys;
    self->socket = socket_new(place, &options, self->endpoint);
    (void)zmq_msg_init(&self->topic);
    (void)zmq_msg_init(&self->frame);
    if (!self->socket)
        feed_destroy(&self);
    return self;
}

void feed_destroy(struct feed **self_p)
{
    struct feed *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    (void)zmq_msg_close(&self->topic);
    (void)zmq_msg_close(&self->frame);
    socket_destroy(&self->socket);
    free(self);
}

const char *feed_endpoint(const struct feed *self)
{
    return self->endpoint;
}

void *feed_socket(const struct feed *self)
{
    return self->socket;
}

/* One frame: a publisher that sends topic and payload in one is not understood. */
static void s_publication(struct feed *self, struct core *core)
{
    if (!zmq_msg_more(&self->topic) || socket_receive(self->socket, &self->frame) < 0)
        return;
    if (!zmq_msg_more(&self->frame))
        core_from_publisher(core, socket_authority(self->keys, &self->frame),
                            socket_text(&self->topic), socket_text(&self->frame));
    socket_skip(self->socket, &self->frame);
}

int feed_drain(struct feed *self, struct core *core, int budget)
{
    int taken = 0;
    for (; taken < budget && socket_receive(self->socket, &self->topic) == 0; taken++) {
        if (self->kind == FEED_SUB)
            s_publication(self, core);
        else
            core_from_plain(core, socket_authority(self->keys, &self->topic),
                            socket_text(&self->topic));
    }
    return taken;
}
