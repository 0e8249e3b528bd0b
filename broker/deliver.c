#include "broker/dispatch.h"

#include <assert.h>

/* A CLOSE that the broker makes comes after all that a worker may have seen. */
static const uint64_t DELIVER_JUMP = UINT64_C(1) << 32;

/* What the broker says for an edge that cannot. */
static const char *s_lost_tail(const struct channel *channel)
{
    return channel->ws ? "1006" : "-1";
}

/* All that is still known of its client. */
static struct wire_text s_lost_meta(const struct channel *channel)
{
#define META(carrier)                                                                    \
    "{\"carrier\":\"" carrier                                                            \
    "\",\"route\":\"\",\"params\":{},\"protocol\":\"\",\"peer\":\"\"}"
    return answer_key(channel->ws ? META("ws") : META("http"));
#undef META
}

void dispatch_become(struct channel *channel, enum channel_state next)
{
    struct worker *worker = channel->member ? channel->member->worker : NULL;
    bool kept = channel->state == CHANNEL_ASKED || channel->state == CHANNEL_MOVING;
    bool keep = next == CHANNEL_ASKED || next == CHANNEL_MOVING;
    assert(worker || next == CHANNEL_UNBOUND);
    assert(!kept || (worker && worker->asked > 0));
    channel->service->live -= channel->state == CHANNEL_LIVE;
    channel->service->live += next == CHANNEL_LIVE;
    if (kept)
        worker->asked--;
    if (keep)
        worker->asked++;
    list_remove(&channel->parked);
    if (next == CHANNEL_PARKED)
        list_append(&worker->parked, &channel->parked);
    channel->state = next;
}

void dispatch_ack(struct channel *channel)
{
    if (channel->edge && !list_has(&channel->ack))
        list_append(&channel->edge->acks, &channel->ack);
}

static void s_uncut(struct channel *channel)
{
    channel->edge->cuts -= channel->cut;
    channel->edge->cuts_due -= channel->cut_due;
    channel->cut = channel->cut_due = false;
}

void dispatch_forget(struct core *core, struct channel *channel)
{
    dispatch_unbind(channel);
    if (channel->carrier)
        session_carrier_forget(core, channel);
    if (channel->edge && channel->edge == core->sessions.edge)
        session_over(core, (struct wire_text){channel->id, channel->id_size});
    if (channel->edge) {
        s_uncut(channel);
        channel->edge->channel_count--;
    } else {
        core->orphans--;
    }
    core->finished -= channel->finished;
    channel->service->channel_count--;
    channel->service->used_ms = core->now_ms;
    channel_destroy(&core->channels, &channel);
}

/* Appends lines to core->acks from the front of the edge's list; returns how many
 * channels they are of. */
static size_t s_write_acks(struct core *core, struct edge *edge, size_t *size_out)
{
    size_t count = 0, size = 0;
    struct link *at = list_first(&edge->acks);
    for (; at && size + CHANNEL_ID_MAX + WIRE_LINE_MORE < CORE_ACKS_BYTES; count++) {
        struct channel *channel = list_item(at, struct channel, ack);
        struct wire_text id = {channel->id, channel->id_size};
        size += wire_line(core->acks + size, id, channel->acked);
        at = list_after(&edge->acks, at);
    }
    *size_out = size;
    return count;
}

/* One ACK record; false when there is no room for it. */
static bool s_pass_acks(struct core *core, struct edge *edge)
{
    struct wire_header header;
    size_t size;
    size_t count = s_write_acks(core, edge, &size);
    edge_begin(edge, &header, "ACK");
    wire_add(&header, "-");
    uint64_t c = edge->ring.next;
    if (edge_commit(edge, &header, (struct wire_text){core->acks, size},
                    COMMAND_CONTROL) < 0)
        return false;
    while (count--) {
        struct channel *channel = list_item(list_first(&edge->acks), struct channel, ack);
        list_remove(&channel->ack);
        if (!channel->finished)
            continue;
        /* What the edge sends until it has this would be taken for a new channel. */
        channel->told_c = c;
        list_remove(&channel->place);
        list_append(&edge->closed, &channel->place);
    }
    return true;
}

void dispatch_cut(struct channel *channel)
{
    if (channel->cut || channel->finished || !channel->edge)
        return;
    channel->cut = channel->cut_due = true;
    channel->edge->cuts++;
    channel->edge->cuts_due++;
    dispatch_ack(channel); // its turn comes with the acknowledgements
}

/* The ends of channels that lost a SEND; false when there is no room for one. */
static bool s_pass_cuts(struct edge *edge)
{
    struct wire_header header;
    struct link *at = list_first(&edge->acks);
    for (; at && edge->cuts_due > 0; at = list_after(&edge->acks, at)) {
        struct channel *channel = list_item(at, struct channel, ack);
        if (!channel->cut_due)
            continue;
        edge_begin(edge, &header, "CLOSE");
        wire_add(&header, channel->id);
        wire_add_option(&header, "cause", "slow");
        if (edge_commit(edge, &header, payload_none(), COMMAND_CONTROL) < 0)
            return false;
        channel->cut_due = false;
        edge->cuts_due--;
    }
    return true;
}

bool dispatch_pass_acks(struct core *core, struct edge *edge)
{
    if (!s_pass_cuts(edge))
        return false;
    while (!list_is_empty(&edge->acks))
        if (!s_pass_acks(core, edge))
            return false;
    return true;
}

void dispatch_finish(struct core *core, struct channel *channel)
{
    dispatch_unbind(channel);
    core->finished += !channel->finished;
    channel->finished = true;
    dispatch_ack(channel);
}

void dispatch_told(struct core *core, struct edge *edge, uint64_t lastc)
{
    struct link *first;
    while ((first = list_first(&edge->closed))) {
        struct channel *channel = list_item(first, struct channel, place);
        if (channel->told_c > lastc)
            return;
        if (list_has(&channel->ack)) // it is told again
            list_remove(first);
        else
            dispatch_forget(core, channel);
    }
}

/* Everything up to here is processed; after its CLOSE the channel waits only for its
 * acknowledgement to be passed on. */
static void s_processed(struct core *core, struct channel *channel, uint64_t seq,
                        bool closes)
{
    if (seq > channel->acked)
        channel->acked = seq;
    if (!closes) {
        dispatch_ack(channel);
        return;
    }
    if (channel->shared)
        fence_add(&core->told, channel->id, channel->id_size,
                  core->now_ms + CORE_TOLD_MS);
    if (!channel->edge) {
        dispatch_forget(core, channel);
        return;
    }
    dispatch_finish(core, channel);
}

static void s_add_delivery(struct core *core, struct channel *channel, uint64_t seq,
                           enum event_kind kind)
{
    struct worker *worker = channel->member->worker;
    uint64_t number;
    struct delivery *added = deliveries_add(&worker->out, &number);
    added->channel = channel;
    added->seq = seq;
    added->sent_ms = core->now_ms;
    added->closes = kind == EVENT_CLOSE;
    added->counted = kind != EVENT_CLOSE && kind != EVENT_BODY;
    if (number == worker->out.first) // it owes nothing older: its time begins now
        worker->acked_ms = core->now_ms;
    worker->outstanding += added->counted;
    if (channel->out_last)
        deliveries_at(&worker->out, channel->out_last)->after = number;
    else
        channel->out_first = number;
    channel->out_last = number;
}

/* The tokens after the tag: for the worker as they came, but what is for the broker only.
 */
static void s_add_tail(struct wire_header *header, const struct event *event)
{
    for (size_t at = event->first; at < event->record->count; at++)
        if (!wire_is(event->record->token[at], "ws=1"))
            wire_add_text(header, event->record->token[at]);
}

/* An event that this worker does not want counts as processed, in its turn. */
static void s_skip(struct core *core, struct channel *channel, const struct event *event)
{
    struct worker *worker = channel->member->worker;
    channel->last = event->seq;
    if (!channel->out_first) {
        s_processed(core, channel, event->seq, false);
        return;
    }
    uint64_t number = worker->out.next;
    s_add_delivery(core, channel, event->seq, EVENT_BODY);
    deliveries_at(&worker->out, number)->done = true;
}

/* VERB channel seq tag, and what follows. */
static void s_head(const struct channel *channel, const struct event *event,
                   struct wire_header *header)
{
    const struct worker *worker = channel->member->worker;
    char tag[WORKER_TAG_MAX] = "-";
    if (worker->window)
        worker_tag(worker, worker->out.next, tag);
    wire_begin(header, event->verb);
    wire_add_text(header, (struct wire_text){channel->id, channel->id_size});
    wire_add_u64(header, event->seq);
    wire_add(header, tag);
    if (event->record) {
        s_add_tail(header, event);
    } else if (event->kind == EVENT_CLOSE) {
        wire_add(header, s_lost_tail(channel));
        wire_add_option(header, "cause", "edge-lost");
    }
}

static void s_send(struct core *core, struct channel *channel, const struct event *event)
{
    struct worker *worker = channel->member->worker;
    struct wire_header header;
    struct wire_text payload = {"", 0};
    if (event->kind == EVENT_ADOPT && !event->record)
        payload = s_lost_meta(channel);
    else if (event->record &&
             (event->record->has_payload || event->kind == EVENT_PRESSURE ||
              event->kind == EVENT_PRESENCE || event->kind == EVENT_MISSED))
        payload = payload_of(event->record);
    s_head(channel, event, &header);
    if (header.overflow) { // an edge that fills a header to the brim
        s_skip(core, channel, event);
        return;
    }
    const struct address to = {.peer = worker->peer,
                               .takes_batches = worker->takes_batches};
    if (core->output.to_app(core->output.context, &to, &header, payload) < 0) {
        dispatch_fail(core, worker);
        return;
    }
    core->stats.events++;
    channel->last = event->seq;
    channel->delivered = channel->touched = true;
    channel->announce = false;
    channel->closing |= event->kind == EVENT_CLOSE;
    if (event->kind == EVENT_BODY)
        channel->uploading =
            !wire_is(wire_option(event->record, event->first, "end"), "1");
    if (core->tapped)
        tap_event(core, channel, &header, payload);
    if (worker->window)
        s_add_delivery(core, channel, event->seq, event->kind);
    else
        s_processed(core, channel, event->seq, event->kind == EVENT_CLOSE);
}

void dispatch_event(struct core *core, struct channel *channel, const struct event *event)
{
    struct member *member = channel->member;
    struct worker *worker = member->worker;
    bool counted = event->kind != EVENT_CLOSE && event->kind != EVENT_BODY;
    bool full = counted ? !worker_has_room(worker)
                        : deliveries_is_full(&worker->out) || list_has(&worker->failed);
    if (counted && member->leaving) { // goes to another worker soon
        core_dropped(core, CORE_DROP_WAITING);
    } else if (full) {
        core_dropped(core, CORE_DROP_WAITING);
        channel->announce |= event->kind == EVENT_ADOPT;
        dispatch_become(channel, CHANNEL_PARKED);
    } else if ((event->kind == EVENT_PRESSURE && !member->pressure) ||
               (event->kind == EVENT_PRESENCE && !member->curious)) {
        s_skip(core, channel, event);
    } else {
        s_send(core, channel, event);
    }
}

/* A worker that has never seen the channel would ignore its CLOSE: ADOPT goes first.
 * False when it could not. */
static bool s_introduce(struct core *core, struct channel *channel, uint64_t seq)
{
    const struct event adopt = {.kind = EVENT_ADOPT, .verb = "ADOPT", .seq = seq};
    channel->last = seq;
    channel->closing = false;
    dispatch_event(core, channel, &adopt);
    return !channel->announce;
}

void dispatch_close(struct core *core, struct channel *channel)
{
    uint64_t next = channel->last + (channel->shared ? DELIVER_JUMP : 1);
    struct event event = {.kind = EVENT_CLOSE,
                          .verb = "CLOSE",
                          .seq = channel->closing ? channel->last : next};
    dispatch_become(channel, CHANNEL_LIVE);
    if (!channel->announce || s_introduce(core, channel, event.seq - 1))
        dispatch_event(core, channel, &event);
}

bool dispatch_is_idle(const struct channel *channel)
{
    return !channel->out_first && !channel->uploading;
}

/* The oldest deliveries of the channel are done: what can the edge forget? */
static void s_advance(struct core *core, struct worker *worker, struct channel *channel)
{
    uint64_t seq = 0;
    bool closes = false;
    while (channel->out_first) {
        struct delivery *oldest = deliveries_at(&worker->out, channel->out_first);
        if (!oldest->done)
            break;
        oldest->channel = NULL;
        seq = oldest->seq;
        closes |= oldest->closes;
        channel->out_first = oldest->after;
    }
    if (!channel->out_first)
        channel->out_last = 0;
    struct member *member = channel->member;
    bool idle = dispatch_is_idle(channel);
    s_processed(core, channel, seq, closes);
    if (closes)
        dispatch_left(core, member);
    else if (idle && member->leaving)
        dispatch_move(core, channel);
}

void dispatch_done(struct core *core, struct worker *worker, uint64_t number)
{
    struct delivery *delivery = deliveries_at(&worker->out, number);
    if (!delivery || delivery->done)
        return;
    delivery->done = true;
    worker->outstanding -= delivery->counted;
    worker->acked_ms = core->now_ms;
    core->stats.acks++;
    struct channel *channel = delivery->channel;
    if (channel && channel->out_first == number)
        s_advance(core, worker, channel);
}

void dispatch_unbind(struct channel *channel)
{
    if (!channel->member) {
        list_remove(&channel->place);
        return;
    }
    struct worker *worker = channel->member->worker;
    for (uint64_t number = channel->out_first; number;) {
        struct delivery *open = deliveries_at(&worker->out, number);
        number = open->after;
        if (!open->done)
            worker->outstanding -= open->counted;
        open->done = true;
        open->channel = NULL;
    }
    channel->out_first = channel->out_last = 0;
    if (channel->touched)
        channel->tried = channel->last;
    channel->shared |= channel->touched;
    channel->touched = channel->uploading = false;
    channel->announce = channel->delivered;
    dispatch_become(channel, CHANNEL_UNBOUND);
    list_remove(&channel->place);
    worker->channel_count--;
    channel->member = NULL;
}
