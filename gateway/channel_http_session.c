/* channel_http_session: what a route with sessions adds to requests: the carriers SSE,
 * stream and long poll, messages by POST, the end by DELETE.  docs/protocol/2-client.md
 * section 7. */
#include "gateway/channel_http_session.h"

#include "gateway/json_text.h"
#include "gateway/utf8.h"

#include <stdio.h>
#include <string.h>

enum {
    JSON_ROOM = 4096,
    MESSAGE_SEQ = 2, // of a POST: behind its OPEN
};

static struct attachment *s_session(const struct http_carried *self)
{
    return self->channel->session;
}

static bool s_is(const struct http_carried *self, enum session_carrier carrier)
{
    return s_session(self)->request.carrier == carrier;
}

/* ---- answers ---- */

static void s_refuse(struct http_carried *self, int status, const char *why,
                     const char *cause)
{
    http_refuse(self->exchange, status, why, self->is_websocket);
    channel_http_end(self, 0, cause, status);
}

/* 204: it is done. */
static void s_confirm(struct http_carried *self)
{
    static const struct http_field fields[] = {
        {.name = "Cache-Control", .value = "no-store"}};
    struct http_reply reply = {.status = 204, .fields = fields, .count = 1};
    self->ends_session = s_session(self)->request.ends;
    http_answer(self->exchange, &reply, NULL, 0, -1);
    channel_http_end(self, 0, "server", 204);
}

/* ---- streams ---- */

static void s_queue_object(struct http_carried *self, const char *event,
                           const struct bytes *json)
{
    char position[CURSOR_ROOM];
    bool is_known = hub_cursor(self->channel, position) && position[0];
    channel_http_queue_json(self, json, is_known ? position : NULL, event);
}

static void s_begin_stream(struct http_carried *self)
{
    const struct attachment *session = s_session(self);
    struct http_field fields[3] = {
        {.name = "Ringway-Session", .value = session->request.token}};
    struct http_head head = {.fields = fields, .count = 1, .content_length = -1};
    struct bytes json;
    if (self->is_sse && self->wants_json)
        fields[head.count++] = (struct http_field){"Ringway-Format", "json"};
    if (!self->is_sse) {
        fields[head.count++] =
            (struct http_field){"Content-Type", "application/x-ndjson"};
        head.has_content_type = true;
    }
    channel_http_begin_stream(self, 200, &head);
    bytes_init(&json, JSON_ROOM);
    if (attachment_hello_json(session, &json) >= 0)
        s_queue_object(self, "session", &json);
    bytes_clear(&json);
}

/* The last words of a stream; the client does not attach again by itself then. */
static void s_end_stream(struct http_carried *self, const char *event,
                         const struct bytes *json)
{
    s_queue_object(self, event, json);
    channel_http_finish_stream(self);
}

static void s_end_superseded(struct http_carried *self)
{
    struct bytes json;
    bool is_plain_sse = self->is_sse && !self->wants_json;
    bytes_init(&json, JSON_ROOM);
    if (bytes_printf(&json, is_plain_sse ? "{}" : "{\"superseded\":true}") >= 0)
        s_end_stream(self, "superseded", &json);
    bytes_clear(&json);
}

static void s_end_ended(struct http_carried *self, int status, const void *reason,
                        size_t size)
{
    struct bytes json;
    bool is_plain_sse = self->is_sse && !self->wants_json;
    bytes_init(&json, JSON_ROOM);
    int result = bytes_printf(
        &json, "%s{\"status\":%d,\"reason\":", is_plain_sse ? "" : "{\"ended\":", status);
    if (result >= 0)
        result = json_text_write(&json, reason, size);
    if (result >= 0)
        result = bytes_printf(&json, is_plain_sse ? "}" : "}}");
    if (result >= 0)
        s_end_stream(self, "ended", &json);
    bytes_clear(&json);
}

/* ---- the WebSocket's handshake ---- */

static bool s_accept(struct http_carried *self)
{
    struct channel *channel = self->channel;
    char head[32 + SESSION_TOKEN_ROOM];
    int size = snprintf(head, sizeof head, "Ringway-Session: %s\n",
                        s_session(self)->request.token);
    channel->needs_accept = true; // what `accept` asks for
    const char *error = channel->carrier->accept(
        channel, self->cursors ? "ringway.1" : NULL, head, (size_t)size);
    channel->needs_accept = false;
    return !error && channel->carried == self;
}

static void s_begin_websocket(struct http_carried *self)
{
    struct bytes json;
    if (!s_accept(self) || !self->cursors)
        return;
    bytes_init(&json, JSON_ROOM);
    if (attachment_hello_json(s_session(self), &json) >= 0)
        channel_queue_control(self->channel, message_ws_frame(1, json.data, json.size));
    bytes_clear(&json);
}

/* ---- what the broker says ---- */

static void s_begin_poll(struct http_carried *self)
{
    const struct attachment *session = s_session(self);
    channel_http_begin_poll(self, session->position, session->request.wait_ms);
    if (session->is_new) // so that the client has its token
        channel_http_answer_poll(self);
}

void channel_http_bound(struct channel *channel)
{
    struct http_carried *self = channel->carried;
    if (!self || self->stage != HTTP_HELD || self->has_begun)
        return;
    if (self->is_websocket) {
        s_begin_websocket(self);
    } else if (s_is(self, SESSION_POLL)) {
        s_begin_poll(self);
    } else {
        s_begin_stream(self);
    }
}

/* Refused before anything was sent. */
static void s_drop_held(struct http_carried *self, enum session_drop reason)
{
    bool is_post = s_session(self)->request.carrier >= SESSION_POST;
    int status = session_drop_status(reason, is_post);
    const char *why = status == 429 ? "64 messages of this session are under way"
                                    : session_drop_why(reason);
    if (!self->is_websocket || status == 503)
        s_refuse(self, status, why, "server");
    else if (s_accept(self)) // a browser does not see the status of a handshake
        (void)self->channel->carrier->close(self->channel, session_drop_code(reason),
                                            NULL, 0);
}

void channel_http_dropped(struct channel *channel, enum session_drop reason)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel))
        return;
    if (self->stage == HTTP_HELD && s_is(self, SESSION_POLL) && self->gathered > 0)
        channel_http_answer_poll(self); // what has come already
    else if (self->stage == HTTP_HELD)
        s_drop_held(self, reason);
    else if (self->stage == HTTP_STREAM && reason == SESSION_DROP_SUPERSEDED)
        s_end_superseded(self);
    else if (self->stage == HTTP_STREAM)
        s_end_ended(self, session_drop_status(reason, false), "", 0);
    else
        (void)channel->carrier->close(channel, session_drop_code(reason), NULL, 0);
}

const char *channel_http_session_close(struct http_carried *self, int status,
                                       const void *reason, size_t size)
{
    if (!utf8_is_valid(reason, size))
        return "utf8";
    if (self->stage == HTTP_STREAM)
        s_end_ended(self, status ? status : 1000, reason, size);
    else
        channel_http_dropped(self->channel, SESSION_DROP_ENDED);
    return NULL;
}

/* ---- from the client ---- */

void channel_http_acked(struct channel *channel, uint64_t seq)
{
    struct http_carried *self = channel->carried;
    if (!self || self->stage != HTTP_HELD)
        return;
    if (s_is(self, SESSION_DELETE) || (s_is(self, SESSION_POST) && seq >= MESSAGE_SEQ))
        s_confirm(self);
    else if (s_is(self, SESSION_POST))
        channel_http_hold(self); // the session is there: its worker has time
}

void channel_http_session_send(struct http_carried *self)
{
    const struct session_request *request = &s_session(self)->request;
    char options[32] = "";
    struct iovec part = {.iov_base = self->body.data, .iov_len = self->body.size};
    if (request->n)
        snprintf(options, sizeof options, " n=%llu", (unsigned long long)request->n);
    channel_event(self->channel, request->is_binary ? EVENT_BIN : EVENT_TEXT, options,
                  &part, 1);
    bytes_clear(&self->body);
    self->host->posting -= self->posting;
    self->posting = 0;
}

/* Until the broker knows the carrier it has open-timeout; a message then has
 * answer-timeout, and a poll what it asks for. */
void channel_http_session_hold(struct http_carried *self, int64_t open_ms,
                               int64_t answer_ms)
{
    struct timer_wheel *timers = &self->host->loop->timers;
    bool is_known = self->channel->events.acked > 0;
    if (self->has_begun)
        return; // a poll that waits
    int64_t due_ms = self->began_ms + open_ms;
    if (s_is(self, SESSION_POST) && is_known)
        due_ms = answer_ms > 0 ? self->began_ms + answer_ms : 0;
    timer_stop(timers, &self->timer);
    if (due_ms > 0)
        timer_start(timers, &self->timer, due_ms);
}

/* One that waits for nothing still gets what is held for it. */
static void s_poll_is_due(struct http_carried *self)
{
    if (self->caught_up || self->was_due) {
        channel_http_answer_poll(self);
        return;
    }
    self->was_due = true;
    timer_start(&self->host->loop->timers, &self->timer,
                self->host->loop->now_ms + self->host->settings->open_timeout_ms);
}

void channel_http_session_on_due(struct http_carried *self)
{
    bool is_known = self->channel->events.acked > 0;
    if (self->has_begun)
        s_poll_is_due(self);
    else if (s_is(self, SESSION_POST) && is_known)
        s_refuse(self, 503, "the application did not process the message in time",
                 "timeout");
    else
        s_refuse(self, 503, "the bus is not reachable", "timeout");
}
