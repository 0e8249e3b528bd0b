/* ops_server: the operations port: /metrics /healthz /readyz.  Door of libmicrohttpd for
 * both daemons; runs in a thread of its own, where the callbacks are called. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ops_server;

struct ops_callbacks {
    /* Ready to serve?  Writes a reason of at most room-1 bytes when not. */
    bool (*is_ready)(void *context, char *reason, size_t room);
    /* Called before a metrics page is made, to set gauges; may be NULL. */
    void (*before_metrics)(void *context);
    void *context;
};

/* Listens on ADDR:PORT ([v6]:PORT, port 0 allowed).  NULL with errno set when not. */
struct ops_server *ops_server_new(const char *address,
                                  const struct ops_callbacks *callbacks);
/* The real address, "127.0.0.1:8081". */
const char *ops_server_address(const struct ops_server *self);
void ops_server_destroy(struct ops_server **self_p);
