#include "broker/back.h"

#include "broker/batch.h"
#include "broker/zap.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACK_MESSAGE_MAX =
        8 * 1024 * 1024,     // bytes; what is over 4 MiB is answered, not cut off
    BACK_FRAMES = 5,         // an envelope is at most 4 frames, then an empty one
    BACK_ENVELOPE_MAX = 256, // bytes of it, with a size for each frame
};

struct back {
    void *socket;
    const struct key_store *keys;
    zmq_msg_t id, frame[BACK_FRAMES];
    uint8_t envelope[BACK_ENVELOPE_MAX];
    struct batch batch;
    char endpoint[SOCKET_ENDPOINT_MAX];
};

struct back *back_new(const struct socket_place *place)
{
    const struct socket_options options = {ZMQ_ROUTER, 1000, 100000, BACK_MESSAGE_MAX,
                                           ZAP_APP};
    struct back *self = mem_new(struct back);
    self->keys = place->keys;
    self->socket = socket_new(place, &options, self->endpoint);
    (void)zmq_msg_init(&self->id);
    for (int at = 0; at < BACK_FRAMES; at++)
        (void)zmq_msg_init(&self->frame[at]);
    batch_init(&self->batch, self->socket);
    if (!self->socket)
        back_destroy(&self);
    return self;
}

void back_destroy(struct back **self_p)
{
    struct back *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    batch_end(&self->batch);
    (void)zmq_msg_close(&self->id);
    for (int at = 0; at < BACK_FRAMES; at++)
        (void)zmq_msg_close(&self->frame[at]);
    socket_destroy(&self->socket);
    free(self);
}

const char *back_endpoint(const struct back *self)
{
    return self->endpoint;
}

void *back_socket(const struct back *self)
{
    return self->socket;
}

/* Packs frames as size byte and bytes; the empty frame is a zero.  False when it is too
 * long. */
static bool s_pack(struct back *self, int frames, struct address *from)
{
    size_t size = 0;
    for (int at = 0; at < frames; at++) {
        size_t part = zmq_msg_size(&self->frame[at]);
        if (part > UINT8_MAX || size + part + 2 > BACK_ENVELOPE_MAX)
            return false;
        self->envelope[size++] = (uint8_t)part;
        memcpy(self->envelope + size, zmq_msg_data(&self->frame[at]), part);
        size += part;
    }
    self->envelope[size++] = 0;
    from->envelope = self->envelope;
    from->envelope_size = size;
    return true;
}

/* A message of several frames: an envelope up to the first empty frame, if there is one
 * among the first five, then records. */
static void s_take_several(struct back *self, struct core *core, struct address *from)
{
    int count = 1, first = 0;
    bool more = true, bad = false;
    while (more && count < BACK_FRAMES && zmq_msg_size(&self->frame[count - 1]) > 0 &&
           socket_receive(self->socket, &self->frame[count]) == 0)
        more = zmq_msg_more(&self->frame[count++]);
    if (zmq_msg_size(&self->frame[count - 1]) == 0) {
        bad = !s_pack(self, count - 1, from);
        first = count;
    }
    for (int at = first; at < count; at++)
        core_from_app(core, from, socket_text(&self->frame[at]));
    while (more && socket_receive(self->socket, &self->frame[0]) == 0) {
        more = zmq_msg_more(&self->frame[0]);
        if (!bad)
            core_from_app(core, from, socket_text(&self->frame[0]));
    }
}

int back_drain(struct back *self, struct core *core, int budget)
{
    int taken = 0;
    for (; taken < budget && socket_receive(self->socket, &self->id) == 0; taken++) {
        struct address from = {
            .peer = socket_peer(zmq_msg_data(&self->id), zmq_msg_size(&self->id))};
        if (!from.peer) {
            socket_skip(self->socket, &self->id);
            continue;
        }
        if (!zmq_msg_more(&self->id) || socket_receive(self->socket, &self->frame[0]) < 0)
            continue;
        from.authority = socket_authority(self->keys, &self->frame[0]);
        if (zmq_msg_more(&self->frame[0]))
            s_take_several(self, core, &from);
        else
            core_from_app(core, &from, socket_text(&self->frame[0]));
    }
    return taken;
}

static int s_send_envelope(struct back *self, const struct address *to)
{
    for (size_t at = 0; at < to->envelope_size;) {
        size_t part = to->envelope[at++];
        if (zmq_send(self->socket, to->envelope + at, part, ZMQ_SNDMORE | ZMQ_DONTWAIT) <
            0)
            return -zmq_errno();
        at += part;
    }
    return 0;
}

static int s_add(struct back *self, const struct address *to,
                 const struct wire_header *header, struct wire_text payload)
{
    zmq_msg_t frame;
    int result = socket_make_record(&frame, header, payload);
    if (result < 0)
        return result;
    result = batch_add(&self->batch, to->peer, &frame);
    if (result < 0)
        (void)zmq_msg_close(&frame);
    return result;
}

void back_flush(struct back *self)
{
    batch_end(&self->batch);
}

int back_send(struct back *self, const struct address *to,
              const struct wire_header *header, struct wire_text payload)
{
    if (to->takes_batches)
        return s_add(self, to, header, payload);
    batch_end(&self->batch);
    int result = socket_send_peer(self->socket, to->peer);
    if (result == 0)
        result = s_send_envelope(self, to);
    if (result == 0)
        result = socket_send_record(self->socket, header, payload);
    return result;
}
