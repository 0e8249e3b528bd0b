#include "broker/dispatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void edge_life_who(struct core *core, uint64_t peer)
{
    static const char who[] = "WHO 0";
    if (!throttle_pass(&core->who, peer, core->now_ms))
        return;
    struct blob *record = blob_new(who, sizeof who - 1);
    if (record)
        (void)core->output.to_edge(core->output.context, peer, record);
    blob_unref(&record);
}

static void s_reject(struct core *core, uint64_t peer, const char *code, const char *why)
{
    char text[512];
    int size = snprintf(text, sizeof text, "REJECT 0 %s\n%s", code, why);
    struct blob *record = blob_new(text, (size_t)size);
    if (record)
        (void)core->output.to_edge(core->output.context, peer, record);
    blob_unref(&record);
}

/* name "." epoch of two tokens; false if they are not allowed. */
static bool s_edge_id(const struct wire_record *record, char *out, size_t *size_out)
{
    struct wire_text name = record->token[1], epoch = record->token[2];
    if (!channel_name_is_valid(name) || wire_is(name, "session") || // those are ours
        !channel_epoch_is_valid(epoch))
        return false;
    memcpy(out, name.data, name.size);
    out[name.size] = '.';
    memcpy(out + name.size + 1, epoch.data, epoch.size);
    *size_out = name.size + 1 + epoch.size;
    return true;
}

static bool s_speaks_our_version(struct wire_text proto)
{
    size_t major = strlen(CORE_PROTOCOL);
    return proto.size >= major && memcmp(proto.data, CORE_PROTOCOL, major) == 0 &&
           (proto.size == major || proto.data[major] == '.');
}

/* It is no longer waited for. */
static void s_arrived(struct core *core, struct edge *edge)
{
    core->expected -= edge->expected;
    edge->expected = false;
}

/* The ring goes on after lastc. */
static void s_go_on(struct core *core, struct edge *edge, uint64_t lastc)
{
    command_ring_trim(&edge->ring, lastc);
    edge->cursor = lastc + 1;
    dispatch_told(core, edge, lastc);
}

/* It does not: what the edge was told since is lost, and so are its answers.  The ring is
 * kept: a HELLO that was held up in a connection that is no more says so too, and the
 * next one does not. */
static void s_begin_anew(struct core *core, struct edge *edge)
{
    command_abandon(core, edge);
    publish_abandon(core, edge);
    pulls_clear(&edge->pulls);
    edge->cursor = edge->ring.next;
}

/* The edge announces everything again: what it does not name by SYNCED is over. */
static void s_begin_sync(struct edge *edge)
{
    edge->synced = false;
    for (struct link *at = list_first(&edge->channels); at;
         at = list_after(&edge->channels, at))
        list_item(at, struct channel, of_edge)->unseen = true;
}

/* The edge was asked to announce a channel, and its answer, or the question, was lost
 * with the connection. */
static void s_ask_again(struct core *core, struct edge *edge, uint64_t lastc)
{
    for (struct link *at = list_first(&edge->channels); at;
         at = list_after(&edge->channels, at)) {
        struct channel *channel = list_item(at, struct channel, of_edge);
        if (channel->state == CHANNEL_MOVING && channel->told_c <= lastc)
            dispatch_ask_again(core, channel);
    }
}

static void s_welcome(struct core *core, struct edge *edge, bool resume)
{
    struct wire_header header;
    wire_begin(&header, "WELCOME");
    wire_add(&header, "0");
    wire_add(&header, core->boot);
    wire_add(&header, resume ? "resume" : "sync");
    if (!resume)
        wire_add_option_u64(&header, "c", edge->cursor - 1);
    edge_welcome(edge, &header);
    edge_flush(edge);
    for (struct service *service = service_first(&core->services); service;
         service = service_after(service)) {
        wire_begin(&header, "FLOW");
        wire_add(&header, "0");
        wire_add(&header, service->name);
        wire_add(&header, service->active ? "1" : "0");
        edge_say(edge, &header);
    }
}

static struct edge *s_meet(struct core *core, const char *id, size_t size)
{
    struct edge *edge = edge_find(&core->edges, id, size);
    if (edge || core->edges.count >= core->settings.edges)
        return edge;
    edge = edge_new(&core->edges, id, size);
    command_ring_init(&edge->ring, core->settings.ring_records,
                      core->settings.ring_bytes);
    return edge;
}

bool edge_life_may_come(const struct core *core, struct wire_text channel)
{
    if (session_id_is_valid(channel))
        return session_may_come(core, channel);
    const struct edge *edge = edge_of_channel(&core->edges, channel);
    if (edge)
        return !edge->synced;
    const char *dot = memrchr(channel.data, '.', channel.size);
    return core->now_ms < core->started_ms + core->settings.edge_lease_ms && dot &&
           !fence_has(&core->fence, channel.data, (size_t)(dot - channel.data));
}

struct edge *edge_life_expect(struct core *core, struct wire_text channel)
{
    struct edge *edge = edge_of_channel(&core->edges, channel);
    if (edge || session_id_is_valid(channel) || // that edge is ours
        core->expected >= EDGES_EXPECTED_MAX || !edge_life_may_come(core, channel))
        return edge;
    const char *dot = memrchr(channel.data, '.', channel.size);
    edge = s_meet(core, channel.data, (size_t)(dot - channel.data));
    if (edge) {
        edge->expected = true;
        edge->heard_ms = core->started_ms;
        core->expected++;
    }
    return edge;
}

/* May the sender be the edge of this name? */
static bool s_is_allowed(struct core *core, const struct address *from,
                         const struct wire_record *record)
{
    if (authority_has_edge(from->authority, record->token[1]))
        return true;
    permit_deny(core, from->authority, record->token[0], record->token[1]);
    return false;
}

/* Is a life of an edge one that may begin or go on?  It is told when not. */
static bool s_admits(struct core *core, const struct address *from,
                     const struct wire_record *record, const char *id, size_t size)
{
    if (!s_is_allowed(core, from, record)) {
        s_reject(core, from->peer, "denied", "the key does not allow this name");
        return false;
    }
    if (fence_has(&core->fence, id, size)) {
        s_reject(core, from->peer, "epoch", "this life of the edge is over");
        return false;
    }
    return true;
}

/* An edge of ours on this connection: does it go on, or announce all it has? */
static void s_greet(struct core *core, struct edge *edge, uint64_t peer,
                    struct wire_text boot, uint64_t lastc)
{
    bool ours = wire_is(boot, core->boot);
    bool moved = edge->peer != peer;
    if (!ours) // it has taken none of our commands yet
        lastc = 0;
    bool goes_on = command_ring_covers(&edge->ring, lastc);
    bool resume = edge->synced && ours && goes_on;
    edge->met_before |= !ours && !wire_is(boot, "-");
    edge->heard_ms = core->now_ms;
    edge_attach(edge, peer);
    s_arrived(core, edge);
    if (goes_on)
        s_go_on(core, edge, lastc);
    else
        s_begin_anew(core, edge);
    if (moved)
        command_unsure(core, edge, lastc);
    if (!resume)
        s_begin_sync(edge);
    edge->sync_c = edge->cursor - 1;
    presence_begin(edge);
    lastc = edge->cursor - 1;
    s_welcome(core, edge, resume);
    s_ask_again(core, edge, lastc);
}

static void s_reject_version(struct core *core, uint64_t peer, struct wire_text proto)
{
    char why[160];
    snprintf(why, sizeof why, "this broker speaks %s, the edge %.*s", CORE_PROTOCOL,
             proto.data ? (int)(proto.size < 64 ? proto.size : 64) : 4,
             proto.data ? proto.data : "none");
    s_reject(core, peer, "proto", why);
}

/* HELLO edge-name epoch boot lastc proto=RW/1 */
void edge_life_hello(struct core *core, const struct address *from,
                     const struct wire_record *record)
{
    char id[EDGE_ID_MAX + 1];
    size_t size;
    uint64_t lastc;
    struct wire_text proto = wire_option(record, 5, "proto");
    if (!proto.data || !s_speaks_our_version(proto)) {
        s_reject_version(core, from->peer, proto);
        return;
    }
    if (!s_edge_id(record, id, &size) || wire_u64(record->token[4], &lastc) < 0) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    if (!s_admits(core, from, record, id, size))
        return;
    struct edge *edge = s_meet(core, id, size);
    if (!edge) {
        s_reject(core, from->peer, "full", "too many edges");
        return;
    }
    core->stats.hellos++;
    edge->authority = from->authority;
    s_greet(core, edge, from->peer, record->token[3], lastc);
}

/* A sign of life where no large record is in its way. */
static void s_beat(struct core *core, const struct edge *edge, uint64_t peer)
{
    char text[64];
    int size =
        snprintf(text, sizeof text, "HB 0 %s c=%" PRIu64, core->boot, edge->cursor - 1);
    struct blob *record = blob_new(text, (size_t)size);
    if (record)
        (void)core->output.to_edge(core->output.context, peer, record);
    blob_unref(&record);
}

/* The edge has taken the commands up to lastc.  Of an earlier life of the broker the
 * number says nothing. */
static void s_count_taken(struct core *core, struct edge *edge,
                          const struct wire_record *record, uint64_t peer)
{
    uint64_t lastc;
    if (!wire_is(wire_option(record, 4, "boot"), core->boot) ||
        wire_u64(record->token[3], &lastc) < 0 || lastc >= edge->cursor)
        return;
    command_ring_trim(&edge->ring, lastc);
    if (edge->synced && peer == edge->peer)
        dispatch_told(core, edge, lastc);
}

/* HB edge-name epoch lastc boot=, on either connection */
void edge_life_pulse(struct core *core, const struct address *from,
                     const struct wire_record *record)
{
    char id[EDGE_ID_MAX + 1];
    size_t size;
    uint64_t lastc;
    if (!s_edge_id(record, id, &size) || wire_u64(record->token[3], &lastc) < 0) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    if (!s_is_allowed(core, from, record)) {
        edge_life_who(core, from->peer); // the answer to its HELLO says why
        return;
    }
    struct edge *edge = edge_find(&core->edges, id, size);
    if (edge && edge->peer) {
        edge->heard_ms = core->now_ms;
        if (from->peer != edge->peer)
            s_beat(core, edge, from->peer);
        s_count_taken(core, edge, record, from->peer);
        return;
    }
    /* Its records connection is new to us, or it is: it has to say HELLO there. */
    if (edge)
        edge->heard_ms = core->now_ms;
    edge_life_who(core, from->peer);
}

void edge_life_bury(struct core *core, struct edge *edge)
{
    struct link *first, held;
    s_arrived(core, edge);
    fence_add(&core->fence, edge->id, edge->id_size, core->now_ms + CORE_FENCE_MS);
    command_abandon(core, edge);
    publish_abandon(core, edge);
    presence_abandon(core, edge);
    session_edge_lost(core, edge);
    edge_detach(edge);
    while ((first = list_first(&edge->channels)))
        dispatch_orphan(core, list_item(first, struct channel, of_edge));
    hold_take(edge, &held);
    edge_destroy(&edge);
    hold_release(core, &held);
}
