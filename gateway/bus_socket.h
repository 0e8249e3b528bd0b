/* bus_socket: a DEALER to the broker with the options of docs/protocol/1-bus.md section
 * 2. */
#pragma once

#include "gateway/bus_keys.h"

#include <stdbool.h>
#include <stdint.h>

/* A ZeroMQ context for them. */
void *bus_socket_context(void);
/* Connected, or about to be; an endpoint that cannot be is logged. */
void *bus_socket_new(void *context, const char *endpoint, const struct bus_keys *keys);

/* Looks at one socket for handshakes that fail, and connections that are new. */
struct bus_monitor {
    void *socket, *monitor; // ZeroMQ
    bool lost;              // the connection; a new one is not there yet
    unsigned opened;        // makes names differ
    int64_t said_ms;        // when the log had a line about it last
};

void bus_monitor_open(struct bus_monitor *self, void *context, void *socket);
/* Before its socket is closed. */
void bus_monitor_close(struct bus_monitor *self);
/* Says in the log that the broker refuses us, at most once in a second.  True when a
 * connection was lost and there is a new one: what was said on the old one may be lost.
 */
bool bus_monitor_look(struct bus_monitor *self, int64_t now_ms);
