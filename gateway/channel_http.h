/* channel_http: a channel carried by an HTTP request: one held answer, a stream, or a
 * sized answer in parts.  Which of them, the first SEND decides.
 *
 *   READING -> HELD --first SEND with close------------------------------------> DONE
 *                 |---first SEND-----> STREAM --close--> ENDING --all written--> DONE
 *                 |---length=n-------> SIZED ---all written--------------------> DONE
 *                 `---accepted (WebSocket)-------------------------------------> DONE */
#pragma once

#include "common/bytes.h"
#include "gateway/channel.h"
#include "gateway/http_server.h"
#include "gateway/hub.h"
#include "gateway/route.h"

enum http_stage {
    HTTP_READING,
    HTTP_HELD,
    HTTP_STREAM,
    HTTP_SIZED,
    HTTP_ENDING,
    HTTP_DONE
};

struct http_carried {
    struct http_exchange *exchange;
    struct channel_host *host;
    struct hub *hub;
    struct admission *admission;
    struct channel *channel; // NULL before OPEN and after CLOSE
    const struct route *route;
    struct attachment *session; // until the channel has it
    struct timer timer;
    struct transport transport; // of a stream whose head has gone out; fd -1 before
    struct bytes body;          // of the request, not yet in an event
    size_t posting;             // bytes of `body` that the host counts
    uint64_t length_left; // of a sized answer: bytes still to be sent by the application
    uint64_t receipt;     // command to answer when a complete answer has left
    int64_t began_ms;
    int end_code;   // status of the answer
    int close_code; // WebSocket: close with it once the 101 has left; 0: no
    uint8_t stage;
    bool follows;      // the body comes in BODY records
    bool last_waits;   // its last part is here, and the window is full
    bool ends_session; // the client has ended it
    bool has_cursors;  // it is told cursors and gaps: of a topic route, or a session
    bool was_due;      // a poll of a session: its wait is over
    bool is_websocket, is_topic, is_sse, cursors, is_http10, is_head;
    bool wants_stream; // topic route with ?carrier=stream
    bool wants_json;   // ... and ?format=json
    bool has_begun;    // topic route: the broker has said where its topics stand
    bool caught_up;    // long poll: what it missed was gathered
    uint16_t gathered; // long poll: messages and gaps in `body`
    char poll_cursor[CURSOR_ROOM]; // long poll: of the answer
};

enum { HTTP_POLL_MESSAGES = 100 }; // in one answer

extern const struct carrier channel_http;

/* What is in `body` becomes a BODY event; options: "" or " end=1". */
void channel_http_emit_body(struct http_carried *self, const char *options);
/* The last of them, as soon as the window has room. */
void channel_http_end_body(struct http_carried *self);
/* The request is complete and has its channel: start waiting. */
void channel_http_hold(struct http_carried *self);
/* Callbacks of http_server for one exchange. */
void channel_http_on_gone(void *request, enum http_gone why);
void channel_http_on_stream(void *request, struct transport transport);
void channel_http_on_writable(void *request);
size_t channel_http_on_pull(void *request, uint8_t *out, size_t room);
void channel_http_on_upgraded(void *request, struct transport transport,
                              struct admission_ticket *ticket, struct iovec extra);
void channel_http_on_done(void *request, bool clean);
void channel_http_on_due(struct timer *timer, int64_t now_ms);

/* channel_http_topic.c: what topic routes add. */
const char *channel_http_publish(struct channel *channel, struct message *message);
void channel_http_subscribed(struct channel *channel, const char *cursor);
bool channel_http_missed(struct channel *channel, const struct gap *gap);
void channel_http_reached(struct channel *channel, const char *cursor);
/* A long poll that has something to answer with, and what it missed is complete. */
/* One object: a line, or an event; `event` is its name where the client wants no JSON. */
void channel_http_queue_json(struct http_carried *self, const struct bytes *json,
                             const char *id, const char *event);
/* A long poll that begins behind this cursor. */
void channel_http_begin_poll(struct http_carried *self, const char *cursor,
                             int64_t wait_ms);
bool channel_http_polls(const struct http_carried *self);
/* What a long poll has gathered, be it nothing. */
void channel_http_answer_poll(struct http_carried *self);

/* Header fields of an answer under way. */
enum { HTTP_FIELDS_MAX = 256 };

struct http_fields {
    struct http_field field[HTTP_FIELDS_MAX + 4]; // the application's, and a few of ours
    size_t count;
};

void http_fields_add(struct http_fields *self, const char *name, const char *value);
void http_fields_add_head(struct http_fields *self, const struct http_head *head);

/* channel_http.c, for the other two. */
void channel_http_fail(struct http_carried *self);
const char *channel_http_queue(struct http_carried *self, struct message *message,
                               const struct send_options *options);
void channel_http_end(struct http_carried *self, int status, const char *cause, int code);
/* channel_http_answer.c */
const char *channel_http_first(struct http_carried *self, struct message *message,
                               const struct send_options *options);
/* Begin a stream with this head; Content-Type and what streams need are added. */
void channel_http_begin_stream(struct http_carried *self, int status,
                               struct http_head *head);
void channel_http_overflow(struct http_carried *self);
/* The stream ends when all that is queued has left. */
void channel_http_finish_stream(struct http_carried *self);
