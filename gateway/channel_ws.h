/* channel_ws: a channel carried by a WebSocket. */
#pragma once

#include "gateway/admission.h"
#include "gateway/channel.h"
#include "gateway/transport.h"

#include <sys/uio.h>

extern const struct carrier channel_ws;

/* The handshake is over: the transport and the ticket are this carrier's now.
 *   extra   bytes that came with the request
 *   cursors the client of a topic route understands ringway.1 */
void channel_ws_start(struct channel *channel, struct transport transport,
                      struct admission *admission, struct admission_ticket *ticket,
                      struct iovec extra, bool cursors);
