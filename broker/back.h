/* back: the door to applications, a ROUTER.  Workers and senders are DEALERs or REQs. */
#pragma once

#include "broker/core.h"
#include "broker/socket.h"

struct back;

/* NULL with errno set. */
struct back *back_new(const struct socket_place *place);
void back_destroy(struct back **self_p);
const char *back_endpoint(const struct back *self);
void *back_socket(const struct back *self);
/* Gives what has arrived to the core, at most `budget` messages.  Returns how many. */
int back_drain(struct back *self, struct core *core, int budget);
/* 0, -EAGAIN when the connection's queue is full, -EHOSTUNREACH when it is gone. */
int back_send(struct back *self, const struct address *to,
              const struct wire_header *header, struct wire_text payload);
/* At the end of a turn: what was sent goes out. */
void back_flush(struct back *self);
