#include "gateway/channel.h"

#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 64, TOTAL_VICTIM_MIN = 1024 * 1024 };

/* ---- states ---- */

#define TO(state) (1u << (state))
static const unsigned s_may_become[] = {
    [CHANNEL_OPENING] = TO(CHANNEL_OPEN) | TO(CHANNEL_CLOSING) | TO(CHANNEL_CLOSED),
    [CHANNEL_OPEN] = TO(CHANNEL_CLOSING) | TO(CHANNEL_CLOSED),
    [CHANNEL_CLOSING] = TO(CHANNEL_CLOSED),
    [CHANNEL_CLOSED] = 0,
};

void channel_set_state(struct channel *self, enum channel_state next)
{
    assert(s_may_become[self->state] & TO(next));
    self->state = (uint8_t)next;
}

bool channel_is_open(const struct channel *self)
{
    return self->state == CHANNEL_OPENING || self->state == CHANNEL_OPEN;
}

/* ---- birth, name, death ---- */

struct channel *channel_new(struct channel_host *host, const struct carrier *carrier,
                            void *carried, struct service *service)
{
    struct channel *self = mem_new(struct channel);
    self->id = ++host->next_id * host->workers + host->index;
    self->host = host;
    self->carrier = carrier;
    self->carried = carried;
    self->service = service;
    self->gen = 1;
    table_add(&host->channels, &self->by_id, &self->id, sizeof self->id);
    return self;
}

struct channel *channel_find(struct channel_host *host, uint64_t id)
{
    struct table_entry *entry = table_find(&host->channels, &id, sizeof id);
    return entry ? table_item(entry, struct channel, by_id) : NULL;
}

struct channel *channel_first(const struct channel_host *host)
{
    struct table_entry *entry = host->channels.first;
    return entry ? table_item(entry, struct channel, by_id) : NULL;
}

struct channel *channel_after(const struct channel *self)
{
    struct table_entry *entry = table_after(&self->by_id);
    return entry ? table_item(entry, struct channel, by_id) : NULL;
}

bool channel_is_announced(const struct channel *self)
{
    const struct channel *next = self->host->unannounced;
    return !next || self->id < next->id; // the table keeps the order of birth
}

void channel_id_text(const struct channel *self, char out[CHANNEL_ID_ROOM])
{
    snprintf(out, CHANNEL_ID_ROOM, "%s%llx", self->host->prefix,
             (unsigned long long)self->id);
}

int channel_id_parse(const struct channel_host *host, const char *text, size_t size,
                     uint64_t *id)
{
    size_t prefix = strlen(host->prefix);
    if (size <= prefix || size > prefix + 16 || memcmp(text, host->prefix, prefix) != 0)
        return -ENOENT;
    uint64_t value = 0;
    for (size_t at = prefix; at < size; at++) {
        char c = text[at];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f'))
            return -ENOENT;
        value = value << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *id = value;
    return 0;
}

static void s_unlink_dirty(struct channel *self)
{
    struct channel **at = &self->host->dirty;
    while (self->is_dirty && *at != self)
        at = &(*at)->next_dirty;
    if (self->is_dirty)
        *at = self->next_dirty;
    self->is_dirty = false;
}

static void s_give_receipts(struct channel *self, enum receipt_kind kind, uint64_t mark,
                            const char *error)
{
    uint64_t c;
    while ((c = receipts_take(&self->receipts, kind, mark)) != 0)
        self->host->answer(self->host, c, error);
}

static void s_drop_out(struct channel *self, const char *error)
{
    channel_backlog_clear(self);
    self->host->turn.out_bytes -= (ssize_t)self->out.bytes;
    out_queue_clear(&self->out);
    for (int kind = 0; kind < RECEIPT_KINDS; kind++)
        s_give_receipts(self, (enum receipt_kind)kind, UINT64_MAX, error);
}

void channel_destroy(struct channel **self_p)
{
    struct channel *self = *self_p;
    if (!self)
        return;
    channel_unlink_blocked(self);
    s_unlink_dirty(self);
    s_drop_out(self, "gone");
    channel_count(self, -(ssize_t)self->events.count, -(ssize_t)self->events.bytes);
    event_queue_clear(&self->events);
    if (self->host->unannounced == self)
        self->host->unannounced = channel_after(self);
    table_remove(&self->host->channels, &self->by_id);
    free(self->adopt);
    free(self->bound);
    free(self->session);
    free(self->label);
    free(self);
    *self_p = NULL;
}

/* ---- events towards the application ---- */

void channel_event(struct channel *self, enum event_verb verb, const char *head,
                   const struct iovec *payload, int parts)
{
    if (!self->service)
        return;
    struct event *event = event_queue_add(&self->events, verb, head, payload, parts);
    if (!event) {
        self->carrier->end(self, "limit");
        return;
    }
    channel_count(self, verb == EVENT_BODY || verb == EVENT_CLOSE ? 0 : 1, event->size);
    self->host->emit(self->host, self, event);
}

void channel_acked(struct channel *self, uint64_t seq)
{
    bool undecided = self->needs_accept && self->state == CHANNEL_OPENING;
    if (undecided && seq >= 1) {
        self->open_is_acked = true; // another worker would have to be asked
        return;
    }
    if (self->session && self->carried)
        self->carrier->acked(self, seq);
    struct event_queue_freed freed = event_queue_ack(&self->events, seq);
    channel_count(self, -(ssize_t)freed.events, -(ssize_t)freed.bytes);
    if (freed.closed)
        channel_destroy(&self);
}

void channel_decided(struct channel *self)
{
    if (self->needs_accept && self->open_is_acked) {
        self->open_is_acked = false;
        self->needs_accept = false;
        channel_acked(self, 1);
    }
}

void channel_ended(struct channel *self, const struct channel_end *end)
{
    char head[128];
    if (self->state == CHANNEL_CLOSED)
        return;
    channel_set_state(self, CHANNEL_CLOSED);
    gateway_metrics_closed(self->is_websocket, end->cause);
    self->carried = NULL;
    self->host->unsubscribe_all(self->host, self);
    channel_unlink_blocked(self);
    s_drop_out(self, "gone");
    int size = snprintf(head, sizeof head, " %d cause=%s", end->status, end->cause);
    if (end->code != 0)
        size += snprintf(head + size, sizeof head - (size_t)size, " code=%d", end->code);
    if (end->is_unclean)
        size += snprintf(head + size, sizeof head - (size_t)size, " clean=0");
    if (end->ends_session)
        snprintf(head + size, sizeof head - (size_t)size, " end=1");
    struct iovec reason = {.iov_base = (void *)end->reason, .iov_len = end->reason_size};
    if (self->service) {
        channel_event(self, EVENT_CLOSE, head, &reason, end->reason_size > 0 ? 1 : 0);
        if (self->open_is_acked)
            channel_decided(self);
    } else {
        channel_destroy(&self);
    }
}

/* ---- the queue towards the client ---- */

void channel_mark_dirty(struct channel *self)
{
    if (self->is_dirty)
        return;
    self->is_dirty = true;
    self->next_dirty = self->host->dirty;
    self->host->dirty = self;
}

static void s_give_counts(struct channel_host *host)
{
    if (host->turn.messages + host->turn.writes > 0)
        gateway_metrics_delivered(host->turn.messages, host->turn.bytes,
                                  host->turn.writes);
    if (host->turn.out_bytes != 0)
        atomic_fetch_add(host->out_total, (size_t)host->turn.out_bytes);
    memset(&host->turn, 0, sizeof host->turn);
}

void channel_flush(struct channel_host *host)
{
    while (host->dirty) {
        struct channel *channel = host->dirty;
        host->dirty = channel->next_dirty;
        channel->is_dirty = false;
        if (channel->carried)
            channel->carrier->flush(channel);
    }
    s_give_counts(host);
}

void channel_queue_control(struct channel *self, struct blob *blob)
{
    if (!blob)
        return;
    self->host->turn.out_bytes += (ssize_t)blob->size;
    self->queued_total += blob->size;
    out_queue_push(&self->out, blob);
    channel_mark_dirty(self);
}

static void s_note_pressure(struct channel *self)
{
    const struct gateway_settings *settings = self->host->settings;
    if (!self->is_slow && self->out.bytes >= settings->slow_at) {
        char head[32];
        self->is_slow = true;
        snprintf(head, sizeof head, " %zu", self->out.bytes);
        channel_event(self, EVENT_SLOW, head, NULL, 0);
    } else if (self->is_slow && self->out.bytes <= settings->drained_at) {
        self->is_slow = false;
        channel_event(self, EVENT_DRAINED, "", NULL, 0);
    }
}

bool channel_is_full(const struct channel *self)
{
    const struct gateway_settings *settings = self->host->settings;
    size_t total = atomic_load(self->host->out_total);
    size_t pending = channel_pending(self);
    return pending >= settings->out_queue ||
           (total >= settings->out_queue_total && pending >= TOTAL_VICTIM_MIN);
}

bool channel_has_drained(const struct channel *self)
{
    return channel_pending(self) < self->host->settings->out_queue / 2;
}

const char *channel_queue(struct channel *self, struct blob *blob)
{
    if (!blob || channel_is_full(self)) {
        blob_unref(&blob);
        return "full";
    }
    channel_backlog_move(self);
    self->host->turn.messages++;
    self->host->turn.bytes += blob->size;
    channel_queue_control(self, blob);
    return NULL;
}

void channel_owe(struct channel *self, const struct send_options *options)
{
    if (!options->receipt || options->want == WANT_ACCEPTED)
        return; // answered at once, or never
    if (options->want == WANT_RECEIVED)
        receipts_add(&self->receipts, RECEIPT_RECEIVED, self->queued_total,
                     options->receipt);
    else if (self->written_total >= self->queued_total)
        self->host->answer(self->host, options->receipt, NULL);
    else
        receipts_add(&self->receipts, RECEIPT_WRITTEN, self->queued_total,
                     options->receipt);
}

void channel_received(struct channel *self, uint64_t mark)
{
    s_give_receipts(self, RECEIPT_RECEIVED, mark, NULL);
}

bool channel_awaits_client(const struct channel *self)
{
    return receipts_are_owed(self->receipts, RECEIPT_RECEIVED);
}

void channel_written(struct channel *self, size_t size)
{
    out_queue_consume(&self->out, size);
    self->host->turn.out_bytes -= (ssize_t)size;
    self->written_total += size;
    s_give_receipts(self, RECEIPT_WRITTEN, self->written_total, NULL);
    channel_backlog_refill(self);
    if (self->awaits_drain && channel_has_drained(self))
        self->host->drained(self->host, self);
}

int channel_write_out(struct channel *self, struct transport *transport)
{
    struct iovec parts[PARTS_MAX];
    int result = 0;
    while (self->out.bytes > 0) {
        int count = out_queue_parts(&self->out, parts, PARTS_MAX);
        ssize_t sent = transport->ops->write(transport, parts, count);
        self->host->turn.writes++;
        if (sent < 0) {
            result = (int)sent;
            break;
        }
        channel_written(self, (size_t)sent);
    }
    if (self->state == CHANNEL_OPEN)
        s_note_pressure(self);
    return result;
}
