#include "broker/watch.h"

#include "broker/socket.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WATCH_PORTS = 5, WATCH_EVENT = 2, WATCH_NAME = 64 };

enum refusal {
    REFUSED_KEY,      // no such key here, or not for this port
    REFUSED_PROTOCOL, // no ZMTP 3, another mechanism, or not our key
    REFUSED_UNFINISHED,
    REFUSALS,
};

static const char *const s_port_names[WATCH_PORTS] = {"edges", "apps", "tap", "pull",
                                                      "sub"};
static const char *const s_reasons[REFUSALS] = {
    [REFUSED_KEY] = "key",
    [REFUSED_PROTOCOL] = "protocol",
    [REFUSED_UNFINISHED] = "unfinished",
};
static struct metric s_metrics[WATCH_PORTS][REFUSALS];
static char s_labels[WATCH_PORTS][REFUSALS][WATCH_NAME];

struct watch {
    void *context;
    unsigned added; // makes the names of monitors differ
    struct {
        void *socket, *monitor;
    } eye[WATCH_PORTS]; // as in s_port_names
};

struct watch *watch_new(void *context)
{
    struct watch *self = mem_new(struct watch);
    self->context = context;
    return self;
}

static void s_close(struct watch *self, size_t at)
{
    if (self->eye[at].monitor) {
        (void)zmq_socket_monitor(self->eye[at].socket, NULL, 0);
        (void)zmq_close(self->eye[at].monitor);
    }
    self->eye[at].socket = self->eye[at].monitor = NULL;
}

void watch_destroy(struct watch **self_p)
{
    struct watch *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    for (size_t at = 0; at < WATCH_PORTS; at++)
        s_close(self, at);
    free(self);
}

static size_t s_port(const char *name)
{
    size_t at = 0;
    while (at < WATCH_PORTS - 1 && strcmp(s_port_names[at], name) != 0)
        at++;
    return at;
}

bool watch_add(struct watch *self, const char *port, void *socket)
{
    char name[WATCH_NAME];
    int none = 0;
    size_t at = s_port(port);
    int events = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    snprintf(name, sizeof name, "inproc://ringway-watch-%u", self->added++);
    if (zmq_socket_monitor(socket, name, events) < 0)
        return false;
    self->eye[at].socket = socket;
    self->eye[at].monitor = zmq_socket(self->context, ZMQ_PAIR);
    /* Without a limit: libzmq's own thread would stand still at one. */
    return self->eye[at].monitor &&
           zmq_setsockopt(self->eye[at].monitor, ZMQ_RCVHWM, &none, sizeof none) == 0 &&
           zmq_setsockopt(self->eye[at].monitor, ZMQ_LINGER, &none, sizeof none) == 0 &&
           zmq_connect(self->eye[at].monitor, name) == 0;
}

void watch_remove(struct watch *self, void *socket)
{
    for (size_t at = 0; at < WATCH_PORTS; at++)
        if (self->eye[at].socket == socket)
            s_close(self, at);
}

/* One event: a frame that begins with its 16 bits, and a frame with an endpoint. */
static bool s_read(void *monitor, uint16_t *event)
{
    uint8_t frame[WATCH_NAME];
    int size = zmq_recv(monitor, frame, sizeof frame, ZMQ_DONTWAIT);
    if (size < WATCH_EVENT)
        return false;
    memcpy(event, frame, sizeof *event);
    return zmq_recv(monitor, frame, sizeof frame, ZMQ_DONTWAIT) >= 0;
}

static enum refusal s_refusal(uint16_t event)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return REFUSED_KEY;
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ? REFUSED_PROTOCOL
                                                        : REFUSED_UNFINISHED;
}

void watch_report(struct watch *self)
{
    uint64_t count[REFUSALS] = {0};
    const char *port = NULL;
    for (size_t at = 0; at < WATCH_PORTS; at++) {
        uint16_t event;
        while (self->eye[at].monitor && s_read(self->eye[at].monitor, &event)) {
            enum refusal why = s_refusal(event);
            port = s_port_names[at];
            metric_add(&s_metrics[at][why], 1);
            count[why]++;
        }
    }
    if (port)
        log_warn("connections_refused",
                 "port=%s key=%" PRIu64 " protocol=%" PRIu64 " unfinished=%" PRIu64, port,
                 count[REFUSED_KEY], count[REFUSED_PROTOCOL], count[REFUSED_UNFINISHED]);
}

void watch_register(void)
{
    for (size_t port = 0; port < WATCH_PORTS; port++)
        for (size_t why = 0; why < REFUSALS; why++) {
            snprintf(s_labels[port][why], WATCH_NAME, "port=\"%s\",reason=\"%s\"",
                     s_port_names[port], s_reasons[why]);
            s_metrics[port][why] = (struct metric){
                .name = "ringway_broker_refused_connections_total",
                .labels = s_labels[port][why],
                .help = "Connections that were not let in: without a key for this port, "
                        "with another protocol, or not in time.",
                .kind = METRIC_COUNTER};
            metric_register(&s_metrics[port][why]);
        }
}
