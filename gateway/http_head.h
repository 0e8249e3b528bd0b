/* http_head: the head that an application puts into its first SEND, and what of it goes
 * on the wire. Pure.  docs/protocol/1-bus.md section 4.4. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_field {
    const char *name; // NUL-terminated, points into the copy
    const char *value;
};

struct http_head {
    char *copy;                // private; owns the texts
    struct http_field *fields; // without those that the gateway owns (framing)
    size_t count;
    bool has_connection_close; // the application asked for `Connection: close`
    bool has_cache_control, has_accel_buffering, has_content_type, has_date, has_server;
    int64_t content_length; // what the application said, or -1; for HEAD and 304 only
};

/* Read `name: value LF ... LF` from the front of the payload.
 *   as_protocol  true for ACCEPT: the payload is only header lines, the empty line may be
 * missing; Connection, Upgrade and Sec-WebSocket-* are then refused Returns the number of
 * payload bytes that the head takes (the body follows); -EPROTO when a name is no token,
 * a value has a CR, NUL or control character, or the empty line is missing; *why says
 * which.  Dropped silently: Content-Length (kept as a number), Transfer-Encoding,
 * Keep-Alive, Upgrade, Connection (only `close` is kept), Trailer.  On success free with
 * http_head_clear. */
int64_t http_head_read(const void *payload, size_t size, bool as_protocol,
                       struct http_head *head, const char **why);
void http_head_clear(struct http_head *head);
/* Has a response of this status to this method a body on the wire? (HEAD, 1xx, 204, 205,
 * 304: no) */
bool http_status_has_body(int status, bool is_head_request);
