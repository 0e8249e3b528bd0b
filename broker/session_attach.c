/* Carriers: channels of edges that bring clients to their sessions; which one serves. */
#include "broker/session_core.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

void session_drop(struct core *core, struct carrier *carrier, const char *reason)
{
    struct session *session = carrier->session;
    if (carrier->state == CARRIER_DROPPED)
        return;
    if (session && session->current == carrier) {
        session->current = NULL;
        core->sessions.attached--;
    }
    list_remove(&carrier->of_session);
    carrier->session = NULL;
    bool waited = carrier->flow != CARRIER_FLOWS;
    carrier->state = CARRIER_DROPPED;
    carrier->flow = CARRIER_FLOWS;
    carrier->reason = reason;
    carrier->due = 0;
    if (!carrier->closed) // what was passed over is asked for, to be thrown away
        session_owe(core, carrier, CARRIER_DUE_DROP | (waited ? CARRIER_DUE_RESEND : 0u));
    session_pass_carrier_acks(core, carrier, UINT64_MAX);
}

static void s_supersede(struct core *core, struct carrier *carrier)
{
    carrier->state = CARRIER_SUPERSEDED;
    carrier->reason = "superseded";
    carrier->due &= CARRIER_DUE_RESEND;
    session_owe(core, carrier, CARRIER_DUE_DROP);
}

/* This carrier serves the session from now on. */
static void s_serve(struct core *core, struct session *session, struct carrier *carrier,
                    uint64_t att)
{
    struct carrier *former = session->current;
    session->current = carrier;
    if (former)
        s_supersede(core, former);
    else
        core->sessions.attached++;
    session->att = carrier->att = att;
    session_set(&session->former, answer_key(carrier->channel->id));
    list_remove(&session->place);
    session_set_holder(core, session, carrier->channel->edge);
    session_owe(core, carrier, CARRIER_DUE_BIND);
    session_tell_presence(core, session);
}

static uint64_t s_next_att(const struct core *core, const struct session *session)
{
    uint64_t first = session_first_number(core);
    return session->att + 1 > first ? session->att + 1 : first;
}

/* A new session; NULL when there are too many. */
static struct session *s_make(struct core *core, struct carrier *carrier,
                              const struct announcement *from)
{
    struct session *session = session_find(&core->sessions, answer_key(carrier->sid));
    if (!session && core->sessions.count >= core->settings.sessions)
        return NULL;
    if (!session)
        session = session_new(&core->sessions, answer_key(carrier->sid));
    list_remove(&session->place);
    session->state = SESSION_OPEN;
    session->service = carrier->channel->service;
    session->told_attached = true; // OPEN says so
    session_set(&session->as, answer_key(carrier->as));
    session->seen = core->sequence.delivered;
    position_write(core_epoch(core), session->seen, session->position);
    session_set_meta(session, payload_of(from->record));
    session_say(core, session, SESSION_SAYS_OPEN, "", payload_of(from->record));
    session->channel = channel_find(&core->channels, answer_key(session->id));
    if (!from->edge->synced) { // a worker may have seen it in an earlier life
        session->channel->delivered |= from->edge->met_before;
        session->channel->shared = true;
    }
    core->stats.sessions_opened++;
    return session;
}

/* The reason why a carrier is of no use to its session; NULL: it is. */
static const char *s_refusal(const struct core *core, const struct session *session,
                             const struct carrier *carrier)
{
    if (!session)
        return session_is_early(core) ? NULL : "unknown";
    if (session->state == SESSION_EXPECTED)
        return NULL;
    if (strcmp(session->as, carrier->as) != 0)
        return "identity";
    if (session->state == SESSION_ENDED ||
        (session->state == SESSION_CLOSING && carrier->mode == CARRIER_POST))
        return "ended";
    return NULL;
}

static void s_join(struct session *session, struct carrier *carrier)
{
    carrier->session = session;
    list_remove(&carrier->of_session);
    list_append(&session->carriers, &carrier->of_session);
}

/* Its session may still be announced by another edge. */
static void s_wait(struct core *core, struct carrier *carrier)
{
    struct session *session = session_find(&core->sessions, answer_key(carrier->sid));
    if (!session) {
        session = session_new(&core->sessions, answer_key(carrier->sid));
        list_append(&core->sessions.expected, &session->place);
    }
    s_join(session, carrier);
    carrier->state = CARRIER_WAITING;
    session_park(core, carrier);
}

/* OPEN of a carrier: true when it was taken, now or never. */
static void s_enter(struct core *core, struct carrier *carrier,
                    const struct announcement *from)
{
    struct session *session = session_find(&core->sessions, answer_key(carrier->sid));
    bool known = session && session->state != SESSION_EXPECTED;
    bool makes = carrier->mode == CARRIER_NEW && !known;
    const char *refusal = makes ? NULL : s_refusal(core, session, carrier);
    if (makes && !(session = s_make(core, carrier, from)))
        refusal = "full";
    if (refusal) {
        session_taken(core, carrier, 0);
        session_drop(core, carrier, refusal);
        return;
    }
    if (!makes && !known) {
        s_wait(core, carrier);
        return;
    }
    s_join(session, carrier);
    carrier->flow = CARRIER_FLOWS;
    carrier->state = carrier->mode == CARRIER_POST ? CARRIER_POSTING
                     : makes                       ? CARRIER_LIVE
                                                   : CARRIER_BOUND;
    session_taken(core, carrier, makes ? 1 : 0);
    if (carrier->mode != CARRIER_POST)
        s_serve(core, session, carrier, s_next_att(core, session));
    session_seen(core, carrier->channel,
                 wire_option(from->record, from->options, "cursor"));
    if (makes)
        session_admit_waiting(core, session);
}

/* An older carrier goes before what came later. */
static void s_put_in_order(struct session *session, struct carrier *carrier)
{
    struct link *at = list_first(&session->carriers);
    for (; at; at = list_after(&session->carriers, at)) {
        const struct carrier *other = list_item(at, struct carrier, of_session);
        if (other != carrier && (other->att == 0 || other->att > carrier->att))
            break;
    }
    list_remove(&carrier->of_session);
    list_append(at ? at : &session->carriers, &carrier->of_session);
}

/* A carrier that went on over a restart of the broker, or over a lost connection. */
static void s_return(struct core *core, struct carrier *carrier)
{
    struct session *session = session_find(&core->sessions, answer_key(carrier->sid));
    const char *refusal = s_refusal(core, session, carrier);
    if (refusal) {
        session_drop(core, carrier, refusal);
        return;
    }
    if (!session || session->state == SESSION_EXPECTED) {
        s_wait(core, carrier);
        return;
    }
    s_join(session, carrier);
    carrier->flow = CARRIER_FLOWS;
    if (carrier->mode == CARRIER_POST) {
        carrier->state = CARRIER_POSTING;
        return;
    }
    carrier->state = CARRIER_BOUND;
    if (carrier->att >= session->att &&
        (!session->current || session->current->att < carrier->att)) {
        s_serve(core, session, carrier, carrier->att);
        return;
    }
    s_put_in_order(session, carrier);
    s_supersede(core, carrier);
    if (carrier->att < session->older_than && session->older > 0 &&
        --session->older == 0) {
        session->hold_until_ms = 0; // all that were missing are here
        session_wake(core, session);
    }
}

void session_admit_waiting(struct core *core, struct session *session)
{
    struct link waiting, *first;
    list_init(&waiting);
    for (struct link *at = list_first(&session->carriers), *next; at; at = next) {
        next = list_after(&session->carriers, at);
        if (list_item(at, struct carrier, of_session)->state != CARRIER_WAITING)
            continue;
        list_remove(at);
        list_append(&waiting, at);
    }
    while ((first = list_first(&waiting))) {
        struct carrier *carrier = list_item(first, struct carrier, of_session);
        list_remove(first);
        s_join(session, carrier);
        if (carrier->channel->last > 0) // else its OPEN comes again
            s_return(core, carrier);
        if (carrier->session)
            session_ask(core, carrier);
    }
}

/* ---- From edges ---- */

static bool s_mode(struct wire_text mode, enum carrier_mode *out)
{
    if (wire_is(mode, "new"))
        *out = CARRIER_NEW;
    else if (wire_is(mode, "join"))
        *out = CARRIER_JOIN;
    else if (wire_is(mode, "post"))
        *out = CARRIER_POST;
    else
        return false;
    return true;
}

/* The carrier that these options tell of; NULL when one has a value that is not allowed.
 */
static struct carrier *s_read(const struct announcement *from, struct channel *channel)
{
    const struct wire_record *record = from->record;
    struct wire_text sid = wire_option(record, from->options, "sid");
    struct wire_text as = wire_option(record, from->options, "as");
    enum carrier_mode mode;
    if (!sid.data || !session_id_is_valid(sid) || as.size < 1 ||
        as.size > SESSION_AS_MAX ||
        !s_mode(wire_option(record, from->options, "mode"), &mode))
        return NULL;
    struct carrier *carrier = carrier_new(channel, mode);
    memcpy(carrier->sid, sid.data, sid.size);
    carrier->as = mem_strndup(as.data, as.size);
    if (wire_u64(wire_option(record, from->options, "att"), &carrier->att) < 0)
        carrier->att = 0;
    from->core->sessions.carriers++;
    channel->service->carrier_count++;
    channel->carrier = carrier;
    return carrier;
}

/* What it was told may be lost with a connection: it is told again. */
static void s_tell_again(struct core *core, struct carrier *carrier)
{
    if (carrier->state == CARRIER_DROPPED || carrier->state == CARRIER_SUPERSEDED)
        session_owe(core, carrier, CARRIER_DUE_DROP);
    else if (carrier_is_serving(carrier))
        session_owe(core, carrier, CARRIER_DUE_BIND | CARRIER_DUE_CLOSE);
    if (carrier->flow == CARRIER_ASKED)
        session_owe(core, carrier, CARRIER_DUE_RESEND);
}

bool session_open(const struct announcement *from, struct channel *channel)
{
    const struct event event = {EVENT_OPEN, "OPEN", 1, from->record, from->options};
    struct core *core = from->core;
    struct carrier *carrier = channel->carrier;
    if (!carrier && !(carrier = s_read(from, channel)))
        return false;
    if (channel->last > 0) {
        session_carrier_event(core, channel, &event);
        s_tell_again(core, carrier);
    } else if (carrier->state == CARRIER_DROPPED) {
        session_carrier_event(core, channel, &event);
    } else {
        s_enter(core, carrier, from);
    }
    return true;
}

bool session_adopt(const struct announcement *from, struct channel *channel,
                   uint64_t acked)
{
    struct core *core = from->core;
    if (channel->carrier) {
        if (acked < channel->acked)
            dispatch_ack(channel);
        if (!channel->finished)
            s_tell_again(core, channel->carrier);
        return true;
    }
    struct carrier *carrier = s_read(from, channel);
    if (!carrier)
        return false;
    channel->last = channel->acked = acked;
    s_return(core, carrier);
    return true;
}

/* What this carrier had is missing after what older ones still have. */
static void s_tell_lost_in_place(struct core *core, struct session *session,
                                 const struct carrier *carrier)
{
    struct carrier *last = NULL;
    for (struct link *at = list_first(&session->carriers); at;
         at = list_after(&session->carriers, at)) {
        struct carrier *older = list_item(at, struct carrier, of_session);
        if (older == carrier)
            break;
        if (older->state == CARRIER_SUPERSEDED && !older->closed)
            last = older;
    }
    if (last)
        last->lost_after = true;
    else
        session_tell_lost(core, session);
}

void session_carrier_lost(struct core *core, struct channel *channel)
{
    struct carrier *carrier = channel->carrier;
    struct session *session = carrier->session;
    bool serves = session && session->current == carrier;
    bool told = session && !carrier->closed && channel->ws;
    if (session && (told || carrier->lost_after))
        s_tell_lost_in_place(core, session, carrier);
    list_remove(&carrier->of_session);
    carrier->session = NULL;
    if (serves) {
        session->current = NULL;
        core->sessions.attached--;
    }
    dispatch_forget(core, channel);
    if (serves && session->state == SESSION_CLOSING)
        session_end(core, session, session_closed_words(session));
    else if (serves)
        session_detach(core, session);
    if (session)
        session_passed(core, session);
}

void session_carrier_forget(struct core *core, struct channel *channel)
{
    struct carrier *carrier = channel->carrier;
    channel->carrier = NULL;
    channel->service->carrier_count--;
    core->sessions.carriers -= !channel->finished;
    carrier_destroy(&carrier);
}
