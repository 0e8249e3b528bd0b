/* front: the door to the edges, a ROUTER. */
#pragma once

#include "broker/core.h"
#include "broker/socket.h"
#include "common/blob.h"

struct front;

/* NULL with errno set. */
struct front *front_new(const struct socket_place *place);
void front_destroy(struct front **self_p);
const char *front_endpoint(const struct front *self);
void *front_socket(const struct front *self);
/* Gives what has arrived to the core, at most `budget` messages.  Returns how many. */
int front_drain(struct front *self, struct core *core, int budget);
/* 0, -EAGAIN when the connection's queue is full, -EHOSTUNREACH when it is gone. */
int front_send(struct front *self, uint64_t peer, struct blob *record);
/* At the end of a turn: what was sent goes out. */
void front_flush(struct front *self);
