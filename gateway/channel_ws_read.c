/* channel_ws_read: what comes from a WebSocket client, and what happens when nothing
 * comes. */
#include "gateway/channel_ws_private.h"

#include "gateway/ws_frame.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    READS_MAX = 8, // of one connection in one turn
    MARK_SIZE = 8, // bytes of a ping that asks for a receipt
    NUMBER_ROOM = 32,
    PING_SIZE = 16, // at least what a ping of ours takes on the wire
};

/* ---- frames ---- */

static void s_on_close_frame(struct ws_carried *self, const struct ws_event *event)
{
    struct channel_end end = {.status = event->code,
                              .cause = "client",
                              .reason = event->data,
                              .reason_size = event->size};
    if (self->stage == WS_CLOSING)
        end = (struct channel_end){
            .status = 0, .cause = self->cause, .code = self->end_code};
    else
        channel_ws_send_close(self, event->code, event->data, event->size);
    channel_ws_conclude(self, &end);
}

static void s_on_failure(struct ws_carried *self, const struct ws_event *event)
{
    struct channel_end end = {.status = 0,
                              .cause = event->code == 1009 ? "limit" : "protocol",
                              .code = event->code,
                              .is_unclean = true};
    if (self->stage == WS_CLOSING)
        end = (struct channel_end){.status = 0,
                                   .cause = self->cause,
                                   .code = self->end_code,
                                   .is_unclean = true};
    else
        channel_ws_send_close(self, event->code, event->reason, strlen(event->reason));
    channel_ws_conclude(self, &end);
}

static void s_on_data(struct ws_carried *self, const struct ws_event *event)
{
    if (self->stage != WS_OPEN)
        return; // the application has closed: it gets no more messages
    struct iovec payload = {.iov_base = (void *)event->data, .iov_len = event->size};
    char number[NUMBER_ROOM];
    channel_ws_number(self->channel, number, sizeof number);
    channel_event(self->channel, event->kind == WS_EVENT_TEXT ? EVENT_TEXT : EVENT_BIN,
                  number, &payload, 1);
}

static void s_on_ping(struct ws_carried *self, const struct ws_event *event)
{
    /* A client that pings and does not read gets no more pongs than the queue's cap
     * allows. */
    const struct gateway_settings *settings = self->host->settings;
    if (self->stage == WS_OPEN && self->channel->out.bytes < settings->out_queue)
        channel_queue_control(self->channel,
                              message_ws_frame(WS_PONG, event->data, event->size));
}

void channel_ws_ping(struct ws_carried *self)
{
    struct channel *channel = self->channel;
    uint8_t payload[MARK_SIZE];
    size_t size = 0;
    if (channel_awaits_client(channel) || channel->session) {
        channel_ws_pings(self);
        self->pinged = channel->queued_total;
        for (; size < sizeof payload; size++)
            payload[size] = (uint8_t)(self->pinged >> (8 * size));
    }
    channel_queue_control(channel, message_ws_frame(WS_PING, payload, size));
}

/* RFC 6455 section 5.5.3: a client that was pinged twice may answer the newer ping alone,
 * so each pong counts for everything up to its mark. */
static void s_on_pong(struct ws_carried *self, const struct ws_event *event)
{
    uint64_t mark = 0;
    if (event->size != MARK_SIZE)
        return;
    for (size_t at = 0; at < MARK_SIZE; at++)
        mark |= (uint64_t)event->data[at] << (8 * at);
    if (mark == 0 || mark > self->pinged)
        return; // of a ping that we did not send, or one that a newer one has replaced
    channel_received(self->channel, mark);
    if (mark < self->pinged)
        return;
    self->pinged = 0;
    if (self->channel->session)
        channel_ws_seen(self);
    if (self->stage == WS_OPEN && channel_awaits_client(self->channel))
        channel_ws_ping(self);
}

static void s_on_event(struct ws_carried *self, const struct ws_event *event)
{
    switch (event->kind) {
    case WS_EVENT_NONE:
        break;
    case WS_EVENT_PONG:
        s_on_pong(self, event);
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

static bool s_is_over_window(const struct ws_carried *self)
{
    return self->channel && self->stage == WS_OPEN && !channel_has_room(self->channel);
}

static void s_pause(struct ws_carried *self, const uint8_t *rest, size_t size)
{
    if (size > 0 && bytes_append(&self->unread, rest, size) < 0) {
        channel_ws_lost(self); // no memory for the rest of one read
        return;
    }
    self->paused = true;
    channel_block(self->channel);
    channel_ws_watch(self);
}

bool channel_ws_take(struct ws_carried *self, uint8_t *data, size_t size)
{
    while (size > 0 && self->channel) {
        struct ws_event event;
        size_t used = ws_message_read(self->reader, data, size, &event);
        data += used;
        size -= used;
        s_on_event(self, &event);
        if (event.kind == WS_EVENT_NONE && used == 0)
            break;
        if (s_is_over_window(self)) {
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

static void s_read(struct ws_carried *self)
{
    if (s_is_over_window(self)) { // others of its service have filled it
        s_pause(self, NULL, 0);
        return;
    }
    uint8_t *scratch = self->host->scratch;
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t got = self->transport.ops->read(&self->transport, scratch, SCRATCH_SIZE);
        if (got == -EAGAIN || got == -EINTR)
            return;
        if (got <= 0) {
            channel_ws_lost(self);
            return;
        }
        self->heard_ms = self->loop->now_ms;
        self->awaits_pong = false;
        if (self->channel && !channel_ws_take(self, scratch, (size_t)got))
            return;
        if ((size_t)got < SCRATCH_SIZE)
            return;
    }
}

void channel_ws_on_ready(struct loop_watch *watch, uint32_t events)
{
    struct ws_carried *self = (struct ws_carried *)watch;
    if (self->transport.fd < 0)
        return;
    bool hung_up = events & (EPOLLERR | EPOLLHUP);
    if (self->paused && hung_up) {
        channel_ws_lost(self);
        return;
    }
    if (events & EPOLLOUT && self->channel)
        channel_mark_dirty(self->channel);
    if (events & (EPOLLIN | EPOLLRDHUP) || hung_up)
        s_read(self);
}

/* ---- timers ---- */

/* Notes how far the connection has come; true if it has moved since it was last noted,
 * when more than the ping itself was under way. */
static bool s_moves(struct ws_carried *self)
{
    const struct channel *channel = self->channel;
    size_t unsent = self->transport.ops->unsent(&self->transport);
    uint32_t acked = (uint32_t)(channel->written_total - unsent);
    bool moves = self->ahead_bytes > PING_SIZE && acked != self->acked_bytes;
    size_t ahead = channel->out.bytes + unsent;
    self->acked_bytes = acked;
    self->ahead_bytes = ahead < UINT32_MAX ? (uint32_t)ahead : UINT32_MAX;
    return moves;
}

static void s_await_pong(struct ws_carried *self)
{
    timer_start(&self->loop->timers, &self->timer,
                self->loop->now_ms + self->host->settings->ping_timeout_ms);
}

static void s_keep_alive(struct ws_carried *self)
{
    channel_ws_ping(self);
    self->awaits_pong = true;
    (void)s_moves(self);
    s_await_pong(self);
}

/* Of a session; nobody's life depends on it, unless a keep-alive ping is due too. */
static void s_ask_what_is_seen(struct ws_carried *self, int64_t quiet_until)
{
    int64_t now_ms = self->loop->now_ms;
    channel_ws_ping(self);
    timer_start(&self->loop->timers, &self->timer,
                quiet_until > now_ms ? quiet_until
                                     : now_ms + self->host->settings->ping_timeout_ms);
}

void channel_ws_on_due(struct timer *timer, int64_t now_ms)
{
    struct ws_carried *self =
        (struct ws_carried *)((char *)timer - offsetof(struct ws_carried, timer));
    const struct gateway_settings *settings = self->host->settings;
    int64_t quiet_until = self->heard_ms + settings->ping_interval_ms;
    if (self->stage != WS_OPEN)
        channel_ws_lost(self);
    else if (self->paused) // pongs lie unread: TCP_USER_TIMEOUT judges
        timer_start(&self->loop->timers, timer, now_ms + settings->ping_interval_ms);
    else if (channel_ws_must_ping(self, now_ms))
        s_ask_what_is_seen(self, quiet_until);
    else if (now_ms < quiet_until)
        timer_start(&self->loop->timers, timer, quiet_until);
    else if (!self->awaits_pong)
        s_keep_alive(self);
    else if (s_moves(self)) // the ping is still on its way behind other bytes
        s_await_pong(self);
    else
        channel_ws_silent(self);
}
