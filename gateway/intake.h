/* intake: a request becomes a channel, or a refusal: routes, handshake checks, limits,
 * OPEN. */
#pragma once

#include "gateway/channel.h"
#include "gateway/http_server.h"
#include "gateway/hub.h"
#include "gateway/route.h"

/* What one worker's intake works with; borrowed. */
struct intake {
    struct channel_host *host;
    struct hub *hub;
    struct admission *admission;
    const struct route_table *routes;
    const struct gateway_settings *settings;
};

/* For channel_host: what ADOPT tells of a channel, with the subprotocol that was chosen.
 */
void intake_chose(struct channel_host *host, struct channel *channel,
                  const char *protocol);
/* The callbacks for http_server_new, with the intake as their context. */
struct http_callbacks intake_callbacks(struct intake *self);
