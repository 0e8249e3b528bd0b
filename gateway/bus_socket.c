#include "gateway/bus_socket.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    MESSAGE_MAX = WIRE_PAYLOAD_MAX + 64 * 1024,
    ZERO_COPY_RECEIVE = 10, // context option: kept messages must not pin read buffers
    NAME_ROOM = 64,
    EVENT_SIZE = 2, // bytes at the front of a monitor's event
    SAY_MS = 1000,
};

void *bus_socket_context(void)
{
    /* libzmq makes names of sockets from rand(); see the broker's. */
    srand((unsigned)clock_random_u64());
    void *context = zmq_ctx_new();
    zmq_ctx_set(context, ZERO_COPY_RECEIVE, 0);
    return context;
}

static void s_show_keys(void *socket, const struct bus_keys *keys)
{
    if (bus_keys_are_set(keys) &&
        (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->broker, KEY_TEXT + 1) < 0 ||
         zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->own_public, KEY_TEXT + 1) <
             0 ||
         zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->own_secret, KEY_TEXT + 1) < 0))
        log_error("bus_keys", "error=\"%s\"", zmq_strerror(errno));
}

void *bus_socket_new(void *context, const char *endpoint, const struct bus_keys *keys)
{
    static const struct {
        int option, value;
    } options[] = {
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_LINGER, 0},
        {ZMQ_RECONNECT_IVL, 100},
        {ZMQ_SNDHWM, 4000}, // what waits beyond that waits with its worker
        {ZMQ_RCVHWM, 0},
        {ZMQ_RECONNECT_IVL_MAX, 1000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 2},
        {ZMQ_TCP_KEEPALIVE_INTVL, 1},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_MAXRT, 4000},
        {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_IPV6, 1},
    };
    void *socket = zmq_socket(context, ZMQ_DEALER);
    for (size_t at = 0; at < sizeof options / sizeof options[0]; at++)
        zmq_setsockopt(socket, options[at].option, &options[at].value, sizeof(int));
    int64_t most = MESSAGE_MAX;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    s_show_keys(socket, keys);
    if (zmq_connect(socket, endpoint) != 0)
        log_error("bus_endpoint", "endpoint=%s error=\"%s\"", endpoint,
                  zmq_strerror(errno));
    return socket;
}

void bus_monitor_open(struct bus_monitor *self, void *context, void *socket)
{
    char name[NAME_ROOM];
    int none = 0;
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    snprintf(name, sizeof name, "inproc://ringway-bus-monitor-%u", self->opened++);
    self->socket = socket;
    self->lost = false;
    if (zmq_socket_monitor(socket, name, events) < 0)
        return; // only the log is poorer
    self->monitor = zmq_socket(context, ZMQ_PAIR);
    zmq_setsockopt(self->monitor, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(self->monitor, ZMQ_LINGER, &none, sizeof none);
    zmq_connect(self->monitor, name);
}

void bus_monitor_close(struct bus_monitor *self)
{
    if (!self->monitor)
        return;
    zmq_socket_monitor(self->socket, NULL, 0);
    zmq_close(self->monitor);
    self->socket = self->monitor = NULL;
}

static void s_say(struct bus_monitor *self, uint16_t event, int64_t now_ms)
{
    const char *why = event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? "our key"
                      : event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                          ? "keys on one side only, or another protocol"
                          : "no answer; perhaps another broker-key";
    if (self->said_ms && now_ms - self->said_ms < SAY_MS)
        return;
    self->said_ms = now_ms;
    log_warn("bus_refused", "reason=\"%s\"", why);
}

/* The next event; false when there is none. */
static bool s_next(struct bus_monitor *self, uint16_t *event_out)
{
    uint8_t frame[NAME_ROOM];
    if (zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT) < EVENT_SIZE)
        return false;
    memcpy(event_out, frame, sizeof *event_out);
    return zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT) >= 0;
}

bool bus_monitor_look(struct bus_monitor *self, int64_t now_ms)
{
    bool renewed = false;
    uint16_t event;
    while (self->monitor && s_next(self, &event)) {
        if (event == ZMQ_EVENT_DISCONNECTED) {
            self->lost = true;
        } else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            renewed |= self->lost;
            self->lost = false;
        } else {
            s_say(self, event, now_ms);
        }
    }
    return renewed;
}
