/* ws_handshake: the server's half of the opening handshake.  Pure; RFC 6455 section 4.2.
 * The only user of OpenSSL here: SHA-1 and base64 of the key. */
#pragma once

#include "gateway/http_request.h"

#include <stdbool.h>
#include <stddef.h>

enum { WS_ACCEPT_SIZE = 29 }; // 28 characters and NUL

/* Does this request ask for a WebSocket at all: `Upgrade` with the token websocket? */
bool ws_handshake_is_wanted(const struct http_request *request);
/* 0 when the handshake is right; else the HTTP status to answer with (400, 426), *why
 * gets a fixed English text.  405 is not used: a POST is 400. */
int ws_handshake_check(const struct http_request *request, const char **why);
/* Sec-WebSocket-Accept for a key that was checked. */
void ws_handshake_accept(const char *key, char out[WS_ACCEPT_SIZE]);
/* Is `protocol` among those offered?  Offers may stand in several header lines. */
bool ws_handshake_offers(const struct http_request *request, const char *protocol);
/* Calls back for each offered subprotocol, in order. */
void ws_handshake_each_offer(const struct http_request *request,
                             void (*callback)(void *context, const char *name,
                                              size_t size),
                             void *context);
/* May a page of this Origin connect?  True without Origin, when its host and port are the
 * request's Host, or when it is among `allowed`: exact ("https://a.example"), "*", or
 * with "*." as the first label of the host. */
bool ws_handshake_origin_is_allowed(const struct http_request *request,
                                    const char *const *allowed, size_t allowed_count);
