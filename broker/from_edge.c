#include "broker/replay.h"
#include "broker/session_core.h"

#include <errno.h>
#include <string.h>

/* A record of an edge that is known. */
struct from {
    struct core *core;
    struct edge *edge;
    const struct wire_record *record;
};

static struct wire_text s_token(const struct wire_record *record, size_t at)
{
    return record->token[at];
}

/* The channel of a record: valid and of this edge. */
static bool s_is_own(const struct from *from, struct wire_text id)
{
    const struct edge *edge = from->edge;
    size_t prefix = (size_t)edge->id_size + 1;
    if (id.size > prefix && id.data[prefix - 1] == '.' &&
        memcmp(id.data, edge->id, edge->id_size) == 0 &&
        channel_counter_is_valid((struct wire_text){id.data + prefix, id.size - prefix}))
        return true;
    core_dropped(from->core, CORE_DROP_VALUE);
    return false;
}

/* The channel of a record, if it is known.  One that this edge has given up, and whose
 * CLOSE the broker owes, cannot come back: *gone_out says so. */
static struct channel *s_find(const struct from *from, bool *gone_out)
{
    struct channel *channel =
        channel_find(&from->core->channels, s_token(from->record, 1));
    *gone_out = channel && channel->edge != from->edge;
    return *gone_out ? NULL : channel;
}

/* Does this announcement speak of a carrier of a session? */
static bool s_is_carrier(const struct from *from, const struct channel *channel,
                         size_t options)
{
    return channel ? channel->carrier != NULL
                   : wire_option(from->record, options, "sid").data != NULL;
}

/* A channel that was not known.  In a resync, workers may have seen it before. */
static struct channel *s_new_channel(const struct from *from, struct service *service,
                                     uint64_t gen)
{
    struct channel *channel =
        channel_new(&from->core->channels, s_token(from->record, 1));
    channel->edge = from->edge;
    channel->service = service;
    channel->gen = (uint32_t)gen;
    channel->shared = !from->edge->synced;
    service->channel_count++;
    from->edge->channel_count++;
    list_append(&from->edge->channels, &channel->of_edge);
    return channel;
}

/* May this channel end without a word to a worker?  Rule 8 of section 5.2. */
static bool s_is_nobodys(const struct channel *channel, uint64_t close_seq)
{
    if (channel->delivered || channel->finished)
        return false;
    return !channel->ws || (close_seq <= 2 && !channel->shared);
}

/* An event that is the next of its channel, or is not.  Rule 2 of section 5.2. */
static void s_event(const struct from *from, struct channel *channel,
                    const struct event *event)
{
    struct core *core = from->core;
    if (event->kind == EVENT_CLOSE && s_is_nobodys(channel, event->seq)) {
        channel->shared = false; // whoever asks is told of the CLOSE
        channel->last = channel->acked = event->seq;
        dispatch_finish(core, channel);
        return;
    }
    if (event->seq <= channel->last && channel->state != CHANNEL_MOVING) {
        core_dropped(core, CORE_DROP_REPEAT);
        if (event->seq <= channel->acked)
            dispatch_ack(channel);
        return;
    }
    bool next = event->seq == channel->last + 1;
    if (channel->state == CHANNEL_ASKED && next)
        dispatch_become(channel, CHANNEL_LIVE);
    if (channel->state != CHANNEL_LIVE)
        core_dropped(core, CORE_DROP_WAITING);
    else if (next)
        dispatch_event(core, channel, event);
    else
        dispatch_gap(core, channel);
}

/* Does an OPEN or ADOPT with this gen know of our last question?  One of a resync may not
 * yet: the question is still on its way then. */
static bool s_is_current(const struct from *from, struct channel *channel, uint64_t gen)
{
    if (gen > channel->gen)
        channel->gen = (uint32_t)gen;
    channel->unseen = false;
    if (gen == channel->gen)
        return true;
    core_dropped(from->core, CORE_DROP_STALE);
    return false;
}

/* The worker that a channel gets which is new to us. */
static void s_place(struct core *core, struct channel *channel)
{
    struct worker_name *wanted = channel->wanted;
    struct member *member =
        wanted && wanted->holder ? worker_member(wanted->holder, channel->service) : NULL;
    if (member && !member->leaving)
        dispatch_bind_to(channel, member);
    else if (wanted || !dispatch_bind(core, channel))
        dispatch_wait(channel);
}

/* The service and gen of OPEN and ADOPT; NULL if they are not allowed. */
static struct service *s_service(const struct from *from, size_t service_at,
                                 size_t gen_at, uint64_t *gen_out)
{
    struct wire_text name = s_token(from->record, service_at);
    struct service *service = NULL;
    if (service_name_is_valid(name) &&
        wire_u64(s_token(from->record, gen_at), gen_out) == 0 && *gen_out < UINT32_MAX)
        service = dispatch_get_service(from->core, name);
    if (!service)
        core_dropped(from->core, CORE_DROP_VALUE);
    return service;
}

/* An announcement says what the edge knows of the label; later ones are on their way to
 * it, and are not undone by an answer to RESEND. */
static void s_label(const struct from *from, struct channel *channel, bool known,
                    size_t options)
{
    struct wire_text label = wire_option(from->record, options, "label");
    if (known && from->edge->synced)
        return;
    if (label.data && !label_is_valid(label))
        core_dropped(from->core, CORE_DROP_VALUE);
    else
        label_set(&from->core->labels, channel, label);
}

/* OPEN and ADOPT of a carrier; a new one whose options are not allowed is not kept. */
static void s_open_carrier(const struct from *from, struct channel *channel,
                           struct service *service, uint64_t gen)
{
    const struct announcement announced = {from->core, from->edge, from->record, 5};
    bool known = channel != NULL;
    if (!known)
        channel = s_new_channel(from, service, gen);
    else if (!s_is_current(from, channel, gen))
        return;
    channel->ws |= wire_is(wire_option(from->record, 5, "ws"), "1");
    if (session_open(&announced, channel))
        return;
    core_dropped(from->core, CORE_DROP_VALUE);
    dispatch_forget(from->core, channel);
}

static void s_adopt_carrier(const struct from *from, struct channel *channel,
                            struct service *service, uint64_t gen, uint64_t acked)
{
    const struct announcement announced = {from->core, from->edge, from->record, 6};
    bool known = channel != NULL;
    if (!known)
        channel = s_new_channel(from, service, gen);
    else if (!s_is_current(from, channel, gen))
        return;
    channel->ws |= wire_is(wire_option(from->record, 6, "ws"), "1");
    if (session_adopt(&announced, channel, acked))
        return;
    core_dropped(from->core, CORE_DROP_VALUE);
    dispatch_forget(from->core, channel);
}

/* OPEN channel seq service gen accept=1 try= ws=1 label= */
static void s_open(const struct from *from)
{
    struct core *core = from->core;
    uint64_t seq, gen;
    if (wire_u64(s_token(from->record, 2), &seq) < 0 || seq != 1) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    bool gone;
    struct channel *channel = s_find(from, &gone);
    struct service *service = gone ? NULL : s_service(from, 3, 4, &gen);
    if (!service)
        return;
    if (s_is_carrier(from, channel, 5)) {
        s_open_carrier(from, channel, service, gen);
        return;
    }
    bool known = channel != NULL;
    if (!known) {
        channel = s_new_channel(from, service, gen);
        channel->delivered = from->edge->met_before && !from->edge->synced;
        s_place(core, channel);
    } else if (!s_is_current(from, channel, gen)) {
        return;
    } else if (channel->state == CHANNEL_MOVING) {
        channel->last = 0;
        channel->closing = false;
        dispatch_become(channel, CHANNEL_LIVE);
    }
    s_label(from, channel, known, 5);
    channel->ws |= wire_is(wire_option(from->record, 5, "ws"), "1");
    const struct event event = {EVENT_OPEN, "OPEN", seq, from->record, 5};
    s_event(from, channel, &event);
}

static void s_want(struct core *core, struct channel *channel, struct wire_text name)
{
    if (wire_is(name, "-") || name.size > WORKER_NAME_MAX)
        return;
    channel->wanted = worker_name_get(&core->workers, name);
    if (!channel->wanted->holder)
        channel->wanted->until_ms = core->now_ms + CORE_NAME_MS;
}

/* ADOPT channel acked service worker gen ws=1 label= */
static void s_adopt(const struct from *from)
{
    struct core *core = from->core;
    uint64_t acked, gen;
    bool gone;
    struct channel *channel = s_find(from, &gone);
    struct service *service = gone ? NULL : s_service(from, 3, 5, &gen);
    if (!service)
        return;
    if (wire_u64(s_token(from->record, 2), &acked) < 0) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    if (s_is_carrier(from, channel, 6)) {
        s_adopt_carrier(from, channel, service, gen, acked);
        return;
    }
    bool known = channel != NULL;
    if (!known) {
        channel = s_new_channel(from, service, gen);
        channel->last = channel->acked = acked;
        channel->delivered = channel->announce = true;
        s_want(core, channel, s_token(from->record, 4));
        s_place(core, channel);
    } else if (!s_is_current(from, channel, gen)) {
        return;
    }
    s_label(from, channel, known, 6);
    channel->ws |= wire_is(wire_option(from->record, 6, "ws"), "1");
    if (acked < channel->acked)
        dispatch_ack(channel);
    if (known && channel->state != CHANNEL_MOVING)
        return; // its worker knows it
    if (channel->state == CHANNEL_UNBOUND)
        return;
    dispatch_become(channel, CHANNEL_LIVE);
    channel->last = acked;
    channel->closing = false;
    const struct event event = {EVENT_ADOPT, "ADOPT", acked, from->record, 6};
    dispatch_event(core, channel, &event);
}

static void s_plain_event(const struct from *from, enum event_kind kind, const char *verb)
{
    struct core *core = from->core;
    uint64_t seq;
    if (wire_u64(s_token(from->record, 2), &seq) < 0 || seq == 0) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    bool gone;
    struct channel *channel = s_find(from, &gone);
    if (!channel) {
        core_dropped(core, CORE_DROP_CHANNEL);
        return;
    }
    const struct event event = {kind, verb, seq, from->record, 3};
    if (channel->carrier)
        session_carrier_event(core, channel, &event);
    else
        s_event(from, channel, &event);
}

static void s_lost(const struct from *from)
{
    s_plain_event(from, EVENT_MISSED, "LOST");
}

static void s_attached(const struct from *from)
{
    s_plain_event(from, EVENT_PRESENCE, "ATTACHED");
}

static void s_detached(const struct from *from)
{
    s_plain_event(from, EVENT_PRESENCE, "DETACHED");
}

static void s_text(const struct from *from)
{
    s_plain_event(from, EVENT_MESSAGE, "TEXT");
}

static void s_bin(const struct from *from)
{
    s_plain_event(from, EVENT_MESSAGE, "BIN");
}

static void s_body(const struct from *from)
{
    s_plain_event(from, EVENT_BODY, "BODY");
}

static void s_slow(const struct from *from)
{
    s_plain_event(from, EVENT_PRESSURE, "SLOW");
}

static void s_drained(const struct from *from)
{
    s_plain_event(from, EVENT_PRESSURE, "DRAINED");
}

/* CLOSE channel seq state cause= code= clean= */
static void s_close(const struct from *from)
{
    int state;
    if (wire_int(s_token(from->record, 3), &state) < 0 || state < -1 || state > 9999)
        core_dropped(from->core, CORE_DROP_VALUE);
    else
        s_plain_event(from, EVENT_CLOSE, "CLOSE");
}

static void s_gone(const struct from *from)
{
    bool gone;
    struct channel *channel = s_find(from, &gone);
    if (channel)
        dispatch_orphan(from->core, channel);
    else
        core_dropped(from->core, CORE_DROP_CHANNEL);
}

static void s_synced(const struct from *from)
{
    struct edge *edge = from->edge;
    struct link *at = list_first(&edge->channels), *next;
    edge->synced = edge->known = true;
    session_edge_synced(from->core, edge);
    for (; at; at = next) {
        next = list_after(&edge->channels, at);
        struct channel *channel = list_item(at, struct channel, of_edge);
        if (channel->unseen)
            dispatch_orphan(from->core, channel);
    }
    command_relabel(from->core, edge);
    presence_end(from->core, edge);
    struct link held;
    hold_take(edge, &held);
    hold_release(from->core, &held);
}

/* SESS sid att service worker up position as= older= label= */
static void s_sess(const struct from *from)
{
    const struct announcement announced = {from->core, from->edge, from->record, 7};
    struct wire_text name = s_token(from->record, 3);
    struct service *service =
        service_name_is_valid(name) ? dispatch_get_service(from->core, name) : NULL;
    if (!service || !session_announced(&announced, service))
        core_dropped(from->core, CORE_DROP_VALUE);
}

/* SEEN channel position */
static void s_seen(const struct from *from)
{
    bool gone;
    struct channel *channel = s_find(from, &gone);
    if (channel && channel->carrier)
        session_seen(from->core, channel, s_token(from->record, 2));
    else
        core_dropped(from->core, CORE_DROP_CHANNEL);
}

static void s_tsub(const struct from *from)
{
    publish_tsub(from->core, from->edge, s_token(from->record, 1));
}

static void s_tunsub(const struct from *from)
{
    uint64_t lastc;
    if (wire_u64(s_token(from->record, 2), &lastc) < 0)
        core_dropped(from->core, CORE_DROP_VALUE);
    else
        publish_tunsub(from->core, from->edge, s_token(from->record, 1), lastc);
}

static void s_hget(const struct from *from)
{
    replay_ask(from->core, from->edge, from->record);
}

static void s_answer(const struct from *from)
{
    command_answered(from->core, from->edge, from->record);
}

/* ENTER topic channel LF label */
static void s_enter(const struct from *from)
{
    if (s_is_own(from, s_token(from->record, 2)))
        presence_enter(from->core, from->edge, s_token(from->record, 1),
                       s_token(from->record, 2), payload_of(from->record));
}

static void s_exit(const struct from *from)
{
    if (s_is_own(from, s_token(from->record, 2)))
        presence_exit(from->core, s_token(from->record, 1), s_token(from->record, 2));
}

/* All who are there were named since its HELLO. */
static void s_present(const struct from *from)
{
    presence_end(from->core, from->edge);
}

/* PUB and GET of an edge, for those who ask it: as of an application, with an id= that is
 * of one edge alone. */
static void s_ask(const struct from *from, enum permit need,
                  void (*take)(struct request *request))
{
    struct core *core = from->core;
    const struct address address = {
        .peer = from->edge->peer, .authority = from->edge->authority, .is_edge = true};
    struct request request = {core, &address, from->record,
                              wire_option(from->record, 1, "id"), 2};
    if (!request.id.data || request.id.size > REPLY_ID_MAX ||
        !reply_id_is_global(request.id))
        core_dropped(core, CORE_DROP_VALUE);
    else if (permit_request(&request, need))
        take(&request);
}

static void s_pub(const struct from *from)
{
    s_ask(from, PERMIT_TOPIC, command_pub);
}

static void s_get(const struct from *from)
{
    s_ask(from, PERMIT_QUESTION, query_get);
}

static void s_bye(const struct from *from)
{
    from->core->stats.left_edges++;
    edge_life_bury(from->core, from->edge);
}

static const struct verb {
    const char *name;
    size_t tokens; // at least, the verb included
    void (*take)(const struct from *from);
    bool of_channel; // token 1 is one of the edge's channels
} s_verbs[] = {
    {"TEXT", 3, s_text, true},        {"BIN", 3, s_bin, true},
    {"OPEN", 5, s_open, true},        {"CLOSE", 4, s_close, true},
    {"OK", 2, s_answer, false},       {"ERR", 3, s_answer, false},
    {"BODY", 3, s_body, true},        {"ADOPT", 6, s_adopt, true},
    {"SLOW", 4, s_slow, true},        {"DRAINED", 3, s_drained, true},
    {"GONE", 2, s_gone, true},        {"TSUB", 2, s_tsub, false},
    {"TUNSUB", 3, s_tunsub, false},   {"SYNCED", 1, s_synced, false},
    {"ENTER", 3, s_enter, false},     {"EXIT", 3, s_exit, false},
    {"PRESENT", 1, s_present, false}, {"PUB", 2, s_pub, false},
    {"GET", 2, s_get, false},         {"BYE", 1, s_bye, false},
    {"HGET", 4, s_hget, true},        {"SEEN", 3, s_seen, true},
    {"SESS", 7, s_sess, false},
};

/* What only the edge of sessions says. */
static const struct verb s_own_verbs[] = {
    {"LOST", 4, s_lost, false},
    {"ATTACHED", 4, s_attached, false},
    {"DETACHED", 4, s_detached, false},
};

static bool s_take_of(const struct from *from, const struct verb *verbs, size_t count)
{
    for (size_t at = 0; at < count; at++)
        if (wire_is(from->record->token[0], verbs[at].name)) {
            verbs[at].take(from);
            return true;
        }
    return false;
}

void from_edge_own(struct core *core, struct edge *edge, const struct wire_record *record)
{
    const struct from from = {core, edge, record};
    if (!s_take_of(&from, s_verbs, sizeof s_verbs / sizeof *s_verbs))
        (void)s_take_of(&from, s_own_verbs, sizeof s_own_verbs / sizeof *s_own_verbs);
}

static void s_take(const struct from *from)
{
    for (size_t at = 0; at < sizeof s_verbs / sizeof *s_verbs; at++) {
        const struct verb *verb = &s_verbs[at];
        if (from->record->token[0].data[0] != verb->name[0] ||
            !wire_is(from->record->token[0], verb->name))
            continue;
        if (from->record->count < verb->tokens)
            core_dropped(from->core, CORE_DROP_SYNTAX);
        else if (!verb->of_channel || s_is_own(from, s_token(from->record, 1)))
            verb->take(from);
        return;
    }
    core_dropped(from->core, CORE_DROP_VERB);
}

void from_edge(struct core *core, const struct address *address,
               const struct wire_record *record, int result)
{
    if (result < 0) {
        core_dropped(core, result == -EPROTO ? CORE_DROP_SYNTAX : CORE_DROP_SIZE);
        return;
    }
    bool hello = wire_is(record->token[0], "HELLO");
    bool pulse = wire_is(record->token[0], "HB");
    if (hello || pulse) {
        if (record->count < (hello ? 5 : 4))
            core_dropped(core, CORE_DROP_SYNTAX);
        else if (hello)
            edge_life_hello(core, address, record);
        else
            edge_life_pulse(core, address, record);
        return;
    }
    const struct from from = {core, edge_of_peer(&core->edges, address->peer), record};
    if (!from.edge) {
        core_dropped(core, CORE_DROP_PEER);
        edge_life_who(core, address->peer);
        return;
    }
    from.edge->heard_ms = core->now_ms;
    s_take(&from);
}
