/* socket: what the doors share of libzmq: options, identities of peers, sending and
 * receiving. */
#pragma once

#include "broker/key_store.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

enum {
    SOCKET_ENDPOINT_MAX = 512,
    SOCKET_PEER_MAX = 7, // bytes of a routing id; libzmq makes them of 5
};

struct socket_options {
    int type; // ZMQ_ROUTER ...
    int receive_high_water, send_high_water;
    int64_t message_max; // bytes
    const char *domain;  // of zap.h
};

/* A libzmq context whose peers cannot be guessed, and whose thread runs on this core, or
 * CORES_ANY.  NULL with errno set. */
void *socket_context_new(int core);
/* Waits until what was sent is on its way, for a moment. */
void socket_context_destroy(void **context_p);

/* Where a door stands: borrowed by it. */
struct socket_place {
    void *context;
    const char *endpoint;         // the port may be `*` or 0
    const struct key_store *keys; // who may connect, with CURVE; NULL: everybody
};

/* A bound socket; its real endpoint is written to `real`.  NULL with errno set. */
void *socket_new(const struct socket_place *place, const struct socket_options *options,
                 char real[SOCKET_ENDPOINT_MAX]);
void socket_destroy(void **socket_p);

/* What the sender of a frame may do; NULL: everything.  Ask it of a frame of the body:
 * the identity frame of a ROUTER may have lost it (libzmq 4.3.4). */
const struct authority *socket_authority(const struct key_store *keys, zmq_msg_t *frame);

/* A routing id as a number, 0 when it is too long. */
uint64_t socket_peer(const void *id, size_t size);
/* 0 or a negative errno; more frames must follow. */
int socket_send_peer(void *socket, uint64_t peer);
/* A frame of a header and a payload: 0, or -ENOMEM and there is none. */
int socket_make_record(zmq_msg_t *frame, const struct wire_header *header,
                       struct wire_text payload);
/* The same, sent: 0 or a negative errno. */
int socket_send_record(void *socket, const struct wire_header *header,
                       struct wire_text payload);
/* The next frame, if there is one: 0, or a negative errno. */
int socket_receive(void *socket, zmq_msg_t *frame);
/* Forgets the rest of a message of which `frame` was received. */
void socket_skip(void *socket, zmq_msg_t *frame);
static inline struct wire_text socket_text(zmq_msg_t *frame)
{
    return (struct wire_text){zmq_msg_data(frame), zmq_msg_size(frame)};
}

/* Wait until a socket (NULL ones are left out) has something, or the descriptor, or the
 * time is over.  Returns whether the descriptor has. */
bool socket_wait(void *const *sockets, size_t count, int descriptor, int timeout_ms);
