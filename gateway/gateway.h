/* gateway: the edge as a whole: listen sockets, workers, the bus.  For the mains. */
#pragma once

#include "common/conf.h"
#include "common/ops_server.h"
#include "gateway/bus_keys.h"

#include <stdbool.h>
#include <stddef.h>

struct gateway;

/* Checks what the tables cannot: names, routes.  Exits 2 with one line when something is
 * wrong. */
void gateway_check(const struct conf *conf);
/* Binds all addresses.  NULL when one cannot be bound: `why` says which and why.
 *   brokers   endpoints, borrowed for the gateway's life */
struct gateway *gateway_new(const struct conf *conf, const char *const *brokers,
                            size_t count, char *why, size_t room);
/* What it shows to the broker; before the start, and again whenever they are others. */
void gateway_set_keys(struct gateway *self, const struct bus_keys *keys);
/* Starts the threads: 0 or a negative errno. */
int gateway_start(struct gateway *self);
/* The first client address, with its real port: "http://127.0.0.1:8080/". */
void gateway_address(const struct gateway *self, size_t at, char *out, size_t room);
size_t gateway_address_count(const struct gateway *self);
/* Stop accepting and end the channels; gateway_is_done tells when they have ended. */
void gateway_drain(struct gateway *self);
bool gateway_is_done(const struct gateway *self);
/* Ends all threads and frees everything. */
void gateway_destroy(struct gateway **self_p);
/* What the operations port calls.  gateway_end_posts comes before its end: whoever waits
 * is answered then. */
struct ops_callbacks gateway_ops_callbacks(struct gateway *self);
void gateway_end_posts(struct gateway *self);
