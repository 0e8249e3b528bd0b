/* session_drop: why the broker gave the carrier of a session up, and what its client is
 * told.  Pure.  docs/protocol/1-bus.md section 5.4, docs/protocol/2-client.md section 7.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum session_drop {
    SESSION_DROP_SUPERSEDED,
    SESSION_DROP_UNKNOWN,
    SESSION_DROP_ENDED,
    SESSION_DROP_IDENTITY,
    SESSION_DROP_FULL,
};

/* 0 and the reason, or -EPROTO. */
int session_drop_read(const char *text, size_t size, enum session_drop *reason);
/* The status of a request, the code of a WebSocket, and one line. */
int session_drop_status(enum session_drop reason, bool is_post);
int session_drop_code(enum session_drop reason);
const char *session_drop_why(enum session_drop reason);
