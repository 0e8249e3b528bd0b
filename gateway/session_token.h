/* session_token: the secret by which a client holds a session, and what the bus knows of
 * it.  Pure (SHA-256 by OpenSSL).  docs/protocol/2-client.md section 7,
 * tests/vectors/session_token.tsv. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SESSION_RANDOM_SIZE = 32, // bytes of a token before it is encoded
    SESSION_TOKEN_SIZE = 43,  // characters, without the NUL
    SESSION_TOKEN_ROOM = SESSION_TOKEN_SIZE + 1,
    SESSION_ID_ROOM = 48, // "session." 16 digits "." 16 digits, and the NUL
    SESSION_AS_ROOM = 33,
};

/* The token of these random bytes: base64url without padding, RFC 4648 section 5. */
void session_token_write(const uint8_t random[SESSION_RANDOM_SIZE],
                         char out[SESSION_TOKEN_ROOM]);
/* Copies a text that is a token: 0; else -EPROTO.  The last character holds 4 bits only;
 * other ones that would mean the same bytes are refused. */
int session_token_read(const char *text, size_t size, char out[SESSION_TOKEN_ROOM]);
/* The name of its session on the bus: 128 bits of the token's SHA-256, from which the
 * token cannot be found.  It has the form of a channel's id. */
void session_token_id(const char *token, char out[SESSION_ID_ROOM]);
/* Is this such a name, and not the id of a channel?  No edge is called "session". */
bool session_token_is_id(const char *text, size_t size);
/* The `as` of its carriers, whose session it is: 128 bits of a SHA-256 over the route's
 * name and the subject (NULL: none); the broker compares without knowing either. */
void session_token_as(const char *route, const char *subject, char out[SESSION_AS_ROOM]);
