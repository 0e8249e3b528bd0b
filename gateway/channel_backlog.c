/* channel_backlog: publications for a client that is behind, where a policy lets some of
 * them go: docs/protocol/2-client.md section 3.  They become bytes of its queue when that
 * is short; until then the oldest, or those that a newer one replaces, can be dropped. */
#include "gateway/backlog.h"
#include "gateway/channel.h"
#include "gateway/follower.h"
#include "gateway/gateway_metrics.h"

#include <string.h>

size_t channel_pending(const struct channel *self)
{
    return self->out.bytes + backlog_bytes(self->backlog);
}

/* What the backlog holds counts like what is queued. */
static void s_count(struct channel *self, size_t before)
{
    size_t now = backlog_bytes(self->backlog);
    self->host->turn.out_bytes += (ssize_t)now - (ssize_t)before;
}

static void s_move_one(struct channel *self)
{
    struct backlog_gap dropped;
    size_t before = backlog_bytes(self->backlog);
    struct blob *blob = backlog_pop(&self->backlog, &dropped);
    s_count(self, before);
    const struct gap gap = {.from = dropped.from,
                            .to = dropped.to,
                            .cursor = dropped.cursor[0] ? dropped.cursor : NULL,
                            .reason = "slow",
                            .count = dropped.count};
    if (dropped.count > 0)
        (void)self->carrier->missed(self, &gap);
    channel_queue_control(self, blob);
}

void channel_backlog_move(struct channel *self)
{
    while (self->backlog)
        s_move_one(self);
}

void channel_backlog_refill(struct channel *self)
{
    size_t low = self->host->settings->out_queue / 4;
    while (self->backlog && self->out.bytes < low)
        s_move_one(self);
}

void channel_backlog_clear(struct channel *self)
{
    size_t before = backlog_bytes(self->backlog);
    backlog_destroy(&self->backlog);
    s_count(self, before);
}

static void s_hold(struct channel *self, struct blob *blob, const struct message *message)
{
    char before[CURSOR_ROOM];
    size_t held = backlog_bytes(self->backlog), dropped = 0;
    enum slow_policy policy = self->follower->slow;
    cursor_write(&self->follower->before, before);
    struct backlog_item item = {.before = before, .cursor = message->cursor};
    if (policy == SLOW_LATEST) {
        item.key = message->collapse ? message->collapse : message->topic;
        item.key_size =
            message->collapse ? message->collapse_size : strlen(message->topic);
    }
    dropped += backlog_push(&self->backlog, blob, &item);
    while (channel_is_full(self) && backlog_drop(self->backlog))
        dropped++;
    s_count(self, held);
    if (dropped > 0)
        gateway_metrics_dropped(policy, dropped);
}

void channel_backlog_yield(struct channel *self)
{
    size_t held = backlog_bytes(self->backlog), dropped = 0;
    while (self->backlog && channel_is_full(self) && backlog_drop(self->backlog))
        dropped++;
    s_count(self, held);
    if (dropped > 0)
        gateway_metrics_dropped(self->follower->slow, dropped);
}

const char *channel_publish(struct channel *self, struct message *message,
                            enum message_form form)
{
    const struct follower *follower = self->follower;
    bool may_drop = follower && slow_policy_drops(follower->slow) &&
                    self->carrier->missed && self->carrier->missed(self, NULL);
    struct blob *blob = message_form(message, form);
    bool is_behind = self->backlog || !channel_has_drained(self);
    if (!blob || !may_drop || !is_behind || !message->topic)
        return channel_queue(self, blob);
    self->host->turn.messages++;
    self->host->turn.bytes += blob->size;
    s_hold(self, blob, message);
    return NULL;
}
