/* What edges are to be told of their carriers.  It is owed until it fits into the ring of
 * the edge, so that nothing of it is ever lost. */
#include "broker/session_core.h"

#include "common/bytes.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

/* A FORGET that did not fit. */
struct forget {
    struct link order;
    struct edge *edge;
    char id[SESSION_ID_SIZE + 1];
};

enum { DUE_LINES = 512 * 1024 }; // bytes of the subscriptions in a BIND

void session_owe(struct core *core, struct carrier *carrier, unsigned due)
{
    carrier->due |= due;
    if (!list_has(&carrier->due_place))
        list_append(&core->sessions.due, &carrier->due_place);
}

/* VERB c channel, what follows: 0 or -ENOBUFS. */
static int s_tell(struct carrier *carrier, const char *verb, const char *word)
{
    struct edge *edge = carrier->channel->edge;
    struct wire_header header;
    edge_begin(edge, &header, verb);
    wire_add(&header, carrier->channel->id);
    if (word)
        wire_add(&header, word);
    return edge_commit(edge, &header, payload_none(), COMMAND_CONTROL);
}

/* Lines of the session's subscriptions; the interest of the carrier's edge in them begins
 * here. */
static void s_write_topics(struct core *core, const struct session *session,
                           struct bytes *out)
{
    struct edge *edge = session->current ? session->current->channel->edge : NULL;
    struct link *at = list_first(&session->topics);
    for (; at; at = list_after(&session->topics, at)) {
        const struct session_topic *topic = list_item(at, struct session_topic, order);
        if (edge)
            publish_want(core, edge, answer_key(topic->name), edge->ring.next);
        (void)bytes_printf(out, "%s %s%s\n", topic->name, topic->position,
                           topic->present ? " presence=1" : "");
    }
}

/* How many older carriers are still to come first?  One that is closed counts until all
 * of it is acknowledged: if we die before, its edge says the rest again. */
static uint64_t s_count_older(const struct session *session)
{
    uint64_t count = session->older + session_lacks_former(session);
    const struct link *at = list_first(&session->carriers);
    for (; at; at = list_after(&session->carriers, at)) {
        const struct carrier *other = list_item(at, struct carrier, of_session);
        count += other->state == CARRIER_SUPERSEDED ||
                 (other->closed && other->mode != CARRIER_POST);
    }
    return count;
}

/* BIND c channel sid att up position grace= worker= older= label= slow= LF topics.  id:
 * of the carrier; that of the session itself: for the copy alone. */
static int s_bind(struct core *core, struct session *session, struct edge *edge,
                  const char *id)
{
    const struct label *label = session->channel ? session->channel->label : NULL;
    struct wire_header header;
    struct bytes lines;
    char delivered[POSITION_MAX + 1];
    bytes_init(&lines, DUE_LINES);
    edge_begin(edge, &header, "BIND");
    wire_add(&header, id);
    wire_add(&header, session->id);
    wire_add_u64(&header, session->att);
    wire_add_u64(&header, session->up);
    wire_add(&header, session->position);
    wire_add_option_u64(&header, "grace", (uint64_t)core->settings.session_grace_ms);
    position_write(core_epoch(core), core->sequence.delivered, delivered);
    wire_add_option(&header, "pos", delivered);
    if (session->worker)
        wire_add_option(&header, "worker", session->worker);
    if (s_count_older(session) > 0)
        wire_add_option_u64(&header, "older", s_count_older(session));
    if (label)
        wire_add_option(&header, "label", label->name);
    if (session->slow)
        wire_add_option(&header, "slow", session->slow);
    s_write_topics(core, session, &lines);
    int result = edge_commit(
        edge, &header,
        (struct wire_text){lines.size ? (const char *)lines.data : "", lines.size},
        COMMAND_CONTROL);
    bytes_clear(&lines);
    if (result == 0)
        session->copy_behind = false;
    return result;
}

/* LIVE c channel position more=1: what follows is to be asked for. */
static int s_more(struct core *core, struct carrier *carrier)
{
    struct edge *edge = carrier->channel->edge;
    struct wire_header header;
    char position[POSITION_MAX + 1];
    position_write(core_epoch(core), carrier->session->behind, position);
    edge_begin(edge, &header, "LIVE");
    wire_add(&header, carrier->channel->id);
    wire_add(&header, position);
    wire_add_option(&header, "more", "1");
    return edge_commit(edge, &header, payload_none(), COMMAND_CONTROL);
}

/* CLOSE c channel [status] LF reason, as the application said it. */
static int s_close(struct carrier *carrier)
{
    const struct session *session = carrier->session;
    struct edge *edge = carrier->channel->edge;
    struct wire_header header;
    edge_begin(edge, &header, "CLOSE");
    wire_add(&header, carrier->channel->id);
    if (session->closing && session->closing[0])
        wire_add(&header, session->closing);
    return edge_commit(edge, &header,
                       session->reason ? answer_key(session->reason) : payload_none(),
                       COMMAND_CONTROL);
}

static int s_resend(struct core *core, struct carrier *carrier)
{
    struct channel *channel = carrier->channel;
    struct wire_header header;
    edge_begin(channel->edge, &header, "RESEND");
    wire_add(&header, channel->id);
    wire_add_u64(&header, channel->gen);
    wire_add_option_u64(&header, "from", channel->last);
    int result = edge_commit(channel->edge, &header, payload_none(), COMMAND_CONTROL);
    core->stats.resends += result == 0;
    return result;
}

/* id: of the carrier, or of a session that nobody serves. */
static int s_say_up(struct edge *edge, const char *id, struct session *session)
{
    struct wire_header header;
    edge_begin(edge, &header, "UP");
    wire_add(&header, id);
    wire_add_u64(&header, session->up);
    int result = edge_commit(edge, &header, payload_none(), COMMAND_CONTROL);
    if (result == 0) {
        session->up_elsewhere = false;
        session->copy_behind |= session->current != NULL; // which may have gone
    }
    return result;
}

static int s_up(struct carrier *carrier)
{
    return s_say_up(carrier->channel->edge, carrier->channel->id, carrier->session);
}

void session_tell_holder(struct session *session)
{
    if (!session->current && session->holder && session->up_elsewhere)
        (void)s_say_up(session->holder, session->id, session); // or with the next message
}

/* One thing that is due: 0, or -ENOBUFS. */
static int s_pay_one(struct core *core, struct carrier *carrier, enum carrier_due due)
{
    struct session *session = carrier->session;
    switch (due) {
    case CARRIER_DUE_DROP:
        return s_tell(carrier, "DROP", carrier->reason);
    case CARRIER_DUE_BIND:
        return session
                   ? s_bind(core, session, carrier->channel->edge, carrier->channel->id)
                   : 0;
    case CARRIER_DUE_UP:
        return session ? s_up(carrier) : 0;
    case CARRIER_DUE_MORE:
        return session ? s_more(core, carrier) : 0;
    case CARRIER_DUE_CLOSE: // a carrier that is behind gets it when it is not
        return session && session->state == SESSION_CLOSING &&
                       carrier->state == CARRIER_LIVE
                   ? s_close(carrier)
                   : 0;
    case CARRIER_DUE_RESEND:
        return s_resend(core, carrier);
    }
    return 0;
}

static bool s_pay_carrier(struct core *core, struct carrier *carrier)
{
    for (unsigned due = CARRIER_DUE_DROP; due <= CARRIER_DUE_RESEND; due <<= 1) {
        if (!(carrier->due & due))
            continue;
        if (s_pay_one(core, carrier, (enum carrier_due)due) < 0)
            return false;
        carrier->due &= ~due;
    }
    return true;
}

void session_changed(struct core *core, struct session *session)
{
    session->copy_behind = true;
    if (!session->current && session->holder && !list_has(&session->of_stale))
        list_append(&core->sessions.stale, &session->of_stale);
}

/* Sessions whose carrier has come back since have nothing to say here. */
static void s_pay_copies(struct core *core)
{
    struct sessions *sessions = &core->sessions;
    while (!list_is_empty(&sessions->stale)) {
        struct link *first = list_pop(&sessions->stale);
        struct session *session = list_item(first, struct session, of_stale);
        if (session->copy_behind && !session->current && session->holder &&
            s_bind(core, session, session->holder, session->id) < 0)
            list_append(&sessions->unsaid, first);
    }
}

void session_pay(struct core *core)
{
    struct sessions *sessions = &core->sessions;
    s_pay_copies(core);
    while (!list_is_empty(&sessions->due)) {
        struct link *first = list_pop(&sessions->due);
        if (!s_pay_carrier(core, list_item(first, struct carrier, due_place)))
            list_append(&sessions->stuck, first);
    }
}

static int s_forget(struct edge *edge, struct wire_text id)
{
    struct wire_header header;
    edge_begin(edge, &header, "FORGET");
    wire_add_text(&header, id);
    return edge_commit(edge, &header, payload_none(), COMMAND_CONTROL);
}

void session_forget_copy(struct core *core, struct edge *edge, struct wire_text id)
{
    if (s_forget(edge, id) == 0)
        return;
    struct forget *forget = mem_new(struct forget);
    list_init(&forget->order);
    forget->edge = edge;
    memcpy(forget->id, id.data, SESSION_ID_SIZE);
    list_append(&core->sessions.forgets, &forget->order);
}

void session_pay_stuck(struct core *core)
{
    struct link *at = list_first(&core->sessions.forgets), *next;
    for (; at; at = next) {
        struct forget *forget = list_item(at, struct forget, order);
        next = list_after(&core->sessions.forgets, at);
        if (s_forget(forget->edge, answer_key(forget->id)) < 0)
            continue;
        list_remove(at);
        free(forget);
    }
    while (!list_is_empty(&core->sessions.stuck))
        list_append(&core->sessions.due, list_pop(&core->sessions.stuck));
    while (!list_is_empty(&core->sessions.unsaid))
        list_append(&core->sessions.stale, list_pop(&core->sessions.unsaid));
    session_pay(core);
}

void session_forget_forgets(struct core *core, const struct edge *edge)
{
    struct link *at = list_first(&core->sessions.forgets), *next;
    for (; at; at = next) {
        struct forget *forget = list_item(at, struct forget, order);
        next = list_after(&core->sessions.forgets, at);
        if (forget->edge != edge)
            continue;
        list_remove(at);
        free(forget);
    }
}
