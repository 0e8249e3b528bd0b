#include "gateway/channel_ws.h"

#include "common/mem.h"
#include "gateway/http_head.h"
#include "gateway/topic_message.h"
#include "gateway/ws_frame.h"
#include "gateway/ws_message.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/*   OPEN --we send Close--> CLOSING --its Close, or the timer--> FINISHING --EOF or
 * timer--> ended
 *     `-----------its Close (answered), or it broke a rule-------^ */
enum s_stage { STAGE_OPEN, STAGE_CLOSING, STAGE_FINISHING };

enum { FINISH_MS = 1000, READS_MAX = 8 }; // reads of one connection in one turn

struct s_ws {
    struct loop_watch watch;
    struct timer timer; // ping, pong, close: what is due next
    struct loop_task release;
    struct channel *channel; // NULL once the channel has its CLOSE
    struct loop *loop;
    struct channel_host *host;
    struct transport transport;
    struct admission *admission;
    struct admission_ticket *ticket;
    struct ws_message *reader;
    struct bytes unread; // came, but the window is full
    int64_t heard_ms;
    uint32_t events; // what the loop watches for
    uint8_t stage;
    bool cursors, awaits_pong, paused;
    bool wrote_all; // nothing is queued
    int end_code;   // of the CLOSE event, once the closing handshake is over
    const char *cause;
};

static void s_read(struct s_ws *self);

static struct s_ws *s_of(struct channel *channel)
{
    return channel->carried;
}

/* ---- life ---- */

static void s_release(struct loop_task *task)
{
    free((char *)task - offsetof(struct s_ws, release));
}

static void s_destroy(struct s_ws *self)
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

static void s_tell_end(struct s_ws *self, int status, const char *cause, int code,
                       bool unclean)
{
    struct channel *channel = self->channel;
    struct channel_end end = {
        .status = status, .cause = cause, .code = code, .is_unclean = unclean};
    self->channel = NULL;
    if (channel)
        channel_ended(channel, &end);
}

/* The TCP connection is over. */
static void s_lost(struct s_ws *self)
{
    if (self->stage == STAGE_OPEN)
        s_tell_end(self, 1006, "client", 0, true);
    else if (self->stage == STAGE_CLOSING)
        s_tell_end(self, 0, self->cause, self->end_code, true);
    s_destroy(self);
}

static void s_watch(struct s_ws *self)
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
static void s_finish(struct s_ws *self)
{
    self->transport.ops->finish(&self->transport);
    self->paused = false;
    self->wrote_all = true;
    s_watch(self);
    timer_start(&self->loop->timers, &self->timer, self->loop->now_ms + FINISH_MS);
}

static void s_send_close(struct s_ws *self, int code, const void *reason, size_t size)
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
    if (self->channel)
        channel_queue_control(self->channel, message_ws_frame(WS_CLOSE, payload, used));
}

/* Both sides have said Close, or the client broke a rule: what the kernel does not take
 * now is dropped with the channel. */
static void s_conclude(struct s_ws *self, const struct channel_end *end)
{
    struct channel *channel = self->channel;
    self->stage = STAGE_FINISHING;
    (void)channel_write_out(channel, &self->transport);
    self->channel = NULL;
    channel_ended(channel, end);
    s_finish(self);
}

static void s_start_closing(struct s_ws *self, int code, const void *reason, size_t size,
                            const char *cause)
{
    if (self->stage != STAGE_OPEN)
        return;
    if (self->channel->state != CHANNEL_CLOSING)
        channel_set_state(self->channel, CHANNEL_CLOSING);
    self->stage = STAGE_CLOSING;
    self->end_code = code;
    self->cause = cause;
    s_send_close(self, code, reason, size);
    if (self->paused) { // the client's Close must be heard
        self->paused = false;
        bytes_clear(&self->unread);
        s_watch(self);
    }
    timer_start(&self->loop->timers, &self->timer,
                self->loop->now_ms + self->host->settings->close_timeout_ms);
}

/* ---- reading ---- */

static void s_on_close_frame(struct s_ws *self, const struct ws_event *event)
{
    struct channel_end end = {.status = event->code,
                              .cause = "client",
                              .reason = event->data,
                              .reason_size = event->size};
    if (self->stage == STAGE_CLOSING)
        end = (struct channel_end){
            .status = 0, .cause = self->cause, .code = self->end_code};
    else
        s_send_close(self, event->code, event->data, event->size);
    s_conclude(self, &end);
}

static void s_on_failure(struct s_ws *self, const struct ws_event *event)
{
    struct channel_end end = {.status = 0,
                              .cause = event->code == 1009 ? "limit" : "protocol",
                              .code = event->code,
                              .is_unclean = true};
    if (self->stage == STAGE_CLOSING)
        end = (struct channel_end){.status = 0,
                                   .cause = self->cause,
                                   .code = self->end_code,
                                   .is_unclean = true};
    else
        s_send_close(self, event->code, event->reason, strlen(event->reason));
    s_conclude(self, &end);
}

static void s_on_data(struct s_ws *self, const struct ws_event *event)
{
    if (self->stage != STAGE_OPEN)
        return; // the application has closed: it gets no more messages
    struct iovec payload = {.iov_base = (void *)event->data, .iov_len = event->size};
    channel_event(self->channel, event->kind == WS_EVENT_TEXT ? EVENT_TEXT : EVENT_BIN,
                  "", &payload, 1);
}

static void s_on_ping(struct s_ws *self, const struct ws_event *event)
{
    /* A client that pings and does not read gets no more pongs than the queue's cap
     * allows. */
    const struct gateway_settings *settings = self->host->settings;
    if (self->stage == STAGE_OPEN && self->channel->out.bytes < settings->out_queue)
        channel_queue_control(self->channel,
                              message_ws_frame(WS_PONG, event->data, event->size));
}

static void s_on_event(struct s_ws *self, const struct ws_event *event)
{
    switch (event->kind) {
    case WS_EVENT_NONE:
    case WS_EVENT_PONG:
        break;
    case WS_EVENT_TEXT:
    case WS_EVENT_BINARY:
        s_on_data(self, event);
        break;
    case WS_EVENT_PING:
        s_on_ping(self, event);
        break;
    case WS_EVENT_CLOSE:
        s_on_close_frame(self, event);
        break;
    case WS_EVENT_FAILED:
        s_on_failure(self, event);
        break;
    }
}

static void s_pause(struct s_ws *self, const uint8_t *rest, size_t size)
{
    self->paused = true;
    if (size > 0 && bytes_append(&self->unread, rest, size) < 0)
        self->paused = true; // bounded by one read: cannot fail but for want of memory
    channel_block(self->channel);
    s_watch(self);
}

/* Returns false when the connection finishes or pauses. */
static bool s_take(struct s_ws *self, uint8_t *data, size_t size)
{
    while (size > 0 && self->channel) {
        struct ws_event event;
        size_t used = ws_message_read(self->reader, data, size, &event);
        data += used;
        size -= used;
        s_on_event(self, &event);
        if (event.kind == WS_EVENT_NONE && used == 0)
            break;
        if (self->channel && self->stage == STAGE_OPEN &&
            !channel_has_room(self->channel)) {
            s_pause(self, data, size);
            return false;
        }
    }
    if (self->reader) { // frees a message that was put together from several reads
        struct ws_event event;
        (void)ws_message_read(self->reader, data, 0, &event);
    }
    return self->channel != NULL;
}

static void s_read(struct s_ws *self)
{
    uint8_t *scratch = self->host->scratch;
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t got = self->transport.ops->read(&self->transport, scratch, SCRATCH_SIZE);
        if (got == -EAGAIN || got == -EINTR)
            return;
        if (got <= 0) {
            s_lost(self);
            return;
        }
        self->heard_ms = self->loop->now_ms;
        self->awaits_pong = false;
        if (self->channel && !s_take(self, scratch, (size_t)got))
            return;
        if ((size_t)got < SCRATCH_SIZE)
            return;
    }
}

static void s_ready(struct loop_watch *watch, uint32_t events)
{
    struct s_ws *self = (struct s_ws *)watch;
    if (self->transport.fd < 0)
        return;
    bool hung_up = events & (EPOLLERR | EPOLLHUP);
    if (self->paused && hung_up) {
        s_lost(self);
        return;
    }
    if (events & EPOLLOUT && self->channel)
        channel_mark_dirty(self->channel);
    if (events & (EPOLLIN | EPOLLRDHUP) || hung_up)
        s_read(self);
}

/* ---- timers ---- */

static void s_ping(struct s_ws *self)
{
    const struct gateway_settings *settings = self->host->settings;
    channel_queue_control(self->channel, message_ws_frame(WS_PING, NULL, 0));
    self->awaits_pong = true;
    timer_start(&self->loop->timers, &self->timer,
                self->loop->now_ms + settings->ping_timeout_ms);
}

static void s_due(struct timer *timer, int64_t now_ms)
{
    struct s_ws *self = (struct s_ws *)((char *)timer - offsetof(struct s_ws, timer));
    const struct gateway_settings *settings = self->host->settings;
    int64_t quiet_until = self->heard_ms + settings->ping_interval_ms;
    if (self->stage != STAGE_OPEN) {
        s_lost(self);
    } else if (self->paused) { // pongs lie unread: TCP_USER_TIMEOUT judges
        timer_start(&self->loop->timers, timer, now_ms + settings->ping_interval_ms);
    } else if (now_ms < quiet_until) {
        timer_start(&self->loop->timers, timer, quiet_until);
    } else if (self->awaits_pong) {
        s_tell_end(self, 1006, "timeout", 0, true);
        s_destroy(self);
    } else {
        s_ping(self);
    }
}

/* ---- the carrier ---- */

static const char *s_close_for_overflow(struct channel *channel)
{
    s_start_closing(s_of(channel), 1013, "too slow", 8, "slow");
    return "full";
}

static const char *s_check_send(const struct s_ws *self, struct message *message,
                                const struct send_options *options)
{
    if (!self || self->stage != STAGE_OPEN)
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
    struct s_ws *self = s_of(channel);
    const char *error = s_check_send(self, message, options);
    if (error)
        return error;
    error = s_queue(channel, message, options->status != 0);
    if (error && strcmp(error, "full") == 0 && !options->receipt)
        return s_close_for_overflow(channel); // nobody would be told of the hole
    if (error)
        return error;
    if (options->receipt && options->want_written)
        channel_receipt(channel, options->receipt);
    if (options->close)
        s_start_closing(self, options->close > 1 ? options->close : 1000, NULL, 0,
                        options->close == 1011 ? "app-error" : "server");
    return NULL;
}

static const char *s_close(struct channel *channel, int status, const void *reason,
                           size_t size)
{
    struct s_ws *self = s_of(channel);
    if (!self || self->stage != STAGE_OPEN)
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
    struct s_ws *self = s_of(channel);
    if (!self || self->stage != STAGE_OPEN)
        return "gone";
    enum message_form form = self->cursors ? MESSAGE_TOPIC_WS : MESSAGE_WS;
    if (form == MESSAGE_WS && !message->is_binary && !message_is_text(message))
        return "utf8";
    const char *error = channel_queue(channel, message_form(message, form));
    return error ? s_close_for_overflow(channel) : NULL;
}

static void s_subscribed(struct channel *channel, const char *topic, const char *cursor,
                         const char *gap)
{
    struct s_ws *self = s_of(channel);
    struct bytes json;
    if (!self || !self->cursors || self->stage != STAGE_OPEN)
        return;
    bytes_init(&json, 4096);
    int result = gap ? topic_message_gap_json(&json, topic, NULL, cursor, gap)
                     : topic_message_ready_json(&json, cursor);
    if (result >= 0)
        channel_queue_control(channel, message_ws_frame(WS_TEXT, json.data, json.size));
    bytes_clear(&json);
}

static void s_resume(struct channel *channel)
{
    struct s_ws *self = s_of(channel);
    size_t size;
    if (!self->paused)
        return;
    self->paused = false;
    self->heard_ms = self->loop->now_ms;
    uint8_t *unread = bytes_take(&self->unread, &size);
    if (unread)
        (void)s_take(self, unread, size);
    free(unread);
    s_watch(self);
}

static void s_flush(struct channel *channel)
{
    struct s_ws *self = s_of(channel);
    int result = channel_write_out(channel, &self->transport);
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        s_lost(self);
        return;
    }
    self->wrote_all = channel->out.bytes == 0;
    s_watch(self);
}

static void s_flow(struct channel *channel)
{
    (void)channel; // an open WebSocket waits by back-pressure
}

static void s_end(struct channel *channel, const char *cause)
{
    struct s_ws *self = s_of(channel);
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
    .resume = s_resume,
    .flush = s_flush,
    .flow = s_flow,
    .end = s_end,
};

/* Frames that came behind the handshake. */
static void s_take_extra(struct s_ws *self, const struct iovec *extra)
{
    if (extra->iov_len == 0)
        return;
    uint8_t *copy = mem_alloc(extra->iov_len);
    memcpy(copy, extra->iov_base, extra->iov_len);
    (void)s_take(self, copy, extra->iov_len);
    free(copy);
}

static struct s_ws *s_new(struct channel *channel, const struct channel_ws_start *start)
{
    struct s_ws *self = mem_new(struct s_ws);
    struct channel_host *host = channel->host;
    self->channel = channel;
    self->host = host;
    self->loop = host->loop;
    self->transport = start->transport;
    self->admission = start->admission;
    self->ticket = start->ticket;
    self->cursors = start->cursors;
    self->reader = ws_message_new(host->settings->message_limit);
    self->watch.on_ready = s_ready;
    self->timer.on_due = s_due;
    self->heard_ms = self->loop->now_ms;
    self->wrote_all = true;
    self->events = EPOLLIN | EPOLLRDHUP;
    bytes_init(&self->unread, SIZE_MAX);
    return self;
}

void channel_ws_start(struct channel *channel, const struct channel_ws_start *start)
{
    struct s_ws *self = s_new(channel, start);
    channel->carrier = &channel_ws;
    channel->carried = self;
    if (channel->state == CHANNEL_OPENING)
        channel_set_state(channel, CHANNEL_OPEN);
    channel_decided(channel);
    timer_start(&self->loop->timers, &self->timer,
                self->heard_ms + self->host->settings->ping_interval_ms);
    if (loop_watch(self->loop, self->transport.fd, self->events, &self->watch) < 0) {
        s_lost(self);
        return;
    }
    if (channel->out.bytes > 0)
        channel_mark_dirty(channel);
    s_take_extra(self, &start->extra);
}
