#include "broker/core.h"

#include "broker/dispatch.h"
#include "broker/replay.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct core *core_new(const struct core_settings *settings, const struct output *output,
                      int64_t now_ms)
{
    struct core *self = mem_new(struct core);
    self->settings = *settings;
    self->output = *output;
    self->now_ms = self->started_ms = now_ms;
    self->edges.output = &self->output;
    snprintf(self->boot, sizeof self->boot, "%016" PRIx64, settings->boot);
    /* Tags of an earlier life of the broker must not fit. */
    self->workers.incarnation = (uint32_t)(settings->boot >> 16) | 1;
    fence_init(&self->fence);
    fence_init(&self->told);
    list_init(&self->failed);
    list_init(&self->owed);
    history_init(&self->history, &settings->history, now_ms);
    topics_init(&self->topics, settings->topics, &self->history);
    sequence_init(&self->sequence, settings->boot, settings->pending_bytes);
    once_init(&self->once, settings->answers);
    replies_init(&self->replies, settings->answers);
    presence_init(&self->presences);
    throttle_init(&self->who, CORE_WHO_MS);
    self->acks = mem_alloc(CORE_ACKS_BYTES);
    session_start(self);
    return self;
}

/* What was waited for is forgotten without a word. */
static int s_no_edge(void *context, uint64_t peer, struct blob *record)
{
    (void)context, (void)peer, (void)record;
    return 0;
}

static int s_no_app(void *context, const struct address *to,
                    const struct wire_header *header, struct wire_text payload)
{
    (void)context, (void)to, (void)header, (void)payload;
    return 0;
}

static void s_forget_name(struct core *self, struct worker_name *name)
{
    worker_name_release(&self->workers, &name);
}

void core_destroy(struct core **self_p)
{
    struct core *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    self->output.to_edge = s_no_edge;
    self->output.to_app = s_no_app;
    self->tapped = false;
    self->history.removed = NULL; // the store keeps what it has
    self->topics.on_forget = NULL;
    sequence_give_up(&self->sequence, -ECANCELED, self);
    for (struct edge *edge; (edge = edge_first(&self->edges));)
        edge_life_bury(self, edge);
    presence_clear(&self->presences); // nobody has left
    session_stop(self);
    for (struct table_entry *first; (first = self->channels.first);)
        dispatch_forget(self, table_item(first, struct channel, by_id));
    for (struct worker *worker; (worker = worker_first(&self->workers));)
        dispatch_bury(self, worker);
    for (struct table_entry *first; (first = self->workers.names.first);)
        s_forget_name(self, table_item(first, struct worker_name, by_name));
    for (struct service *service; (service = service_first(&self->services));)
        service_destroy(&self->services, &service);
    topics_clear(&self->topics);
    history_clear(&self->history);
    once_clear(&self->once);
    replies_clear(&self->replies);
    fence_clear(&self->fence);
    fence_clear(&self->told);
    free(self->acks);
    free(self);
}

void core_set_time(struct core *self, int64_t now_ms)
{
    int64_t step = now_ms - self->paused_ms - self->now_ms;
    if (step <= 0)
        return;
    if (step > CORE_PAUSE_MS) {
        self->paused_ms += step;
        self->stats.pauses++;
        return;
    }
    self->now_ms += step;
}

/* Workers whose connection failed while a record was taken. */
static void s_reap(struct core *self)
{
    struct link *first;
    session_settle(self);
    while ((first = list_first(&self->failed))) {
        dispatch_bury(self, list_item(first, struct worker, failed));
        session_settle(self);
    }
}

void core_from_edge(struct core *self, const struct address *from, struct wire_text frame)
{
    struct wire_record record;
    int result = wire_read(frame.data, frame.size, &record);
    from_edge(self, from, &record, result);
    s_reap(self);
}

void core_from_app(struct core *self, const struct address *from, struct wire_text frame)
{
    struct wire_record record;
    int result = wire_read(frame.data, frame.size, &record);
    from_app(self, from, &record, result);
    s_reap(self);
}

void core_from_plain(struct core *self, const struct authority *authority,
                     struct wire_text frame)
{
    const struct address nobody = {.authority = authority};
    core_from_app(self, &nobody, frame);
}

/* channel/<id>/send and channel/<id>/close are commands, all else is a topic. */
static const char *s_channel_command(struct wire_text topic, struct wire_text *channel)
{
    static const char prefix[] = "channel/";
    size_t size = sizeof prefix - 1;
    if (topic.size < size || memcmp(topic.data, prefix, size) != 0)
        return NULL;
    *channel = (struct wire_text){topic.data + size, topic.size - size};
    const char *slash = memchr(channel->data, '/', channel->size);
    if (!slash)
        return NULL;
    struct wire_text what = {slash + 1,
                             channel->size - (size_t)(slash - channel->data) - 1};
    channel->size = (size_t)(slash - channel->data);
    if (!channel_id_is_valid(*channel))
        return NULL;
    if (wire_is(what, "send"))
        return "SEND";
    return wire_is(what, "close") ? "CLOSE" : NULL;
}

/* The next word of a text that blanks separate. */
static struct wire_text s_word(struct wire_text *text)
{
    const char *blank = text->size ? memchr(text->data, ' ', text->size) : NULL;
    struct wire_text word = {text->data,
                             blank ? (size_t)(blank - text->data) : text->size};
    size_t used = blank ? word.size + 1 : word.size;
    text->data += used;
    text->size -= used;
    return word;
}

/* The first frame is a topic, and perhaps options: a header without its verb. */
void core_from_publisher(struct core *self, const struct authority *authority,
                         struct wire_text topic, struct wire_text payload)
{
    const struct address nobody = {.authority = authority};
    struct wire_text first = s_word(&topic), name;
    const char *verb = s_channel_command(first, &name);
    struct wire_header header; // the words are no tokens yet
    struct wire_record record;
    wire_begin(&header, verb ? verb : "PUB");
    wire_add_text(&header, verb ? name : first);
    bool right = first.size > 0;
    while (topic.size > 0) {
        struct wire_text option = s_word(&topic);
        right = right && option.size > 0 && memchr(option.data, '=', option.size);
        wire_add_text(&header, option);
    }
    if (!right || header.overflow || wire_read(header.text, header.size, &record) < 0) {
        core_dropped(self, CORE_DROP_VALUE);
    } else if (payload.size > WIRE_PAYLOAD_MAX) {
        core_dropped(self, CORE_DROP_SIZE);
    } else {
        record.payload = (const uint8_t *)payload.data;
        record.payload_size = payload.size;
        record.has_payload = true;
        from_app(self, &nobody, &record, 0);
    }
    s_reap(self);
}

void core_turn(struct core *self)
{
    session_turn(self);
    for (struct edge *edge = edge_first(&self->edges); edge; edge = edge_after(edge)) {
        edge_flush(edge);
        publish_catch_up(self, edge);
        (void)dispatch_pass_acks(self, edge);
        replay_turn(self, edge);
    }
}

bool core_is_behind(const struct core *self)
{
    for (const struct edge *edge = edge_first(&self->edges); edge;
         edge = edge_after(edge))
        if (edge_is_behind(edge) || replay_is_due(edge))
            return true;
    return false;
}

static void s_lose_edge(struct core *self, struct edge *edge)
{
    self->stats.lost_edges++;
    edge_life_bury(self, edge);
}

static void s_beat(const struct core *self, struct edge *edge)
{
    struct wire_header header;
    wire_begin(&header, "HB");
    wire_add(&header, "0");
    wire_add(&header, self->boot);
    wire_add_option_u64(&header, "c", edge->cursor - 1);
    edge_say(edge, &header);
}

static void s_tick_edges(struct core *self)
{
    struct edge *edge = edge_first(&self->edges), *next;
    for (; edge; edge = next) {
        next = edge_after(edge);
        command_expire(self, edge);
        if (edge->heard_ms + self->settings.edge_lease_ms < self->now_ms)
            s_lose_edge(self, edge);
        else
            s_beat(self, edge);
    }
}

/* A worker that owes acknowledgements is judged by them, one that owes none by its voice.
 */
static bool s_is_dead(const struct core *self, const struct worker *worker)
{
    if (worker->out.first < worker->out.next)
        return worker->acked_ms + self->settings.ack_timeout_ms < self->now_ms;
    return worker->heard_ms + self->settings.worker_lease_ms < self->now_ms;
}

/* One delivery that is not acknowledged, while others are: that channel moves. */
static void s_move_overdue(struct core *self, struct worker *worker)
{
    int64_t sent_ms = self->now_ms - self->settings.ack_timeout_ms;
    for (uint64_t at = worker->out.first; at < worker->out.next; at++) {
        struct delivery *delivery = deliveries_at(&worker->out, at);
        if (delivery->sent_ms >= sent_ms)
            break;
        struct channel *channel = delivery->done ? NULL : delivery->channel;
        if (!channel)
            continue;
        channel->avoid = channel->edge ? worker->incarnation : 0;
        if (channel->edge)
            channel->until_ms = self->now_ms + CORE_AVOID_MS;
        dispatch_move(self, channel);
    }
    deliveries_trim(&worker->out);
}

static void s_tick_workers(struct core *self)
{
    struct worker *worker = worker_first(&self->workers), *next;
    for (; worker; worker = next) {
        next = worker_after(worker);
        if (s_is_dead(self, worker) || answer_say(self, worker->peer, "HB", "-") < 0) {
            dispatch_bury(self, worker);
            continue;
        }
        s_move_overdue(self, worker);
        dispatch_room(self, worker);
    }
    s_reap(self);
}

static void s_tick_names(struct core *self)
{
    struct table_entry *at = self->workers.names.first, *next;
    for (; at; at = next) {
        next = table_after(at);
        struct worker_name *name = table_item(at, struct worker_name, by_name);
        if (name->until_ms > self->now_ms)
            continue;
        struct link *first;
        while ((first = list_first(&name->waiting))) {
            struct channel *channel = list_item(first, struct channel, place);
            list_remove(first);
            channel->wanted = NULL;
            dispatch_wait(channel);
        }
        worker_name_release(&self->workers, &name);
    }
}

/* CLOSEs that the broker owes and nobody fetches. */
static void s_expire_closes(struct core *self)
{
    struct link *first;
    while ((first = list_first(&self->owed))) {
        struct channel *channel = list_item(first, struct channel, of_edge);
        struct member *member = channel->member;
        bool old = channel->until_ms + CORE_CLOSE_MS < self->now_ms;
        if (!old && self->orphans <= self->settings.closes)
            return;
        dispatch_forget(self, channel);
        if (member)
            dispatch_left(self, member);
    }
}

static void s_tick_services(struct core *self)
{
    struct service *service = service_first(&self->services), *next;
    for (; service; service = next) {
        next = service_after(service);
        bool unused = service->channel_count == 0 && list_is_empty(&service->members);
        if (unused && service->used_ms + CORE_SERVICE_MS < self->now_ms) {
            service_destroy(&self->services, &service);
            continue;
        }
        if (!service->active)
            dispatch_flow(self, service);
        else
            dispatch_service(self, service);
    }
}

void core_tick(struct core *self)
{
    s_tick_edges(self);
    s_reap(self);
    s_tick_workers(self);
    s_tick_names(self);
    s_expire_closes(self);
    s_tick_services(self);
    session_tick(self);
    s_reap(self);
    fence_expire(&self->fence, self->now_ms);
    fence_expire(&self->told, self->now_ms);
    replies_expire(&self->replies, self->now_ms);
    presence_tick(self);
    once_expire(&self->once, self->now_ms);
    history_expire(&self->history, self->now_ms);
}

void core_set_tap(struct core *self, bool watched)
{
    self->tapped = watched;
}

const struct core_stats *core_measure(struct core *self)
{
    struct core_stats *stats = &self->stats;
    stats->edges = self->edges.count - self->expected;
    stats->workers = self->workers.count;
    stats->services = table_count(&self->services);
    stats->channels =
        table_count(&self->channels) - self->finished - self->sessions.carriers;
    stats->sessions = self->sessions.count;
    stats->sessions_attached = self->sessions.attached;
    stats->carriers = self->sessions.carriers;
    stats->session_ring_bytes = self->sessions.rings.bytes;
    stats->session_ring_dropped = self->sessions.rings.dropped;
    stats->topics = self->topics.count;
    stats->answers = self->replies.count;
    stats->history_messages = self->history.count;
    stats->history_bytes = self->history.bytes;
    stats->history_evictions = self->history.evictions;
    stats->pending_bytes = self->sequence.bytes;
    stats->parked = stats->ring_records = stats->ring_bytes = 0;
    for (struct service *service = service_first(&self->services); service;
         service = service_after(service))
        stats->parked += service->channel_count - service->carrier_count - service->live;
    for (struct edge *edge = edge_first(&self->edges); edge; edge = edge_after(edge)) {
        stats->ring_records += edge->ring.next - edge->ring.first;
        stats->ring_bytes += edge->ring.bytes;
    }
    return stats;
}

const char *core_drop_name(enum core_drop drop)
{
    static const char *const names[] = {
        [CORE_DROP_SYNTAX] = "syntax", [CORE_DROP_SIZE] = "size",
        [CORE_DROP_VERB] = "verb",     [CORE_DROP_VALUE] = "value",
        [CORE_DROP_PEER] = "peer",     [CORE_DROP_CHANNEL] = "channel",
        [CORE_DROP_REPEAT] = "repeat", [CORE_DROP_WAITING] = "waiting",
        [CORE_DROP_STALE] = "stale",   [CORE_DROP_TARGET] = "target",
        [CORE_DROP_DENIED] = "denied",
    };
    return names[drop];
}

const char *core_gap_name(enum core_gap gap)
{
    static const char *const names[] = {
        [CORE_GAP_RESTART] = "restart",   [CORE_GAP_RESET] = "reset",
        [CORE_GAP_HISTORY] = "history",   [CORE_GAP_STORE] = "store",
        [CORE_GAP_OVERLOAD] = "overload", [CORE_GAP_PATTERN] = "pattern",
    };
    return names[gap];
}
