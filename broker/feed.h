/* feed: the doors without answers: a PULL for records, and a SUB for topic and payload.
 */
#pragma once

#include "broker/core.h"
#include "broker/socket.h"

struct feed;

enum feed_kind { FEED_PULL, FEED_SUB };

/* NULL with errno set. */
struct feed *feed_new(const struct socket_place *place, enum feed_kind kind);
void feed_destroy(struct feed **self_p);
const char *feed_endpoint(const struct feed *self);
void *feed_socket(const struct feed *self);
/* Gives what has arrived to the core, at most `budget` messages.  Returns how many. */
int feed_drain(struct feed *self, struct core *core, int budget);
