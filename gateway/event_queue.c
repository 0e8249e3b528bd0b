#include "gateway/event_queue.h"

#include <stdlib.h>
#include <string.h>

const char *event_verb_name(enum event_verb verb)
{
    static const char *const names[] = {
        [EVENT_OPEN] = "OPEN",       [EVENT_TEXT] = "TEXT",   [EVENT_BIN] = "BIN",
        [EVENT_BODY] = "BODY",       [EVENT_CLOSE] = "CLOSE", [EVENT_SLOW] = "SLOW",
        [EVENT_DRAINED] = "DRAINED",
    };
    return names[verb];
}

static bool s_fills_window(const struct event *event)
{
    return event->verb != EVENT_BODY && event->verb != EVENT_CLOSE;
}

static void s_count(struct event_queue *self, const struct event *event, int sign)
{
    if (event->verb == EVENT_BODY)
        self->bodies += (uint32_t)sign;
    else if (s_fills_window(event))
        self->count += (uint32_t)sign;
    self->bytes += (size_t)((ssize_t)event->size * sign);
}

struct event *event_queue_add(struct event_queue *self, enum event_verb verb,
                              const char *head, const struct iovec *payload, int parts)
{
    size_t size = 0;
    for (int at = 0; at < parts; at++)
        size += payload[at].iov_len;
    size_t head_size = strlen(head);
    struct event *event = malloc(sizeof *event + head_size + size);
    if (!event)
        return NULL;
    *event = (struct event){
        .seq = ++self->last_seq,
        .size = (uint32_t)size,
        .head_size = (uint16_t)head_size,
        .verb = (uint8_t)verb,
    };
    uint8_t *to = event->data;
    memcpy(to, head, head_size);
    to += head_size;
    for (int at = 0; at < parts; at++) {
        if (payload[at].iov_len > 0)
            memcpy(to, payload[at].iov_base, payload[at].iov_len);
        to += payload[at].iov_len;
    }
    if (self->last)
        self->last->next = event;
    else
        self->first = event;
    self->last = event;
    s_count(self, event, 1);
    return event;
}

static struct event *s_take_first(struct event_queue *self)
{
    struct event *event = self->first;
    self->first = event->next;
    if (!self->first)
        self->last = NULL;
    s_count(self, event, -1);
    return event;
}

struct event_queue_freed event_queue_ack(struct event_queue *self, uint64_t seq)
{
    struct event_queue_freed freed = {0};
    if (seq > self->last_seq)
        seq = self->last_seq;
    if (seq > self->acked)
        self->acked = seq;
    while (self->first && self->first->seq <= seq) {
        struct event *event = s_take_first(self);
        freed.events += s_fills_window(event) ? 1 : 0;
        freed.bytes += event->size;
        freed.closed |= event->verb == EVENT_CLOSE;
        free(event);
    }
    return freed;
}

bool event_queue_tried(struct event_queue *self, uint64_t seq)
{
    bool used_up = false;
    for (struct event *at = self->first; at && at->seq <= seq; at = at->next) {
        if (at->tries < EVENT_TRIES_MAX)
            at->tries++;
        used_up |= at->tries >= EVENT_TRIES_MAX && at->verb != EVENT_CLOSE;
    }
    return used_up;
}

void event_queue_clear(struct event_queue *self)
{
    while (self->first)
        free(s_take_first(self));
}
