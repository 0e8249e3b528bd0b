/* http_request: a request's head and the strict checks that the HTTP library leaves out.
 * Pure. RFC 9112 sections 2 to 7, RFC 9110.  tests/vectors/http_request.tsv. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_header {
    const char *name; // as sent
    const char *value;
};

struct http_request {
    const char *method;
    const char *target;  // as sent, undecoded
    const char *version; // "HTTP/1.1"
    const struct http_header *headers;
    size_t header_count;
};

enum {
    HTTP_TARGET_MAX = 8191,      // bytes; longer: 414
    HTTP_HEADER_LINE_MAX = 8192, // bytes of one line; longer: 431
    HTTP_HEAD_MAX = 14 * 1024,   // bytes of the whole head; longer: 431
};

/* How the body of the request is framed. */
struct http_body {
    bool chunked;
    bool has_length;
    uint64_t length;
};

/* Check what libmicrohttpd 0.9.75 lets pass: method and header names are tokens (methods
 * in upper case), target without control characters, NUL or bytes over 0x7E, version 1.0
 * or 1.1 (else 505), exactly one valid Host on 1.1 (RFC 9110 section 7.2: host, optional
 * port 0..65535 of digits; an empty port is allowed; blank is not), at most one
 * Content-Length of digits only, no Content-Length beside Transfer-Encoding,
 * Transfer-Encoding exactly "chunked" in any case (else 501 for other codings, 400 for
 * nonsense), none on 1.0, no CR, LF or NUL in values, sizes.  The target is a path, an
 * absolute form, an authority with CONNECT, or "*" with OPTIONS.  A Content-Length over
 * 2^64-1 counts as that.
 *
 * Returns 0 and sets body; or the status to answer with, and *why a fixed English text
 * that names the rule. */
int http_request_check(const struct http_request *request, struct http_body *body,
                       const char **why);
/* First value of a header, any case; NULL if absent. */
const char *http_request_header(const struct http_request *request, const char *name);
/* Is `token` in the comma list of any of the header's lines?  Any case. */
bool http_request_has_token(const struct http_request *request, const char *name,
                            const char *token);
/* Path and query within the target (origin or absolute form; "*" and authority forms are
 * paths without query): path points into target. */
void http_request_split(const char *target, const char **path, size_t *path_size,
                        const char **query, size_t *query_size);
/* Value of a query parameter as a text, percent-decoded ('+' is a space); name: at most
 * 64 bytes; room: at least 1.  Returns the size, -ENOENT, -EPROTO (a bad escape, or %00),
 * or -EMSGSIZE. */
int http_request_query(const char *query, size_t query_size, const char *name, char *out,
                       size_t room);
/* The next item of a comma list, without the white space around it; empty ones are passed
 * over. Moves *list behind it; false at the end. */
bool http_list_next(const char **list, const char **item, size_t *size);
/* Percent-decodes, once.  Writes no NUL; a decoded one is a byte like any other.
 * Returns the size, -EPROTO for an escape that is none, -EMSGSIZE when room does not
 * suffice. */
int http_unescape(const char *text, size_t size, bool plus_is_space, char *out,
                  size_t room);
/* RFC 9110 section 5.6.2. */
bool http_is_token(const char *text, size_t size);
