#include "gateway/channel_ws_private.h"

#include "common/mem.h"
#include "gateway/http_head.h"
#include "gateway/topic_message.h"
#include "gateway/ws_frame.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { FINISH_MS = 1000, JSON_ROOM = 4096 };

static struct ws_carried *s_of(struct channel *channel)
{
    return channel->carried;
}

/* ---- life ---- */

static void s_release(struct loop_task *task)
{
    free((char *)task - offsetof(struct ws_carried, release));
}

static void s_destroy(struct ws_carried *self)
{
    timer_stop(&self->loop->timers, &self->timer);
    loop_unwatch(self->loop, self->transport.fd);
    self->transport.ops->close(&self->transport);
    admission_leave(self->admission, &self->ticket);
    ws_message_destroy(&self->reader);
    bytes_clear(&self->unread);
    self->release.run = s_release;
    loop_defer(self->loop, &self->release);
}

static void s_tell_end(struct ws_carried *self, int status, const char *cause, int code,
                       bool unclean)
{
    struct channel *channel = self->channel;
    struct channel_end end = {
        .status = status, .cause = cause, .code = code, .is_unclean = unclean};
    self->channel = NULL;
    if (channel)
        channel_ended(channel, &end);
}

void channel_ws_lost(struct ws_carried *self)
{
    if (self->stage == WS_OPEN)
        s_tell_end(self, 1006, "client", 0, true);
    else if (self->stage == WS_CLOSING)
        s_tell_end(self, 0, self->cause, self->end_code, true);
    s_destroy(self);
}

void channel_ws_silent(struct ws_carried *self)
{
    s_tell_end(self, 1006, "timeout", 0, true);
    s_destroy(self);
}

void channel_ws_watch(struct ws_carried *self)
{
    /* A client that leaves while it is not read has its last messages in the socket's
     * buffer. */
    uint32_t events = self->paused ? 0 : EPOLLIN | EPOLLRDHUP;
    if (!self->wrote_all)
        events |= EPOLLOUT;
    if (events == self->events)
        return;
    self->events = events;
    (void)loop_rewatch(self->loop, self->transport.fd, events, &self->watch);
}

/* Everything was said: let the client's bytes run out, then close.  Closing with unread
 * bytes would reset the connection and could take our Close frame with it. */
static void s_finish(struct ws_carried *self)
{
    self->transport.ops->finish(&self->transport);
    self->paused = false;
    self->wrote_all = true;
    channel_ws_watch(self);
    timer_start(&self->loop->timers, &self->timer, self->loop->now_ms + FINISH_MS);
}

void channel_ws_send_close(struct ws_carried *self, int code, const void *reason,
                           size_t size)
{
    uint8_t payload[WS_CONTROL_MAX];
    size_t used = 0;
    if (code != 1005) {
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        used = 2;
        if (size > sizeof payload - 2)
            size = sizeof payload - 2;
        if (size > 0)
            memcpy(payload + 2, reason, size);
        used += size;
    }
    if (!self->channel)
        return;
    channel_backlog_move(self->channel);
    channel_queue_control(self->channel, message_ws_frame(WS_CLOSE, payload, used));
}

void channel_ws_conclude(struct ws_carried *self, const struct channel_end *end)
{
    struct channel *channel = self->channel;
    self->stage = WS_FINISHING;
    (void)channel_write_out(channel, &self->transport);
    self->channel = NULL;
    channel_ended(channel, end);
    s_finish(self);
}

static void s_start_closing(struct ws_carried *self, int code, const void *reason,
                            size_t size, const char *cause)
{
    if (self->stage != WS_OPEN)
        return;
    if (self->channel->state != CHANNEL_CLOSING)
        channel_set_state(self->channel, CHANNEL_CLOSING);
    self->stage = WS_CLOSING;
    self->end_code = code;
    self->cause = cause;
    if (channel_awaits_client(self->channel))
        channel_ws_ping(self); // no ping may follow the Close
    channel_ws_send_close(self, code, reason, size);
    if (self->paused) { // the client's Close must be heard
        self->paused = false;
        bytes_clear(&self->unread);
        channel_ws_watch(self);
    }
    timer_start(&self->loop->timers, &self->timer,
                self->loop->now_ms + self->host->settings->close_timeout_ms);
}

/* ---- the carrier ---- */

static const char *s_close_for_overflow(struct channel *channel)
{
    s_start_closing(s_of(channel), 1013, "too slow", 8, "slow");
    return "full";
}

static const char *s_check_send(const struct ws_carried *self, struct message *message,
                                const struct send_options *options)
{
    if (!self || self->stage != WS_OPEN)
        return "gone";
    if (options->close > 1 && !ws_close_code_is_valid(options->close))
        return "value";
    return message->is_binary || message_is_text(message) ? NULL : "utf8";
}

/* A response head has no meaning on an open WebSocket; what follows it is the message. */
static const char *s_queue(struct channel *channel, struct message *message,
                           bool has_head)
{
    struct http_head head;
    const char *why;
    if (!has_head)
        return channel_queue(channel, message_form(message, MESSAGE_WS));
    int64_t size = http_head_read(message->data, message->size, false, &head, &why);
    if (size < 0)
        return "header";
    http_head_clear(&head);
    struct message rest = message_part(message, (size_t)size);
    const char *error = channel_queue(channel, message_form(&rest, MESSAGE_WS));
    message_clear(&rest);
    return error;
}

static const char *s_send(struct channel *channel, struct message *message,
                          const struct send_options *options)
{
    struct ws_carried *self = s_of(channel);
    const char *error = s_check_send(self, message, options);
    if (error)
        return error;
    error = s_queue(channel, message, options->status != 0);
    if (error && strcmp(error, "full") == 0 && !options->receipt)
        return s_close_for_overflow(channel); // nobody would be told of the hole
    if (error)
        return error;
    channel_owe(channel, options);
    if (options->close)
        s_start_closing(self, options->close > 1 ? options->close : 1000, NULL, 0,
                        options->close == 1011 ? "app-error" : "server");
    else if (!self->pinged && channel_awaits_client(channel))
        channel_ws_ping(self);
    return NULL;
}

static const char *s_close(struct channel *channel, int status, const void *reason,
                           size_t size)
{
    struct ws_carried *self = s_of(channel);
    if (!self || self->stage != WS_OPEN)
        return NULL; // closing twice has no effect
    int code = status == 0 ? 1000 : status == 500 ? 1011 : status;
    if (!ws_close_code_is_valid(code) || size > WS_CONTROL_MAX - 2)
        return "value";
    if (!utf8_is_valid(reason, size))
        return "utf8";
    s_start_closing(self, code, reason, size, code == 1011 ? "app-error" : "server");
    return NULL;
}

static const char *s_accept(struct channel *channel, const char *protocol,
                            const void *head, size_t size)
{
    (void)channel;
    (void)protocol;
    (void)head;
    (void)size;
    return "decided";
}

static const char *s_publish(struct channel *channel, struct message *message)
{
    struct ws_carried *self = s_of(channel);
    if (!self || self->stage != WS_OPEN)
        return "gone";
    enum message_form form = self->cursors ? MESSAGE_TOPIC_WS : MESSAGE_WS;
    if (form == MESSAGE_WS && !message->is_binary && !message_is_text(message))
        return "utf8";
    const char *error = channel_publish(channel, message, form);
    if (error)
        return s_close_for_overflow(channel);
    channel_ws_sent(self);
    return NULL;
}

static void s_queue_json(struct channel *channel, struct bytes *json, int result)
{
    if (result >= 0)
        channel_queue_control(channel, message_ws_frame(WS_TEXT, json->data, json->size));
    bytes_clear(json);
}

static void s_subscribed(struct channel *channel, const char *cursor)
{
    struct ws_carried *self = s_of(channel);
    struct bytes json;
    if (!self || !self->cursors || self->stage != WS_OPEN)
        return;
    bytes_init(&json, JSON_ROOM);
    int result = topic_message_ready_json(&json, cursor);
    s_queue_json(channel, &json, result);
}

static bool s_missed(struct channel *channel, const struct gap *gap)
{
    struct ws_carried *self = s_of(channel);
    struct bytes json;
    if (!self || self->stage != WS_OPEN)
        return true; // nothing more is told
    if (!self->cursors || !gap)
        return self->cursors;
    bytes_init(&json, JSON_ROOM);
    int result = topic_message_gap_json(&json, gap);
    s_queue_json(channel, &json, result);
    return true;
}

static void s_resume(struct channel *channel)
{
    struct ws_carried *self = s_of(channel);
    size_t size;
    if (!self->paused)
        return;
    self->paused = false;
    self->heard_ms = self->loop->now_ms;
    uint8_t *unread = bytes_take(&self->unread, &size);
    if (unread)
        (void)channel_ws_take(self, unread, size);
    free(unread);
    channel_ws_watch(self);
}

static void s_flush(struct channel *channel)
{
    struct ws_carried *self = s_of(channel);
    int result = channel_write_out(channel, &self->transport);
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        channel_ws_lost(self);
        return;
    }
    self->wrote_all = channel->out.bytes == 0;
    channel_ws_watch(self);
}

static void s_flow(struct channel *channel)
{
    (void)channel; // an open WebSocket waits by back-pressure
}

static void s_end(struct channel *channel, const char *cause)
{
    struct ws_carried *self = s_of(channel);
    int code = strcmp(cause, "drain") == 0                                         ? 1001
               : strcmp(cause, "poison") == 0 || strcmp(cause, "worker-lost") == 0 ? 1011
                                                                                   : 1013;
    if (self)
        s_start_closing(self, code, NULL, 0, cause);
}

static void s_discard(struct channel *channel)
{
    s_destroy(s_of(channel));
    channel->carried = NULL;
}

const struct carrier channel_ws = {
    .name = "ws",
    .discard = s_discard,
    .send = s_send,
    .accept = s_accept,
    .close = s_close,
    .publish = s_publish,
    .subscribed = s_subscribed,
    .missed = s_missed,
    .resume = s_resume,
    .flush = s_flush,
    .flow = s_flow,
    .end = s_end,
    .bound = channel_ws_bound,
    .dropped = channel_ws_dropped,
    .acked = channel_ws_acked,
};

/* Frames that came behind the handshake. */
static void s_take_extra(struct ws_carried *self, const struct iovec *extra)
{
    if (extra->iov_len == 0)
        return;
    uint8_t *copy = mem_alloc(extra->iov_len);
    memcpy(copy, extra->iov_base, extra->iov_len);
    (void)channel_ws_take(self, copy, extra->iov_len);
    free(copy);
}

static struct ws_carried *s_new(struct channel *channel,
                                const struct channel_ws_start *start)
{
    struct ws_carried *self = mem_new(struct ws_carried);
    struct channel_host *host = channel->host;
    self->channel = channel;
    self->host = host;
    self->loop = host->loop;
    self->transport = start->transport;
    self->admission = start->admission;
    self->ticket = start->ticket;
    self->cursors = start->cursors;
    self->reader = ws_message_new(host->settings->message_limit);
    self->watch.on_ready = channel_ws_on_ready;
    self->timer.on_due = channel_ws_on_due;
    self->heard_ms = self->loop->now_ms;
    self->wrote_all = true;
    self->events = EPOLLIN | EPOLLRDHUP;
    bytes_init(&self->unread, SIZE_MAX);
    return self;
}

void channel_ws_start(struct channel *channel, const struct channel_ws_start *start)
{
    struct ws_carried *self = s_new(channel, start);
    channel->carrier = &channel_ws;
    channel->carried = self;
    if (channel->state == CHANNEL_OPENING)
        channel_set_state(channel, CHANNEL_OPEN);
    channel_decided(channel);
    timer_start(&self->loop->timers, &self->timer,
                self->heard_ms + self->host->settings->ping_interval_ms);
    if (loop_watch(self->loop, self->transport.fd, self->events, &self->watch) < 0) {
        channel_ws_lost(self);
        return;
    }
    if (channel_awaits_client(channel)) // of sends that came before the 101 had left
        channel_ws_ping(self);
    channel_ws_sent(self); // of what a session has in the queue already
    if (channel->out.bytes > 0)
        channel_mark_dirty(channel);
    s_take_extra(self, &start->extra);
}
