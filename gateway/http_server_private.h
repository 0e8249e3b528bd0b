/* http_server_private: what the files of the HTTP door share: http_server.c
 * (connections), http_server_request.c (the way in) and http_server_answer.c (the way
 * out). */
#pragma once

#include "gateway/http_server.h"

#include <microhttpd.h>

struct http_daemon {
    struct loop_watch watch; // of MHD's inner epoll descriptor
    struct MHD_Daemon *mhd;
    struct http_server *server;
    bool run; // MHD has something to do
};

/* One TCP connection while MHD holds it. */
struct http_connection {
    struct loop_watch watch; // hang-up, and room for a stream's bytes
    struct timer timer;      // head and body deadlines
    struct loop_task release;
    struct http_connection *next, *prev; // of the server's list
    struct http_server *server;
    struct http_daemon *daemon;
    struct http_exchange *exchange; // the request under way, or NULL
    struct admission_ticket *ticket;
    union http_address peer;
    int fd;
    bool watched;
    bool gone;     // the client's FIN or RST was seen
    bool reset;    // no byte can reach it any more
    bool is_fresh; // no request was completed on it yet
    bool upgraded; // its socket lives on elsewhere
    bool lingers;  // a copy of the descriptor is read out
};

struct http_exchange {
    struct http_exchange *next; // of the server's done list
    struct http_connection *connection;
    struct http_server *server;
    struct MHD_Connection *mhd;
    void *owner; // what on_request returned
    char *target;
    struct http_header *headers;
    struct http_request request;
    struct http_body body;
    uint64_t received;             // bytes of the body
    struct MHD_Response *response; // answer that waits for its moment
    struct MHD_Response *streamed; // what MHD is sending; MHD's, valid while it streams
    int status;
    bool is_head, is_http10;
    bool seen;      // the first call of the handler was made
    bool ended;     // the request is complete
    bool answered;  // some answer was given
    bool queued;    // MHD has it
    bool suspended; // MHD does not look at it
    bool is_stream, is_sized, streaming;
    bool ending; // the stream's last chunk may go
    bool abort;
    bool upgraded;
    bool in_handler; // MHD is calling us for this exchange
    bool clean;      // how it was over
};

struct http_server {
    struct loop *loop;
    struct admission *admission;
    struct http_settings settings;
    struct http_callbacks callbacks;
    struct http_daemon *daemons;
    unsigned next_daemon;
    struct http_connection connections; // head of a ring
    struct http_connection *incoming;   // between MHD_add_connection and its callback
    size_t count;
    struct http_exchange *done;
    int64_t next_sweep_ms; // all daemons run once a second, for MHD's timeouts
};

enum MHD_Result http_server_handle(void *context, struct MHD_Connection *mhd,
                                   const char *url, const char *method,
                                   const char *version, const char *upload_data,
                                   size_t *upload_size, void **exchange_p);
void *http_server_target(void *context, const char *target, struct MHD_Connection *mhd);
void http_exchange_free(struct http_exchange *self);
/* Suspend and resume with the books kept. */
void http_exchange_suspend(struct http_exchange *self);
void http_exchange_resume(struct http_exchange *self);
/* The client went away or broke a limit. */
void http_exchange_lose(struct http_exchange *self, enum http_gone why);
/* Give MHD the answer that waits; only in the final call of the handler or while
 * suspended there. */
bool http_exchange_queue(struct http_exchange *self);
/* A full receive window would hide the client's FIN, so it must not get there. */
bool http_connection_pipelines_too_much(const struct http_connection *self);
/* Answer on the bare socket where MHD takes none (in the middle of a body); what the
 * client still sends is swallowed for a while, so that it can read the answer. */
void http_connection_reject(struct http_connection *self, int status, const char *why);
