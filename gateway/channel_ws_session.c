/* channel_ws_session: what a session adds to a WebSocket: numbers of the client's
 * messages, and how far the client has come. */
#include "gateway/channel_ws_private.h"

#include "gateway/hub.h"
#include "gateway/ws_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_ROOM = 32, SEEN_MS = 1000 };

void channel_ws_number(struct channel *channel, char *out, size_t room)
{
    struct attachment *session = channel->session;
    out[0] = 0;
    if (session && session->next_n)
        snprintf(out, room, " n=%llu", (unsigned long long)session->next_n++);
}

void channel_ws_dropped(struct channel *channel, enum session_drop reason)
{
    const char *why = session_drop_why(reason);
    (void)channel->carrier->close(channel, session_drop_code(reason), why, strlen(why));
}

void channel_ws_bound(struct channel *channel)
{
    (void)channel; // its first frame was sent with the 101
}

/* The newest number among the messages up to seq; 0: none has one. */
static uint64_t s_newest_n(const struct channel *channel, uint64_t seq)
{
    uint64_t newest = 0;
    for (const struct event *at = channel->events.first; at && at->seq <= seq;
         at = at->next) {
        char text[NUMBER_ROOM];
        bool is_message = at->verb == EVENT_TEXT || at->verb == EVENT_BIN;
        if (!is_message || at->head_size == 0 || at->head_size >= sizeof text)
            continue;
        memcpy(text, at->data, at->head_size);
        text[at->head_size] = 0;
        newest = strtoull(text + strlen(" n="), NULL, 10);
    }
    return newest;
}

void channel_ws_acked(struct channel *channel, uint64_t seq)
{
    struct ws_carried *self = channel->carried;
    char json[NUMBER_ROOM];
    uint64_t n = s_newest_n(channel, seq);
    if (n <= channel->session->told_up)
        return; // another carrier may have brought it, and `up` be there already
    channel->session->told_up = n;
    if (n > channel->session->up)
        channel->session->up = n;
    int size = snprintf(json, sizeof json, "{\"up\":%llu}", (unsigned long long)n);
    if (self->cursors && self->stage == WS_OPEN)
        channel_queue_control(channel, message_ws_frame(WS_TEXT, json, (size_t)size));
}

/* ---- how far the client has come ---- */

void channel_ws_sent(struct ws_carried *self)
{
    struct timer_wheel *timers = &self->loop->timers;
    int64_t now_ms = self->loop->now_ms;
    if (!self->channel->session || self->is_unseen)
        return;
    self->is_unseen = true;
    if (self->awaits_pong || self->paused)
        return; // the timer has other work, and comes to this after it
    timer_stop(timers, &self->timer);
    timer_start(timers, &self->timer, self->seen_ms > now_ms ? self->seen_ms : now_ms);
}

void channel_ws_pings(struct ws_carried *self)
{
    struct attachment *session = self->channel->session;
    if (!session)
        return;
    if (self->channel->backlog) { // what it may get, or not, is behind the ping
        self->seen_ms = self->loop->now_ms + SEEN_MS;
        return;
    }
    if (!hub_cursor(self->channel, session->pinged))
        return;
    self->is_unseen = false;
    self->seen_ms = self->loop->now_ms + SEEN_MS;
}

void channel_ws_seen(struct ws_carried *self)
{
    struct attachment *session = self->channel->session;
    if (!session)
        return;
    if (session->pinged[0])
        self->host->seen(self->host, self->channel, session->pinged);
    session->pinged[0] = 0;
    if (self->is_unseen) {
        self->is_unseen = false;
        channel_ws_sent(self);
    }
}

bool channel_ws_must_ping(const struct ws_carried *self, int64_t now_ms)
{
    return self->is_unseen && self->pinged == 0 && now_ms >= self->seen_ms;
}
