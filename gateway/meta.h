/* meta: the JSON of OPEN and ADOPT.  Pure (jansson).  docs/protocol/1-bus.md section 4.3,
 * tests/vectors/meta.tsv. */
#pragma once

#include "common/bytes.h"
#include "gateway/http_request.h"
#include "gateway/route.h"

#include <stdbool.h>

struct meta_peer {
    const char *peer, *local; // "127.0.0.1:5000", "[::1]:80", "unix"
    const char *scheme;       // "http"
    bool is_websocket;
    bool has_session; // what names it is left out: the token never travels on the bus
    const char *body; // "none", "whole", "follows"
};

int meta_open(struct bytes *out, const struct http_request *request,
              const struct route_match *match, const struct meta_peer *peer);
/* At most 512 bytes; params that do not fit are left out.  params: "name\0value\0...\0".
 */
int meta_adopt(struct bytes *out, bool is_websocket, const char *route,
               const char *params, const char *protocol, const char *peer);
