#include "broker/batch.h"

#include "broker/socket.h"

#include <stdlib.h>

/* Of one message: a receiver gets all of it or nothing. */
enum { FRAMES_MAX = 64, BYTES_MAX = 64 * 1024 };

void batch_init(struct batch *self, void *socket)
{
    *self = (struct batch){.socket = socket};
    (void)zmq_msg_init(&self->last);
}

/* Once its first frame was taken, libzmq takes the rest of a message: its limit counts
 * messages.  When the peer goes meanwhile, all of it goes with its connection. */
static void s_send_last(struct batch *self, int flags)
{
    if (zmq_msg_send(&self->last, self->socket, flags | ZMQ_DONTWAIT) >= 0)
        return;
    (void)zmq_msg_close(&self->last);
    (void)zmq_msg_init(&self->last);
}

void batch_end(struct batch *self)
{
    if (self->peer)
        s_send_last(self, 0);
    self->peer = 0;
}

int batch_add(struct batch *self, uint64_t peer, zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);
    if (self->peer == peer && self->frames < FRAMES_MAX &&
        self->bytes + size <= BYTES_MAX) {
        s_send_last(self, ZMQ_SNDMORE);
    } else {
        batch_end(self);
        int result = socket_send_peer(self->socket, peer);
        if (result < 0)
            return result;
        self->peer = peer;
        self->frames = 0;
        self->bytes = 0;
    }
    self->frames++;
    self->bytes += size;
    if (zmq_msg_move(&self->last, frame) < 0)
        abort(); // neither is a message: our own fault
    return 0;
}
