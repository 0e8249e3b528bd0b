/* worker: one thread of the gateway with everything it needs: loop, HTTP, channels,
 * topics, and its port to the bus.  Workers share nothing but read-only settings, routes
 * and a few counters. */
#pragma once

#include "gateway/acceptor.h"
#include "gateway/bus_port.h"
#include "gateway/route.h"
#include "gateway/settings.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct worker;

/* Borrowed for the worker's life. */
struct worker_options {
    const struct gateway_settings *settings;
    const struct route_table *routes;
    struct admission *admission;
    struct acceptor *acceptor; // the worker's own; taken
    struct bus_port *port;
    const char *prefix; // of channel ids
    atomic_size_t *out_total;
    unsigned index;
    int wake_fd; // eventfd that others write
};

/* NULL when the machine lacks something (errno). */
struct worker *worker_new(const struct worker_options *options);
int worker_start(struct worker *self);
/* Accept no more and end the channels: returns at once.  Any thread. */
void worker_drain(struct worker *self);
/* Drained to the end, or the grace is over? */
bool worker_is_done(const struct worker *self);
/* Ends the thread, whatever is open. */
void worker_stop(struct worker *self);
void worker_destroy(struct worker **self_p);
