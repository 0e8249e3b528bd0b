/* channel_http_session: what a route with sessions adds to channel_http. */
#pragma once

#include "gateway/attachment.h"
#include "gateway/channel_http.h"

/* For the carrier: the broker has bound it, has given it up, has acknowledged events up
 * to seq. */
void channel_http_bound(struct channel *channel);
void channel_http_dropped(struct channel *channel, enum session_drop reason);
void channel_http_acked(struct channel *channel, uint64_t seq);
/* The application closes the session. */
const char *channel_http_session_close(struct http_carried *self, int status,
                                       const void *reason, size_t size);
/* The body of a POST, which is complete, becomes its message. */
void channel_http_session_send(struct http_carried *self);
/* Starts the timer of a held request; the timeouts are those of its route. */
void channel_http_session_hold(struct http_carried *self, int64_t open_ms,
                               int64_t answer_ms);
void channel_http_session_on_due(struct http_carried *self);
