/* session_request: what a request on a route with sessions asks for.  Pure.
 * docs/protocol/2-client.md section 7. */
#pragma once

#include "gateway/http_request.h"
#include "gateway/session_token.h"

#include <stdbool.h>
#include <stdint.h>

enum session_carrier {
    SESSION_WS,
    SESSION_SSE,
    SESSION_STREAM,
    SESSION_POLL,
    SESSION_POST,
    SESSION_DELETE,
    SESSION_CARRIERS
};

enum { SESSION_CURSOR_ROOM = 64, SESSION_WAIT_MAX_MS = 60000 };

/* The greatest number that every JSON reader keeps. */
#define SESSION_N_MAX (UINT64_C(1) << 53)

struct session_request {
    enum session_carrier carrier;
    char token[SESSION_TOKEN_ROOM];   // "": none was shown
    char cursor[SESSION_CURSOR_ROOM]; // "": none was shown
    uint64_t n;                       // number of the (first) message; 0: none
    int64_t wait_ms;                  // of a poll
    bool ends;                        // DELETE, or end=1
    bool as_json;                     // format=json
    bool is_binary;                   // the body of a POST is bytes
};

/* "ws", "sse", "stream", "poll", "post"; a DELETE is a post without a message. */
const char *session_carrier_name(enum session_carrier carrier);
/* 0; or 400 or 405, and *why a fixed text that names the rule.  A cursor that has not the
 * form of one is taken for one of another time: what is kept is shown after a gap. */
int session_request_read(const struct http_request *request, struct session_request *out,
                         const char **why);
