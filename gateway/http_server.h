/* http_server: the door of libmicrohttpd: HTTP requests in, answers out.  One worker's
 * half of it: several external-epoll daemons under one loop, none with a thread or a
 * listen socket.
 *
 * An exchange is one request and its answer:
 *
 *   on_request -> on_body* -> on_end -> held --http_answer-------------------------->
 * on_done
 *                                        |-----http_stream---> on_stream -> http_end ->
 * on_done
 *                                        |-----http_sized----> on_pull*  ------------->
 * on_done
 *                                        `-----http_upgrade--> on_upgraded ----------->
 * on_done
 *
 * A held exchange costs nothing but memory: MHD does not look at it.  Its socket is
 * watched here, because MHD notices no hang-up while a connection is suspended. */
#pragma once

#include "common/blob.h"
#include "gateway/admission.h"
#include "gateway/http_head.h"
#include "gateway/http_request.h"
#include "gateway/loop.h"
#include "gateway/transport.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange;

union http_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum http_gone {
    HTTP_GONE_CLIENT,  // it hung up, or half-closed
    HTTP_GONE_TIMEOUT, // its body did not arrive in time
    HTTP_GONE_LIMIT,   // it pipelined more than 64 KiB behind a held request
};

struct http_callbacks {
    void *context;
    /* The head is complete and passed http_request_check.  Returns what the other
     * callbacks get; may call http_refuse, and return NULL then. */
    void *(*on_request)(void *context, struct http_exchange *exchange);
    /* A part of the body.  Returns how much was taken; less than size pauses the upload
     * until http_resume_body. */
    size_t (*on_body)(void *request, const uint8_t *data, size_t size);
    /* The request is complete.  Not called when the exchange was answered before. */
    void (*on_end)(void *request);
    /* The client went away while the exchange was held or streaming; on_done follows. */
    void (*on_gone)(void *request, enum http_gone why);
    /* The head of a stream has gone out; until http_end the caller writes to the
     * transport. */
    void (*on_stream)(void *request, struct transport transport);
    /* The transport of a stream takes bytes again. */
    void (*on_writable)(void *request);
    /* The next bytes of a sized answer: 0 for "later" (then http_pull). */
    size_t (*on_pull)(void *request, uint8_t *out, size_t room);
    /* The 101 has gone out.  The transport and the ticket are the callee's now; extra
     * bytes came with the request. */
    void (*on_upgraded)(void *request, struct transport transport,
                        struct admission_ticket *ticket, struct iovec extra);
    /* The exchange is over and its pointer invalid; exactly once for each on_request that
     * returned not NULL.  Called between turns of MHD, so that it may touch other
     * exchanges. */
    void (*on_done)(void *request, bool clean);
};

struct http_settings {
    unsigned daemons;  // K
    size_t head_bytes; // MHD's memory for one connection
    int64_t head_timeout_ms, body_timeout_ms, keep_alive_ms;
    uint64_t body_limit;       // bytes
    const char *server_header; // value of Server, "" for none
};

struct http_server *http_server_new(struct loop *loop, struct admission *admission,
                                    const struct http_settings *settings,
                                    const struct http_callbacks *callbacks);
/* Ends every exchange (on_gone and on_done are called) and frees the server. */
void http_server_destroy(struct http_server **self_p);
/* Take over an accepted, non-blocking socket and its ticket. */
void http_server_add(struct http_server *self, int fd, const union http_address *peer,
                     struct admission_ticket *ticket);
/* Once a turn, after loop_turn. */
void http_server_run(struct http_server *self);
/* Answer with a refusal on a bare socket and close it; for limits at accept.  At most 8
 * of them stay until it is read, so that the descriptors last for those who were taken.
 */
void http_server_reject(struct http_server *self, int fd, int status, const char *why);

/* The head of the request; valid until http_forget_head or the exchange is over. */
const struct http_request *http_exchange_request(const struct http_exchange *self);
void http_forget_head(struct http_exchange *self);
bool http_exchange_is_head(const struct http_exchange *self);
bool http_exchange_is_http10(const struct http_exchange *self);
const union http_address *http_exchange_peer(const struct http_exchange *self);
int http_exchange_fd(const struct http_exchange *self);

/* An answer's head. */
struct http_reply {
    int status; // 200 to 599
    const struct http_field *fields;
    size_t count;
    bool close; // close the connection after it
};

/* An error made by the gateway: one line of text.  close: the connection cannot go on. */
void http_refuse(struct http_exchange *self, int status, const char *why, bool close);
/* A complete answer; the body is referenced: the part of `blob` from `offset` on, NULL
 * for none. length >= 0: the Content-Length to claim where there is no body on the wire
 * (HEAD, 304). */
void http_answer(struct http_exchange *self, const struct http_reply *reply,
                 struct blob *blob, size_t offset, int64_t length);
void http_stream(struct http_exchange *self, const struct http_reply *reply);
/* An answer of `length` bytes that comes through on_pull. */
void http_sized(struct http_exchange *self, const struct http_reply *reply,
                uint64_t length);
void http_pull(struct http_exchange *self);
/* 101; fields hold what the handshake needs besides Upgrade and Connection. */
void http_upgrade(struct http_exchange *self, const struct http_reply *reply);
/* End a stream with its last chunk; everything the caller wrote must have left. */
void http_end(struct http_exchange *self);
/* Cut the connection. */
void http_abort(struct http_exchange *self);
void http_resume_body(struct http_exchange *self);
