/* broker: the core with its doors: sockets, the loop, metrics.  One thread runs it;
 * broker_stop and broker_reload may be called by any thread or signal handler. */
#pragma once

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>

struct broker;

enum { BROKER_KEY_ROOM = 41 };

enum broker_port {
    BROKER_EDGES,
    BROKER_APPS,
    BROKER_TAP,
    BROKER_PULL,
    BROKER_SUB,
    BROKER_PORTS,
};

/* Binds all ports.  NULL when one cannot be bound: `why` says which and why. */
struct broker *broker_new(const struct conf *conf, char *why, size_t room);
void broker_destroy(struct broker **self_p);
/* The real endpoint of a port, "tcp://127.0.0.1:7701"; "" when the port is off. */
const char *broker_endpoint(const struct broker *self, enum broker_port port);
/* Serves until broker_stop. */
void broker_run(struct broker *self);
void broker_stop(struct broker *self);
/* Read the keys again, soon.  Any thread or signal handler. */
void broker_reload(struct broker *self);
/* Keys for a gateway in this process, made once and kept nowhere: its own pair and the
 * broker's public key, Z85 with NUL.  Before broker_run.  False when there are no keys,
 * and the bus is open. */
bool broker_make_edge_keys(struct broker *self, char own_public[BROKER_KEY_ROOM],
                           char own_secret[BROKER_KEY_ROOM],
                           char broker_public[BROKER_KEY_ROOM]);
/* Is broker_run serving?  Any thread. */
bool broker_is_running(const struct broker *self);
