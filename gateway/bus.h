/* bus: the edge's door to the broker: a thread that owns the ZeroMQ sockets.
 * It keeps the connection, numbers nothing, and knows records, not channels: workers own
 * the channels and talk to it through bus_port.  docs/protocol/1-bus.md section 5. */
#pragma once

#include "gateway/bus_asks.h"
#include "gateway/bus_keys.h"
#include "gateway/bus_port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;

struct bus_options {
    const char *const *endpoints; // brokers; one is used, the next when it is silent
    size_t endpoint_count;
    const char *edge_name;
    int64_t orphan_ms, heartbeat_ms;
    unsigned workers;
    const int *wake_workers;   // eventfd of each worker
    size_t worker_queue;       // bytes that may wait for one worker
    int64_t worker_timeout_ms; // a worker that stands still for longer ends the process
};

struct bus *bus_new(const struct bus_options *options);
/* Copies them.  Before the start or after it, from any thread: the connection is made
 * anew if they are others, and the channels live on. */
void bus_set_keys(struct bus *self, const struct bus_keys *keys);
/* Starts the thread: 0 or a negative errno. */
int bus_start(struct bus *self);
/* Sends what is left and BYE, ends the thread. */
void bus_stop(struct bus *self);
void bus_destroy(struct bus **self_p);

/* Any thread: ask the broker (bus_asks.h).  bus_end_asks answers everybody. */
void bus_ask(struct bus *self, struct wire_header *header, const void *payload,
             size_t size, const struct bus_asker *asker);
void bus_end_asks(struct bus *self);

struct bus_port *bus_port(struct bus *self, unsigned worker);
/* "edge.epoch." as it was at the start; later ones come as BUS_EPOCH. */
const char *bus_prefix(const struct bus *self);
/* Joined and announced; from any thread. */
bool bus_is_ready(const struct bus *self);
