#include "bindings/c/rw_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* docs/protocol/1-bus.md section 2. */
static const struct {
    int option, value;
} s_options[] = {
    {ZMQ_IMMEDIATE, 1},
    {ZMQ_LINGER, 0},
    {ZMQ_RECONNECT_IVL, 100},
    {ZMQ_RECONNECT_IVL_MAX, 1000},
    {ZMQ_RCVHWM, 0},
    {ZMQ_SNDHWM, 100000},
    {ZMQ_HANDSHAKE_IVL, 5000},
    {ZMQ_TCP_KEEPALIVE, 1},
    {ZMQ_TCP_KEEPALIVE_IDLE, 2},
    {ZMQ_TCP_KEEPALIVE_INTVL, 1},
    {ZMQ_TCP_KEEPALIVE_CNT, 3},
    {ZMQ_TCP_MAXRT, 4000},
};

static int s_configure(void *socket, const struct rw_keys *keys)
{
    int64_t most = 4 * 1024 * 1024 + 64 * 1024;
    int result = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    for (size_t at = 0; at < sizeof s_options / sizeof *s_options; at++)
        if (zmq_setsockopt(socket, s_options[at].option, &s_options[at].value,
                           sizeof s_options[at].value) < 0)
            result = -1;
    return rw_keys_show(keys, socket) < 0 ? -1 : result;
}

static int s_open_monitor(struct rw_connection *self)
{
    char name[64];
    snprintf(name, sizeof name, "inproc://ringway-monitor-%u", self->opened);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(self->socket, name, events) < 0)
        return -errno;
    self->monitor = zmq_socket(self->context, ZMQ_PAIR);
    int linger = 0;
    if (!self->monitor ||
        zmq_setsockopt(self->monitor, ZMQ_LINGER, &linger, sizeof linger) < 0 ||
        zmq_connect(self->monitor, name) < 0)
        return -errno;
    return 0;
}

int rw_connection_open(struct rw_connection *self)
{
    rw_connection_close(self);
    self->opened++;
    self->socket = zmq_socket(self->context, ZMQ_DEALER);
    if (!self->socket)
        return -errno;
    if (s_configure(self->socket, &self->keys) < 0)
        return -errno;
    int result = s_open_monitor(self);
    if (result < 0)
        return result;
    return zmq_connect(self->socket, self->endpoint) < 0 ? -errno : 0;
}

void rw_connection_close(struct rw_connection *self)
{
    if (self->socket)
        zmq_socket_monitor(self->socket, NULL, 0);
    if (self->monitor)
        zmq_close(self->monitor);
    if (self->socket)
        zmq_close(self->socket);
    self->socket = self->monitor = NULL;
    self->is_up = self->is_renewed = false;
}

/* One event of the monitor: two frames, of which the first begins with 16 bits of event.
 * False when there is none. */
static bool s_read_event(struct rw_connection *self, uint16_t *event)
{
    uint8_t frame[256];
    int size = zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT);
    if (size < 2)
        return false;
    memcpy(event, frame, sizeof *event);
    return zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT) >= 0;
}

void rw_connection_watch(struct rw_connection *self)
{
    uint16_t event;
    while (self->monitor && s_read_event(self, &event)) {
        self->is_up = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        if (self->is_up)
            self->is_renewed = true;
    }
}

int rw_connection_send(struct rw_connection *self, const void *frame, size_t size)
{
    rw_connection_watch(self);
    if (!self->is_up || self->is_renewed)
        return -EAGAIN;
    return zmq_send(self->socket, frame, size, ZMQ_DONTWAIT) < 0 ? -EAGAIN : 0;
}
