/* channel_ws: a channel carried by a WebSocket. */
#pragma once

#include "gateway/admission.h"
#include "gateway/channel.h"
#include "gateway/transport.h"

#include <sys/uio.h>

extern const struct carrier channel_ws;

/* What the handshake leaves behind; transport and ticket are the carrier's from then on.
 */
struct channel_ws_start {
    struct transport transport;
    struct admission *admission;
    struct admission_ticket *ticket;
    struct iovec extra; // bytes that came with the request
    bool cursors;       // the client of a topic route understands ringway.1
};

/* The 101 has left: the channel is carried by the WebSocket. */
void channel_ws_start(struct channel *channel, const struct channel_ws_start *start);
