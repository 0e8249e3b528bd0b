/* acceptor: listen sockets.  Each worker has its own for each address (SO_REUSEPORT), so
 * that the kernel spreads connections; a Unix socket is shared. */
#pragma once

#include "gateway/admission.h"
#include "gateway/http_server.h"
#include "gateway/loop.h"

#include <stddef.h>
#include <stdint.h>

/* An address of the settings: "127.0.0.1:8080", "[::]:8080", "unix:/run/ringway.sock". */
struct listen_address {
    union http_address address; // IP
    char *path;                 // Unix socket; NULL for IP
    int shared_fd;              // Unix: the one socket
};

/* Parses and checks by binding: port 0 becomes a real port.  0, or a negative errno and
 * *why gets a fixed text. */
int listen_address_read(struct listen_address *self, const char *text, const char **why);
/* As text, with the real port. */
void listen_address_text(const struct listen_address *self, char *out, size_t room);
void listen_address_clear(struct listen_address *self);

struct acceptor;

struct acceptor_options {
    int64_t user_timeout_ms; // TCP_USER_TIMEOUT
    int send_buffer;         // SO_SNDBUF; 0: the kernel grows it as it sees fit
};

/* A worker's sockets for all addresses.  NULL with errno set. */
struct acceptor *acceptor_new(const struct listen_address *addresses, size_t count,
                              const struct acceptor_options *options);
/* Start accepting into the server, in the worker's thread. */
void acceptor_start(struct acceptor *self, struct loop *loop, struct http_server *server,
                    struct admission *admission);
/* Accept no more. */
void acceptor_stop(struct acceptor *self);
void acceptor_destroy(struct acceptor **self_p);
