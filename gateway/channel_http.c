#include "gateway/channel_http.h"

#include "common/mem.h"
#include "gateway/channel_http_session.h"
#include "gateway/channel_ws.h"
#include "gateway/ws_handshake.h"
#include "gateway/ws_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- ends ---- */

void channel_http_end(struct http_carried *self, int status, const char *cause, int code)
{
    struct channel *channel = self->channel;
    struct channel_end end = {.status = status,
                              .cause = cause,
                              .code = code,
                              .ends_session = self->ends_session};
    timer_stop(&self->host->loop->timers, &self->timer);
    self->channel = NULL;
    self->stage = HTTP_DONE;
    bytes_clear(&self->body);
    if (channel)
        channel_ended(channel, &end);
}

/* An answer of the gateway's own instead of the application's. */
static void s_refuse(struct http_carried *self, int status, const char *why,
                     const char *cause)
{
    http_refuse(self->exchange, status, why, self->is_websocket);
    channel_http_end(self, 0, cause, status);
}

void channel_http_fail(struct http_carried *self)
{
    s_refuse(self, 500, "the application failed", "app-error");
}

static void s_cut(struct http_carried *self, const char *cause)
{
    struct http_exchange *exchange = self->exchange;
    channel_http_end(self, 0, cause, self->end_code);
    http_abort(exchange);
}

void channel_http_overflow(struct http_carried *self)
{
    s_cut(self, "slow");
}

/* ---- later SENDs ---- */

static enum message_form s_form(const struct http_carried *self)
{
    if (self->stage == HTTP_SIZED)
        return MESSAGE_RAW;
    if (self->is_sse)
        return self->is_http10 ? MESSAGE_SSE : MESSAGE_SSE_CHUNK;
    return self->is_http10 ? MESSAGE_RAW : MESSAGE_CHUNK;
}

void channel_http_finish_stream(struct http_carried *self)
{
    channel_backlog_move(self->channel);
    channel_set_state(self->channel, CHANNEL_CLOSING);
    self->stage = HTTP_ENDING;
    channel_mark_dirty(self->channel);
}

static const char *s_overflow(struct http_carried *self,
                              const struct send_options *options, const char *error)
{
    if (!options->receipt) // nobody would be told of the hole
        channel_http_overflow(self);
    return error;
}

const char *channel_http_queue(struct http_carried *self, struct message *message,
                               const struct send_options *options)
{
    struct channel *channel = self->channel;
    const char *error = NULL;
    if (self->stage == HTTP_SIZED && message->size > self->length_left)
        return "length";
    if (message->size > 0)
        error = channel_queue(channel, message_form(message, s_form(self)));
    if (error)
        return s_overflow(self, options, error);
    if (self->stage == HTTP_SIZED) {
        self->length_left -= message->size;
        http_pull(self->exchange);
    }
    channel_owe(channel, options);
    if (options->close)
        channel_http_finish_stream(self);
    return NULL;
}

/* The 101 is on its way: what is sent now waits for it. */
static bool s_is_upgrading(const struct http_carried *self)
{
    return self->is_websocket && self->stage == HTTP_ENDING && self->close_code == 0;
}

static const char *s_send_early(struct http_carried *self, struct message *message,
                                const struct send_options *options)
{
    if (options->close > 1 && !ws_close_code_is_valid(options->close))
        return "value";
    if (!message->is_binary && !message_is_text(message))
        return "utf8";
    const char *error = channel_queue(self->channel, message_form(message, MESSAGE_WS));
    if (!error)
        channel_owe(self->channel, options);
    if (!error && options->close)
        self->close_code = options->close > 1 ? options->close : 1000;
    return error;
}

static const char *s_send_more(struct http_carried *self, struct message *message,
                               const struct send_options *options)
{
    if (s_is_upgrading(self))
        return s_send_early(self, message, options);
    if (options->want == WANT_RECEIVED)
        return "unsupported"; // nothing tells what the client of a stream has
    return channel_http_queue(self, message, options);
}

/* A response head on a later SEND is ignored, its body is used. */
static const char *s_later(struct http_carried *self, struct message *message,
                           const struct send_options *options)
{
    struct http_head head;
    const char *why;
    if (!options->status)
        return s_send_more(self, message, options);
    int64_t size = http_head_read(message->data, message->size, false, &head, &why);
    if (size < 0)
        return "header";
    http_head_clear(&head);
    struct message rest = message_part(message, (size_t)size);
    const char *error = s_send_more(self, &rest, options);
    message_clear(&rest);
    return error;
}

static const char *s_send(struct channel *channel, struct message *message,
                          const struct send_options *options)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel))
        return "gone";
    if (self->stage == HTTP_READING || self->stage == HTTP_HELD)
        return channel_http_first(self, message, options);
    bool goes_on = self->stage == HTTP_STREAM || self->stage == HTTP_SIZED;
    return goes_on || s_is_upgrading(self) ? s_later(self, message, options) : "gone";
}

/* ---- accept, close, end ---- */

static void s_upgrade(struct http_carried *self, const char *protocol,
                      const struct http_head *head)
{
    char accept[WS_ACCEPT_SIZE];
    struct http_fields fields = {.count = 0};
    const struct http_request *request = http_exchange_request(self->exchange);
    ws_handshake_accept(http_request_header(request, "Sec-WebSocket-Key"), accept);
    http_fields_add(&fields, "Sec-WebSocket-Accept", accept);
    if (protocol)
        http_fields_add(&fields, "Sec-WebSocket-Protocol", protocol);
    http_fields_add_head(&fields, head);
    struct http_reply reply = {
        .status = 101, .fields = fields.field, .count = fields.count};
    timer_stop(&self->host->loop->timers, &self->timer);
    http_upgrade(self->exchange, &reply);
    http_forget_head(self->exchange);
    self->stage = HTTP_ENDING;
}

static const char *s_accept(struct channel *channel, const char *protocol,
                            const void *data, size_t size)
{
    struct http_carried *self = channel->carried;
    struct http_head head;
    const char *why;
    if (!self || !channel_is_open(channel))
        return "gone";
    if (!self->is_websocket)
        return "unsupported";
    if (self->stage != HTTP_HELD || !channel->needs_accept)
        return "decided";
    if (protocol && !ws_handshake_offers(http_exchange_request(self->exchange), protocol))
        return "value";
    if (http_head_read(data, size, true, &head, &why) < 0) {
        channel_http_fail(self);
        return "header";
    }
    if (protocol && channel->service)
        self->host->chose(self->host, channel, protocol);
    s_upgrade(self, protocol, &head);
    http_head_clear(&head);
    return NULL;
}

static void s_close_held(struct http_carried *self, int status)
{
    if (status == 0)
        status = self->is_websocket ? 403 : 204;
    if (status == 1011 || status == 500) {
        channel_http_fail(self);
        return;
    }
    struct http_reply reply = {.status = status, .close = self->is_websocket};
    http_answer(self->exchange, &reply, NULL, 0, -1);
    channel_http_end(self, 0, "server", status);
}

/* The 101 is on its way: the close waits for it. */
static const char *s_close_early(struct http_carried *self, int status)
{
    int code = status == 0 ? 1000 : status == 500 ? 1011 : status;
    if (!ws_close_code_is_valid(code))
        return "value";
    self->close_code = code;
    return NULL;
}

static const char *s_close(struct channel *channel, int status, const void *reason,
                           size_t size)
{
    struct http_carried *self = channel->carried;
    if (!self || !channel_is_open(channel))
        return NULL; // closing twice has no effect
    if (s_is_upgrading(self))
        return s_close_early(self, status);
    if (channel->session)
        return channel_http_session_close(self, status, reason, size);
    bool refuses = self->is_websocket && status == 1011;
    if (status != 0 && !refuses && (status < 200 || status > 599))
        return "value";
    if (self->stage == HTTP_READING || self->stage == HTTP_HELD)
        s_close_held(self, status);
    else if (status >= 500)
        s_cut(self, status == 500 ? "app-error" : "server");
    else if (self->stage == HTTP_STREAM || self->stage == HTTP_SIZED)
        channel_http_finish_stream(self);
    return NULL;
}

static void s_end(struct channel *channel, const char *cause)
{
    struct http_carried *self = channel->carried;
    if (!self || self->stage == HTTP_DONE)
        return;
    bool held = self->stage == HTTP_READING || self->stage == HTTP_HELD;
    if (!held && strcmp(cause, "drain") == 0 && self->stage == HTTP_STREAM) {
        channel_http_finish_stream(self);
        self->channel->drained = true;
    } else if (!held) {
        s_cut(self, cause);
    } else if (strcmp(cause, "worker-lost") == 0) {
        s_refuse(self, 502, "the application died with the request", cause);
    } else if (strcmp(cause, "poison") == 0) {
        s_refuse(self, 500, "the application failed", cause);
    } else {
        s_refuse(self, 503, "try again", cause);
    }
}

/* ---- writing ---- */

static void s_after_write(struct http_carried *self)
{
    struct channel *channel = self->channel;
    if (!channel || channel->out.bytes > 0 || self->stage != HTTP_ENDING)
        return;
    struct http_exchange *exchange = self->exchange;
    channel_http_end(self, 0, channel->drained ? "drain" : "server", self->end_code);
    http_end(exchange);
}

static void s_flush(struct channel *channel)
{
    struct http_carried *self = channel->carried;
    if (channel_http_polls(self)) {
        channel_http_answer_poll(self);
        return;
    }
    if (self->transport.fd < 0) {
        if (self->stage == HTTP_ENDING && channel->state == CHANNEL_CLOSING &&
            self->length_left > 0) // a sized answer that ends too early
            s_cut(self, "app-error");
        return; // the head is still on its way, or MHD pulls
    }
    int result = channel_write_out(channel, &self->transport);
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        struct http_exchange *exchange = self->exchange;
        channel_http_on_gone(self, HTTP_GONE_CLIENT);
        http_abort(exchange);
        return;
    }
    s_after_write(self);
}

void channel_http_emit_body(struct http_carried *self, const char *options)
{
    struct iovec part = {.iov_base = self->body.data, .iov_len = self->body.size};
    channel_event(self->channel, EVENT_BODY, options, &part, 1);
    bytes_clear(&self->body);
}

void channel_http_end_body(struct http_carried *self)
{
    self->last_waits = !channel_has_room(self->channel);
    if (self->last_waits)
        channel_block(self->channel);
    else
        channel_http_emit_body(self, " end=1");
}

/* An application that has begun its answer gets no more of the body. */
static void s_resume(struct channel *channel)
{
    struct http_carried *self = channel->carried;
    if (self->stage == HTTP_READING)
        http_resume_body(self->exchange);
    else if (self->last_waits && self->stage == HTTP_HELD)
        channel_http_end_body(self);
}

/* What the former application had acknowledged of a body, the rest of which still comes
 * or waits for an acknowledgement, is nowhere any more, nor is what it had still to send
 * of a sized answer. */
static bool s_is_adoptable(const struct channel *channel)
{
    const struct http_carried *self = channel->carried;
    bool is_under_way = channel->events.bodies > 0 || self->last_waits;
    bool has_more =
        self->stage == HTTP_READING || (self->stage == HTTP_HELD && is_under_way);
    bool lost_body = has_more && channel->events.acked >= 2;
    return !lost_body && self->stage != HTTP_SIZED;
}

/* ---- callbacks of the server ---- */

void channel_http_on_gone(void *request, enum http_gone why)
{
    struct http_carried *self = request;
    if (self->stage == HTTP_DONE)
        return;
    if (self->channel && self->channel->state == CHANNEL_CLOSING)
        channel_http_end(self, 0, "server", self->end_code);
    else if (why == HTTP_GONE_LIMIT)
        channel_http_end(self, 0, "limit", 0);
    else if (why == HTTP_GONE_TIMEOUT)
        channel_http_end(self, 0, "timeout", 408);
    else
        channel_http_end(self, self->is_websocket ? 1006 : -1, "client", 0);
}

void channel_http_on_writable(void *request)
{
    struct http_carried *self = request;
    if (self->channel && self->channel->out.bytes > 0)
        channel_mark_dirty(self->channel);
}

void channel_http_on_stream(void *request, struct transport transport)
{
    struct http_carried *self = request;
    self->transport = transport;
    if (self->channel)
        channel_mark_dirty(self->channel);
}

size_t channel_http_on_pull(void *request, uint8_t *out, size_t room)
{
    struct http_carried *self = request;
    struct iovec part;
    if (!self->channel || out_queue_parts(&self->channel->out, &part, 1) == 0)
        return 0;
    size_t size = part.iov_len < room ? part.iov_len : room;
    memcpy(out, part.iov_base, size);
    channel_written(self->channel, size);
    if (self->length_left == 0 && self->channel->out.bytes == 0)
        channel_http_end(self, 0, "server", self->end_code);
    return size;
}

void channel_http_on_upgraded(void *request, struct transport transport,
                              struct admission_ticket *ticket, struct iovec extra)
{
    struct http_carried *self = request;
    struct channel *channel = self->channel;
    if (!channel) { // ended while the 101 was on its way
        transport.ops->close(&transport);
        admission_leave(self->admission, &ticket);
        return;
    }
    self->channel = NULL;
    self->stage = HTTP_DONE;
    struct channel_ws_start start = {.transport = transport,
                                     .admission = self->admission,
                                     .ticket = ticket,
                                     .extra = extra,
                                     .cursors = self->cursors};
    channel_ws_start(channel, &start);
    if (self->close_code != 0 && channel->carried)
        (void)channel->carrier->close(channel, self->close_code, NULL, 0);
}

void channel_http_on_done(void *request, bool clean)
{
    struct http_carried *self = request;
    if (self->receipt)
        self->host->answer(self->host, self->receipt, clean ? NULL : "gone");
    channel_http_on_gone(self, HTTP_GONE_CLIENT);
    self->host->posting -= self->posting;
    bytes_clear(&self->body);
    free(self->session);
    free(self);
}

/* ---- waiting ---- */

static int64_t s_timeout(int64_t of_route, int64_t of_settings)
{
    return of_route >= 0 ? of_route : of_settings;
}

static bool s_has_worker(const struct http_carried *self)
{
    return self->channel->service && self->channel->service->has_worker;
}

/* since_ms: from when on it has waited for a worker. */
static void s_hold(struct http_carried *self, int64_t since_ms)
{
    const struct gateway_settings *settings = self->host->settings;
    int64_t open_ms = s_timeout(self->route->open_timeout_ms, settings->open_timeout_ms);
    int64_t answer_ms =
        s_timeout(self->route->answer_timeout_ms, settings->answer_timeout_ms);
    if (self->channel->session) {
        channel_http_session_hold(self, open_ms, answer_ms);
        return;
    }
    bool decides = self->is_websocket && self->channel->needs_accept;
    bool opening = self->is_topic || decides || !s_has_worker(self);
    if (self->is_websocket && !decides && !self->is_topic && s_has_worker(self)) {
        s_upgrade(self, NULL, NULL);
        return;
    }
    timer_stop(&self->host->loop->timers, &self->timer);
    bool lacks_worker = opening && !self->is_topic && !decides;
    int64_t due_ms = lacks_worker ? since_ms + open_ms
                                  : self->began_ms + (opening ? open_ms : answer_ms);
    if (opening || answer_ms > 0)
        timer_start(&self->host->loop->timers, &self->timer, due_ms);
}

void channel_http_hold(struct http_carried *self)
{
    s_hold(self, self->began_ms);
}

/* A request may have been held for long when its service loses its last worker, or the
 * broker starts anew and does not know the workers yet: one that comes soon has time. */
static void s_flow(struct channel *channel)
{
    struct http_carried *self = channel->carried;
    if (self->stage == HTTP_HELD)
        s_hold(self, self->host->loop->now_ms);
}

static void s_comment(struct http_carried *self)
{
    static const char comment[] = ":\n\n";
    struct blob *blob = self->is_http10 ? blob_new(comment, sizeof comment - 1)
                                        : message_chunk(comment, sizeof comment - 1);
    channel_queue_control(self->channel, blob);
    timer_start(&self->host->loop->timers, &self->timer,
                self->host->loop->now_ms + self->host->settings->sse_comment_ms);
}

void channel_http_on_due(struct timer *timer, int64_t now_ms)
{
    struct http_carried *self =
        (struct http_carried *)((char *)timer - offsetof(struct http_carried, timer));
    (void)now_ms;
    if (self->stage == HTTP_STREAM)
        s_comment(self);
    else if (self->stage != HTTP_HELD)
        return;
    else if (self->channel->session)
        channel_http_session_on_due(self);
    else if (self->is_topic && self->has_begun)
        channel_http_answer_poll(self);
    else if (self->is_topic)
        s_refuse(self, 503, "the bus is not reachable", "timeout");
    else if (!s_has_worker(self))
        s_refuse(self, 503, "no worker serves this", "timeout");
    else if (self->is_websocket)
        s_refuse(self, 503, "the application did not decide in time", "timeout");
    else
        s_refuse(self, 504, "the application did not answer in time", "timeout");
}

const struct carrier channel_http = {
    .name = "http",
    .send = s_send,
    .accept = s_accept,
    .close = s_close,
    .publish = channel_http_publish,
    .subscribed = channel_http_subscribed,
    .missed = channel_http_missed,
    .reached = channel_http_reached,
    .resume = s_resume,
    .flush = s_flush,
    .flow = s_flow,
    .end = s_end,
    .is_adoptable = s_is_adoptable,
    .bound = channel_http_bound,
    .dropped = channel_http_dropped,
    .acked = channel_http_acked,
};
