#include "gateway/channel_http.h"

#include "common/mem.h"
#include "gateway/sse_event.h"
#include "gateway/topic_message.h"
#include "gateway/ws_handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_DEFAULT_S = 25, WAIT_MAX_S = 60, JSON_ROOM = 4096, SSE_ROOM = 8192 };

/* ---- long poll ---- */

static void s_answer_json(struct http_carried *self, struct bytes *json)
{
    const struct attachment *session = self->channel->session;
    const struct http_field fields[] = {
        {.name = "Content-Type", .value = "application/json"},
        {.name = "Cache-Control", .value = "no-store"},
        {.name = "Ringway-Session", .value = session ? session->request.token : NULL},
    };
    struct http_reply reply = {.status = 200, .fields = fields, .count = session ? 3 : 2};
    struct blob *blob = blob_new(json->data, json->size);
    http_answer(self->exchange, &reply, blob, 0, -1);
    blob_unref(&blob);
    channel_http_end(self, 0, "server", 200);
}

bool channel_http_polls(const struct http_carried *self)
{
    return self->stage == HTTP_HELD && self->has_begun && !self->is_websocket &&
           self->caught_up && self->gathered > 0;
}

void channel_http_answer_poll(struct http_carried *self)
{
    struct bytes json;
    bytes_init(&json, SIZE_MAX);
    const struct attachment *session = self->channel->session;
    int result = bytes_append(&json, "{", 1);
    if (result >= 0 && session)
        result = attachment_members_json(session, &json);
    if (result >= 0)
        result =
            bytes_printf(&json, "\"cursor\":\"%s\",\"messages\":[", self->poll_cursor);
    if (result >= 0 && self->body.size > 0)
        result = bytes_append(&json, self->body.data, self->body.size);
    if (result >= 0)
        result = bytes_append(&json, "]}\n", 3);
    if (result >= 0)
        s_answer_json(self, &json);
    else
        channel_http_overflow(self);
    bytes_clear(&json);
}

/* The answer has room for this one, and goes out when it is full. */
static void s_gather(struct http_carried *self, const void *json, size_t size)
{
    int result = 0;
    if (self->body.size > 0)
        result = bytes_append(&self->body, ",", 1);
    if (result >= 0)
        result = bytes_append(&self->body, json, size);
    if (result < 0) {
        channel_http_overflow(self);
        return;
    }
    bool is_full = ++self->gathered >= HTTP_POLL_MESSAGES ||
                   self->body.size >= self->host->settings->out_queue / 2;
    if (is_full)
        channel_http_answer_poll(self);
    else if (self->caught_up)
        channel_mark_dirty(self->channel); // with what else this turn brings
}

static void s_set_cursor(struct http_carried *self, const char *cursor)
{
    snprintf(self->poll_cursor, sizeof self->poll_cursor, "%s", cursor);
}

static int64_t s_wait_ms(const struct http_carried *self)
{
    const char *path, *query;
    size_t path_size, query_size;
    char text[16];
    http_request_split(http_exchange_request(self->exchange)->target, &path, &path_size,
                       &query, &query_size);
    if (http_request_query(query, query_size, "wait", text, sizeof text) <= 0)
        return WAIT_DEFAULT_S * INT64_C(1000);
    long wait_s = strtol(text, NULL, 10);
    return (wait_s < 0 ? 0 : wait_s > WAIT_MAX_S ? WAIT_MAX_S : wait_s) * INT64_C(1000);
}

void channel_http_begin_poll(struct http_carried *self, const char *cursor,
                             int64_t wait_ms)
{
    bytes_clear(&self->body);
    bytes_init(&self->body, SIZE_MAX); // bounded by s_gather
    s_set_cursor(self, cursor);
    self->has_begun = true;
    timer_stop(&self->host->loop->timers, &self->timer);
    timer_start(&self->host->loop->timers, &self->timer,
                self->host->loop->now_ms + wait_ms);
}

static void s_begin_poll(struct http_carried *self, const char *cursor)
{
    channel_http_begin_poll(self, cursor, s_wait_ms(self));
    http_forget_head(self->exchange);
}

/* ---- streams ---- */

static void s_queue_bytes(struct http_carried *self, struct bytes *bytes, int result)
{
    struct blob *blob = NULL;
    if (result >= 0)
        blob = self->is_http10 ? blob_new(bytes->data, bytes->size)
                               : message_chunk(bytes->data, bytes->size);
    if (blob)
        channel_queue_control(self->channel, blob);
    bytes_clear(bytes);
}

void channel_http_queue_json(struct http_carried *self, const struct bytes *json,
                             const char *id, const char *event)
{
    struct bytes out;
    bytes_init(&out, SSE_ROOM);
    int result;
    if (self->is_sse) {
        result = sse_event_write(&out, id, self->wants_json ? NULL : event, json->data,
                                 json->size);
    } else {
        result = bytes_append(&out, json->data, json->size);
        if (result >= 0)
            result = bytes_append(&out, "\n", 1);
    }
    s_queue_bytes(self, &out, result);
}

/* `id:` alone makes no event, but sets what EventSource shows as Last-Event-ID. */
static void s_queue_start(struct http_carried *self, const char *cursor)
{
    struct bytes bytes;
    bytes_init(&bytes, JSON_ROOM);
    if (self->is_sse && !self->wants_json) {
        int result = bytes_printf(&bytes, ":\nid: %s\n\n", cursor);
        s_queue_bytes(self, &bytes, result);
        return;
    }
    if (topic_message_ready_json(&bytes, cursor) >= 0)
        channel_http_queue_json(self, &bytes, cursor, NULL);
    bytes_clear(&bytes);
}

static void s_begin_stream(struct http_carried *self, const char *cursor)
{
    if (!http_status_has_body(200, self->is_head)) {
        struct http_reply reply = {.status = 200};
        http_answer(self->exchange, &reply, NULL, 0, -1);
        channel_http_end(self, 0, "server", 200);
        return;
    }
    channel_http_begin_stream(self, 200, NULL);
    http_forget_head(self->exchange);
    if (self->is_sse || self->wants_json)
        s_queue_start(self, cursor);
}

/* ---- WebSocket ---- */

static void s_begin_websocket(struct http_carried *self, const char *cursor)
{
    struct channel *channel = self->channel;
    self->channel->needs_accept = true; // s_accept asks for it
    const char *error =
        channel->carrier->accept(channel, self->cursors ? "ringway.1" : NULL, "", 0);
    channel->needs_accept = false;
    struct bytes json;
    bytes_init(&json, JSON_ROOM);
    if (!error && self->cursors && channel->carried == self &&
        topic_message_ready_json(&json, cursor) >= 0)
        channel_queue_control(channel, message_ws_frame(1, json.data, json.size));
    bytes_clear(&json);
}

/* ---- what the hub calls ---- */

void channel_http_subscribed(struct channel *channel, const char *cursor)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel) || self->stage != HTTP_HELD)
        return;
    timer_stop(&self->host->loop->timers, &self->timer);
    self->end_code = 200;
    self->has_begun = true;
    if (self->is_websocket)
        s_begin_websocket(self, cursor);
    else if (self->is_sse || self->wants_stream)
        s_begin_stream(self, cursor);
    else
        s_begin_poll(self, cursor);
}

/* The 101 is on its way: what the client gets now waits for it. */
static bool s_is_upgrading(const struct http_carried *self)
{
    return self->stage == HTTP_ENDING && self->is_websocket;
}

static void s_tell_gap(struct http_carried *self, const struct gap *gap,
                       const struct bytes *json)
{
    if (s_is_upgrading(self)) {
        channel_queue_control(self->channel, message_ws_frame(1, json->data, json->size));
    } else if (self->stage == HTTP_HELD) {
        if (gap->cursor)
            s_set_cursor(self, gap->cursor);
        s_gather(self, json->data, json->size);
    } else if (self->stage == HTTP_STREAM) {
        channel_http_queue_json(self, json, gap->cursor, "gap");
    }
}

bool channel_http_missed(struct channel *channel, const struct gap *gap)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel))
        return true; // nothing more is told
    bool polls = self->has_cursors && self->stage == HTTP_HELD && !self->is_websocket;
    bool streams = self->has_cursors && self->stage == HTTP_STREAM &&
                   (self->is_sse || self->wants_json);
    if (!polls && !streams && !(s_is_upgrading(self) && self->cursors))
        return false;
    if (!gap)
        return true;
    struct bytes json;
    bytes_init(&json, JSON_ROOM);
    if (topic_message_gap_json(&json, gap) >= 0)
        s_tell_gap(self, gap, &json);
    bytes_clear(&json);
    return true;
}

void channel_http_reached(struct channel *channel, const char *cursor)
{
    struct http_carried *self = channel->carried;
    if (!self || !self->has_cursors || self->stage != HTTP_HELD || self->is_websocket)
        return;
    s_set_cursor(self, cursor);
    self->caught_up = true;
    if (self->gathered > 0)
        channel_http_answer_poll(self);
}

static enum message_form s_form(const struct http_carried *self)
{
    if (!self->has_cursors) {
        if (self->is_sse)
            return self->is_http10 ? MESSAGE_SSE : MESSAGE_SSE_CHUNK;
        return self->is_http10 ? MESSAGE_RAW : MESSAGE_CHUNK;
    }
    enum message_form form = MESSAGE_LINE;
    if (self->is_sse)
        form = self->wants_json ? MESSAGE_TOPIC_SSE_JSON : MESSAGE_TOPIC_SSE;
    else if (self->wants_json)
        form = MESSAGE_TOPIC_LINE;
    return self->is_http10 ? form : form + 1; // the same as a chunk
}

/* A held request: the publication is its answer, or part of it. */
static const char *s_publish_held(struct http_carried *self, struct message *message)
{
    static const struct send_options answer = {.close = 1, .length = -1};
    if (!self->has_cursors)
        return self->is_websocket ? "undecided"
                                  : channel_http_first(self, message, &answer);
    struct blob *json = message_form(message, MESSAGE_TOPIC_JSON);
    if (json && self->has_begun && !self->is_websocket) {
        s_set_cursor(self, message->cursor);
        s_gather(self, json->data, json->size);
    }
    blob_unref(&json);
    return NULL;
}

const char *channel_http_publish(struct channel *channel, struct message *message)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel))
        return "gone";
    if (self->stage == HTTP_HELD)
        return s_publish_held(self, message);
    if (s_is_upgrading(self)) {
        enum message_form form = self->cursors ? MESSAGE_TOPIC_WS : MESSAGE_WS;
        return channel_publish(channel, message, form);
    }
    enum message_form form = s_form(self);
    bool is_nothing =
        message->size == 0 && (form == MESSAGE_RAW || form == MESSAGE_CHUNK);
    if (self->stage != HTTP_STREAM || is_nothing)
        return NULL;
    const char *error = channel_publish(channel, message, form);
    if (error)
        channel_http_overflow(self);
    return error;
}
