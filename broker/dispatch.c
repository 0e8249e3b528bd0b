#include "broker/dispatch.h"

#include <string.h>

enum {
    DISPATCH_PASSES = 16, // channels that are passed over in one search
};

void dispatch_flow(struct core *core, const struct service *service)
{
    struct wire_header header;
    wire_begin(&header, "FLOW");
    wire_add(&header, "0");
    wire_add(&header, service->name);
    wire_add(&header, service->active ? "1" : "0");
    for (struct edge *edge = edge_first(&core->edges); edge; edge = edge_after(edge))
        edge_say(edge, &header);
}

struct service *dispatch_get_service(struct core *core, struct wire_text name)
{
    struct service *service = service_find(&core->services, name);
    if (service || table_count(&core->services) >= core->settings.services)
        return service;
    service = service_new(&core->services, name);
    service->used_ms = core->now_ms;
    dispatch_flow(core, service);
    return service;
}

/* RESEND: of a channel that a worker has seen, everything again under a new gen; else
 * only what was dropped. */
static bool s_ask(struct core *core, struct channel *channel)
{
    struct edge *edge = channel->edge;
    struct wire_header header;
    /* What is processed must not be handed out a second time. */
    if (list_has(&channel->ack) && !dispatch_pass_acks(core, edge))
        return false;
    edge_begin(edge, &header, "RESEND");
    wire_add(&header, channel->id);
    wire_add_u64(&header, (uint64_t)channel->gen + channel->announce);
    if (channel->announce)
        wire_add_option_u64(&header, "tried", channel->tried);
    else
        wire_add_option_u64(&header, "from", channel->last);
    uint64_t c = edge->ring.next;
    if (edge_commit(edge, &header, payload_none(), COMMAND_CONTROL) < 0)
        return false;
    core->stats.resends++;
    channel->told_c = c;
    if (channel->announce) {
        channel->gen++;
        channel->tried = 0;
    }
    dispatch_become(channel, channel->announce ? CHANNEL_MOVING : CHANNEL_ASKED);
    return true;
}

void dispatch_ask_again(struct core *core, struct channel *channel)
{
    struct edge *edge = channel->edge;
    struct wire_header header;
    edge_begin(edge, &header, "RESEND");
    wire_add(&header, channel->id);
    wire_add_u64(&header, channel->gen);
    wire_add_option(&header, "tried", "0");
    uint64_t c = edge->ring.next;
    if (edge_commit(edge, &header, payload_none(), COMMAND_CONTROL) == 0) {
        core->stats.resends++;
        channel->told_c = c;
        return;
    }
    dispatch_unbind(channel); // no room: its turn comes
    dispatch_wait(channel);
}

/* A channel that has a worker with room: ask its edge, or be its edge. */
static bool s_wake(struct core *core, struct channel *channel)
{
    if (channel->edge)
        return s_ask(core, channel);
    dispatch_close(core, channel);
    return true;
}

void dispatch_gap(struct core *core, struct channel *channel)
{
    if (!s_ask(core, channel))
        dispatch_become(channel, CHANNEL_PARKED);
}

/* After a restart of the broker the edge knows whose channel it was. */
static void s_tell_name(struct channel *channel)
{
    const struct worker_name *name = channel->member->worker->name;
    struct edge *edge = channel->edge;
    if (!edge || (!name && !channel->named))
        return;
    struct wire_header header;
    edge_begin(edge, &header, "BOUND");
    wire_add(&header, channel->id);
    wire_add(&header, name ? name->text : "-");
    if (edge_commit(edge, &header, payload_none(), COMMAND_CONTROL) == 0)
        channel->named = name != NULL;
}

void dispatch_bind_to(struct channel *channel, struct member *member)
{
    channel->member = member;
    channel->wanted = NULL;
    member->worker->channel_count++;
    list_append(&member->channels, &channel->place);
    dispatch_become(channel, CHANNEL_LIVE);
    s_tell_name(channel);
}

bool dispatch_bind(struct core *core, struct channel *channel)
{
    struct member *member = service_choose(channel->service, channel, core->now_ms);
    if (member)
        dispatch_bind_to(channel, member);
    return member != NULL;
}

void dispatch_wait(struct channel *channel)
{
    struct worker_name *wanted = channel->wanted;
    list_append(wanted ? &wanted->waiting : &channel->service->unbound, &channel->place);
}

static bool s_is_avoiding(const struct core *core, const struct channel *channel)
{
    return channel->edge && channel->avoid && core->now_ms < channel->until_ms;
}

void dispatch_service(struct core *core, struct service *service)
{
    unsigned passed = 0;
    struct link *first;
    while ((first = list_first(&service->unbound)) && passed < DISPATCH_PASSES) {
        struct channel *channel = list_item(first, struct channel, place);
        struct member *member = service_choose(service, channel, core->now_ms);
        if (!member && !s_is_avoiding(core, channel))
            return; // nobody has room
        list_remove(first);
        if (member)
            dispatch_bind_to(channel, member);
        if (member && s_wake(core, channel))
            continue;
        if (member) // the ring of the edge is full
            dispatch_unbind(channel);
        dispatch_wait(channel);
        passed++;
    }
}

static void s_wake_parked(struct core *core, struct worker *worker)
{
    unsigned passed = 0;
    struct link *first;
    while ((first = list_first(&worker->parked)) && worker_has_room(worker) &&
           passed < DISPATCH_PASSES) {
        if (s_wake(core, list_item(first, struct channel, parked)))
            continue;
        list_remove(first);
        list_append(&worker->parked, first);
        passed++;
    }
}

void dispatch_room(struct core *core, struct worker *worker)
{
    s_wake_parked(core, worker);
    struct link *at = list_first(&worker->members);
    for (; at && worker_has_room(worker); at = list_after(&worker->members, at)) {
        struct member *member = list_item(at, struct member, of_worker);
        if (!member->leaving && !list_is_empty(&member->service->unbound))
            dispatch_service(core, member->service);
    }
}

void dispatch_left(struct core *core, struct member *member)
{
    if (!member->leaving || !list_is_empty(&member->channels))
        return;
    struct worker *worker = member->worker;
    if (answer_say(core, worker->peer, "LEFT", member->service->name) < 0)
        dispatch_fail(core, worker);
    member->service->used_ms = core->now_ms;
    member_destroy(&member);
}

void dispatch_move(struct core *core, struct channel *channel)
{
    struct member *former = channel->member;
    bool seen = channel->touched;
    dispatch_unbind(channel);
    if (seen && answer_say(core, former->worker->peer, "MOVED", channel->id) < 0)
        dispatch_fail(core, former->worker);
    dispatch_left(core, former);
    dispatch_wait(channel);
    dispatch_service(core, channel->service);
}

void dispatch_orphan(struct core *core, struct channel *channel)
{
    if (channel->carrier) {
        session_carrier_lost(core, channel);
        return;
    }
    list_remove(&channel->of_edge);
    list_remove(&channel->ack);
    channel->edge->channel_count--;
    channel->edge->cuts -= channel->cut;
    channel->edge->cuts_due -= channel->cut_due;
    channel->cut = channel->cut_due = false;
    channel->edge = NULL;
    core->orphans++;
    list_append(&core->owed, &channel->of_edge);
    if (channel->finished || !channel->delivered) {
        dispatch_forget(core, channel);
        return;
    }
    channel->avoid = 0;
    channel->until_ms = core->now_ms; // since when
    if (channel->member && !(channel->closing && channel->out_first))
        dispatch_close(core, channel);
    else if (!channel->member && !channel->wanted)
        dispatch_service(core, channel->service);
}

void dispatch_fail(struct core *core, struct worker *worker)
{
    if (!list_has(&worker->failed))
        list_append(&core->failed, &worker->failed);
}

/* Does it live, and acknowledge nothing?  Then its name is no reason to wait for it. */
static bool s_is_hung(const struct core *core, const struct worker *worker)
{
    return worker->out.first < worker->out.next &&
           worker->acked_ms + core->settings.ack_timeout_ms < core->now_ms;
}

/* All channels of the member wait for another one, or for the one that comes with its
 * name. */
static void s_empty(struct member *member, struct worker_name *name)
{
    struct link *first;
    while ((first = list_first(&member->channels))) {
        struct channel *channel = list_item(first, struct channel, place);
        dispatch_unbind(channel);
        channel->wanted = name;
        dispatch_wait(channel);
    }
}

void dispatch_bury(struct core *core, struct worker *worker)
{
    struct service *services[WORKER_SERVICES_MAX];
    size_t count = 0;
    struct link *first;
    struct worker_name *name = s_is_hung(core, worker) ? NULL : worker->name;
    if (worker->member_count > 0)
        core->stats.lost_workers++;
    else
        core->stats.left_workers++; // in order, after its LEFT
    if (worker->name)
        worker->name->until_ms = core->now_ms + CORE_NAME_MS;
    list_remove(&worker->failed);
    list_append(&core->failed, &worker->failed); // it gets nothing more
    while ((first = list_first(&worker->members))) {
        struct member *member = list_item(first, struct member, of_worker);
        struct service *service = member->service;
        s_empty(member, member->leaving ? NULL : name);
        service->active -= !member->leaving;
        service->used_ms = core->now_ms;
        member_destroy(&member);
        services[count++] = service;
    }
    worker_destroy(&core->workers, &worker);
    while (count--) {
        if (!services[count]->active)
            dispatch_flow(core, services[count]);
        dispatch_service(core, services[count]);
    }
}

void dispatch_leave(struct core *core, struct member *member)
{
    struct service *service = member->service;
    if (!member->leaving && --service->active == 0)
        dispatch_flow(core, service);
    member->leaving = true;
    if (list_is_empty(&member->channels)) {
        dispatch_left(core, member);
        return;
    }
    struct link *at = list_first(&member->channels), *next;
    for (; at; at = next) { // the member goes with its last channel, when next is NULL
        next = list_after(&member->channels, at);
        struct channel *channel = list_item(at, struct channel, place);
        if (dispatch_is_idle(channel))
            dispatch_move(core, channel);
    }
}
