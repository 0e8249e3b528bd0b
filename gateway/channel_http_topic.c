#include "gateway/channel_http.h"

#include "gateway/sse_event.h"
#include "gateway/topic_message.h"
#include "gateway/ws_handshake.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_DEFAULT_S = 25, WAIT_MAX_S = 60, JSON_ROOM = 4096, SSE_ROOM = 8192 };

/* The first word of the broker about the topic: from here on nothing is missed.  end_code
 * marks that it has come. */

/* ---- long poll ---- */

static void s_answer_json(struct http_carried *self, struct bytes *json)
{
    static const struct http_field fields[] = {
        {.name = "Content-Type", .value = "application/json"},
        {.name = "Cache-Control", .value = "no-store"},
    };
    struct http_reply reply = {.status = 200, .fields = fields, .count = 2};
    struct blob *blob = blob_new(json->data, json->size);
    http_answer(self->exchange, &reply, blob, 0, -1);
    blob_unref(&blob);
    channel_http_end(self, 0, "server", 200);
}

/* part: one message, or the member "gap" with its comma; both may be NULL. */
static void s_answer_poll(struct http_carried *self, const char *cursor,
                          const struct blob *message, const struct bytes *gap)
{
    struct bytes json;
    int result = 0;
    bytes_init(&json, SIZE_MAX);
    result |= bytes_printf(&json, "{\"cursor\":\"%s\",", cursor);
    if (gap) { // {"gap":{...}} without its outer braces
        result |= bytes_append(&json, gap->data + 1, gap->size - 2);
        result |= bytes_append(&json, ",", 1);
    }
    result |= bytes_printf(&json, "\"messages\":[");
    if (message)
        result |= bytes_append(&json, message->data, message->size);
    result |= bytes_printf(&json, "]}\n");
    if (result >= 0)
        s_answer_json(self, &json);
    else
        channel_http_overflow(self);
    bytes_clear(&json);
}

void channel_http_wait_is_over(struct http_carried *self)
{
    char *cursor = (char *)self->body.data; // kept by s_begin_poll
    s_answer_poll(self, cursor ? cursor : "", NULL, NULL);
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

static void s_begin_poll(struct http_carried *self, const char *cursor)
{
    bytes_clear(&self->body);
    if (bytes_append(&self->body, cursor, strlen(cursor) + 1) < 0)
        return;
    timer_start(&self->host->loop->timers, &self->timer,
                self->host->loop->now_ms + s_wait_ms(self));
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

static void s_queue_gap(struct http_carried *self, const char *topic, const char *cursor,
                        const char *gap)
{
    struct bytes json, event;
    bytes_init(&json, JSON_ROOM);
    bytes_init(&event, SSE_ROOM);
    int result = topic_message_gap_json(&json, topic, NULL, cursor, gap);
    if (result >= 0)
        result = sse_event_write(&event, cursor, "gap", json.data, json.size);
    bytes_clear(&json);
    s_queue_bytes(self, &event, result);
}

/* `id:` alone makes no event, but sets what EventSource shows as Last-Event-ID. */
static void s_queue_start(struct http_carried *self, const char *cursor)
{
    struct bytes bytes;
    bytes_init(&bytes, JSON_ROOM);
    int result = bytes_printf(&bytes, ":\nid: %s\n\n", cursor);
    s_queue_bytes(self, &bytes, result);
}

static void s_begin_stream(struct http_carried *self, const char *topic,
                           const char *cursor, const char *gap)
{
    if (!http_status_has_body(200, self->is_head)) {
        struct http_reply reply = {.status = 200};
        http_answer(self->exchange, &reply, NULL, 0, -1);
        channel_http_end(self, 0, "server", 200);
        return;
    }
    channel_http_begin_stream(self, 200, NULL);
    http_forget_head(self->exchange);
    if (!self->is_sse)
        return;
    if (gap)
        s_queue_gap(self, topic, cursor, gap);
    else
        s_queue_start(self, cursor);
}

/* ---- WebSocket ---- */

static void s_begin_websocket(struct http_carried *self, const char *topic,
                              const char *cursor, const char *gap)
{
    struct channel *channel = self->channel;
    self->channel->needs_accept = true; // s_accept asks for it
    const char *error =
        channel->carrier->accept(channel, self->cursors ? "ringway.1" : NULL, "", 0);
    channel->needs_accept = false;
    struct bytes json;
    bytes_init(&json, JSON_ROOM);
    if (!error && self->cursors && channel->carried == self) {
        int result = gap ? topic_message_gap_json(&json, topic, NULL, cursor, gap)
                         : topic_message_ready_json(&json, cursor);
        if (result >= 0)
            channel_queue_control(channel, message_ws_frame(1, json.data, json.size));
    }
    bytes_clear(&json);
}

/* ---- what the hub calls ---- */

void channel_http_subscribed(struct channel *channel, const char *topic,
                             const char *cursor, const char *gap)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel))
        return;
    if (self->stage == HTTP_STREAM && self->is_sse)
        s_queue_gap(self, topic, cursor, gap ? gap : "overload");
    if (self->stage != HTTP_HELD)
        return;
    timer_stop(&self->host->loop->timers, &self->timer);
    self->end_code = 200;
    if (self->is_websocket) {
        s_begin_websocket(self, topic, cursor, gap);
    } else if (self->is_sse || self->wants_stream) {
        s_begin_stream(self, topic, cursor, gap);
    } else if (gap) {
        struct bytes json;
        bytes_init(&json, JSON_ROOM);
        if (topic_message_gap_json(&json, topic, NULL, cursor, gap) >= 0)
            s_answer_poll(self, cursor, NULL, &json);
        bytes_clear(&json);
    } else {
        s_begin_poll(self, cursor);
    }
}

static enum message_form s_form(const struct http_carried *self)
{
    if (!self->is_topic) {
        if (self->is_sse)
            return self->is_http10 ? MESSAGE_SSE : MESSAGE_SSE_CHUNK;
        return self->is_http10 ? MESSAGE_RAW : MESSAGE_CHUNK;
    }
    if (self->is_sse)
        return self->is_http10 ? MESSAGE_TOPIC_SSE : MESSAGE_TOPIC_SSE_CHUNK;
    return self->is_http10 ? MESSAGE_LINE : MESSAGE_LINE_CHUNK;
}

/* A held request: the publication is its answer. */
static const char *s_publish_held(struct http_carried *self, struct message *message)
{
    static const struct send_options answer = {.close = 1, .length = -1};
    if (!self->is_topic)
        return self->is_websocket ? "undecided"
                                  : channel_http_first(self, message, &answer);
    struct blob *json = message_form(message, MESSAGE_TOPIC_JSON);
    if (json && !self->is_websocket)
        s_answer_poll(self, message->cursor, json, NULL);
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
    if (self->stage == HTTP_ENDING && self->is_websocket) { // the 101 is on its way
        enum message_form form = self->cursors ? MESSAGE_TOPIC_WS : MESSAGE_WS;
        return channel_queue(channel, message_form(message, form));
    }
    enum message_form form = s_form(self);
    bool is_nothing =
        message->size == 0 && (form == MESSAGE_RAW || form == MESSAGE_CHUNK);
    if (self->stage != HTTP_STREAM || is_nothing)
        return NULL;
    const char *error = channel_queue(channel, message_form(message, form));
    if (error)
        channel_http_overflow(self);
    return error;
}
