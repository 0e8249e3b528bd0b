/* tap: the door to watchers, an XPUB.  It knows what is watched, so that nothing is built
 * for nobody. */
#pragma once

#include "broker/core.h"
#include "broker/socket.h"

struct tap;

/* NULL with errno set. */
struct tap *tap_new(const struct socket_place *place);
void tap_destroy(struct tap **self_p);
const char *tap_endpoint(const struct tap *self);
void *tap_socket(const struct tap *self);
/* Takes subscriptions, at most `budget`; tells the core whether there are any. */
int tap_drain(struct tap *self, struct core *core, int budget);
void tap_send_record(struct tap *self, const char *topic,
                     const struct wire_header *header, struct wire_text payload);
