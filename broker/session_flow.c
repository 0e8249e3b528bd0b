/* Events of carriers on their way to their session: in which order they go on, and when
 * they are acknowledged. */
#include "broker/session_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTACH_ORIGIN = CHANNEL_ID_MAX + 32, // room for "o=channel:seq"
};

/* ---- Acknowledgements ---- */

/* What is acknowledged of the session is so of the carrier; when that is all of it, and
 * it is closed, its record ends. */
void session_pass_carrier_acks(struct core *core, struct carrier *carrier, uint64_t seq)
{
    struct channel *channel = carrier->channel;
    const struct session *session = carrier->session;
    size_t done = carrier_acknowledge(carrier, seq);
    if (done == 0)
        return;
    channel->acked += done;
    if (!carrier->closed || carrier->count > 0) {
        dispatch_ack(channel);
        return;
    }
    list_remove(&carrier->of_session);
    list_remove(&carrier->due_place);
    carrier->session = NULL;
    core->sessions.carriers--;
    if (session && session->current && carrier->mode != CARRIER_POST)
        session_owe(core, session->current, CARRIER_DUE_BIND); // one older carrier less
    dispatch_finish(core, channel);
}

void session_pass_acks(struct core *core, struct session *session)
{
    struct link *at = list_first(&session->carriers), *next;
    for (; at; at = next) {
        next = list_after(&session->carriers, at);
        session_pass_carrier_acks(core, list_item(at, struct carrier, of_session),
                                  session->acked);
    }
}

void session_taken(struct core *core, struct carrier *carrier, uint64_t needs)
{
    const struct session *session = carrier->session;
    carrier->channel->last++;
    carrier_needs(carrier, needs);
    session_pass_carrier_acks(core, carrier, session ? session->acked : UINT64_MAX);
}

/* ---- Whose turn it is ---- */

/* Does an older carrier still have messages to come first? */
static bool s_must_wait(const struct core *core, const struct carrier *carrier)
{
    const struct session *session = carrier->session;
    if (session->hold_until_ms > core->now_ms || list_has(&session->of_announcer))
        return true;
    const struct link *at = list_first(&session->carriers);
    for (; at; at = list_after(&session->carriers, at)) {
        const struct carrier *older = list_item(at, struct carrier, of_session);
        if (older == carrier)
            return false;
        if (older->state == CARRIER_SUPERSEDED && !older->closed)
            return true;
    }
    return false;
}

void session_park(struct core *core, struct carrier *carrier)
{
    core_dropped(core, CORE_DROP_WAITING);
    carrier->flow = CARRIER_PARKED;
}

void session_ask(struct core *core, struct carrier *carrier)
{
    carrier->flow = CARRIER_ASKED;
    session_owe(core, carrier, CARRIER_DUE_RESEND);
}

void session_wake(struct core *core, struct session *session)
{
    struct link *at = list_first(&session->carriers);
    for (; at; at = list_after(&session->carriers, at)) {
        struct carrier *carrier = list_item(at, struct carrier, of_session);
        if (carrier->flow != CARRIER_PARKED || carrier->state == CARRIER_WAITING)
            continue;
        bool early = carrier->waits_n > session->taken + 1 &&
                     (carrier->mode == CARRIER_POST || session_is_early(core));
        if (!early && !s_must_wait(core, carrier) && session_has_room(session, 0))
            session_ask(core, carrier);
    }
}

/* The lowest number that waits for its turn on a post; 0: none does. */
static uint64_t s_lowest_waiting(const struct session *session)
{
    uint64_t lowest = 0;
    for (struct link *at = list_first(&session->carriers); at;
         at = list_after(&session->carriers, at)) {
        const struct carrier *carrier = list_item(at, struct carrier, of_session);
        if (carrier->mode == CARRIER_POST && carrier->flow == CARRIER_PARKED &&
            carrier->waits_n > 0 && (lowest == 0 || carrier->waits_n < lowest))
            lowest = carrier->waits_n;
    }
    return lowest;
}

/* The copy that was announced may be older than what the client was told was taken. */
static void s_expect_skip(struct core *core, struct session *session)
{
    if (!session->taken_unsure || list_has(&session->of_unsure))
        return;
    session->skip_ms = core->now_ms + core->settings.edge_lease_ms;
    list_append(&core->sessions.unsure, &session->of_unsure);
}

/* Does a message wait whose number was not looked at, since older carriers come first? */
static bool s_has_unread(const struct session *session)
{
    for (struct link *at = list_first(&session->carriers); at;
         at = list_after(&session->carriers, at)) {
        const struct carrier *carrier = list_item(at, struct carrier, of_session);
        if (carrier->flow != CARRIER_FLOWS && carrier->waits_n == 0)
            return true;
    }
    return false;
}

void session_skip(struct core *core, struct session *session)
{
    uint64_t lowest = s_lowest_waiting(session);
    list_remove(&session->of_unsure);
    if (!session->taken_unsure || lowest <= session->taken + 1)
        return;
    if (s_has_unread(session)) {
        s_expect_skip(core, session);
        return;
    }
    session->taken_unsure = false;
    session->taken = lowest - 1;
    session_say(core, session, SESSION_SAYS_LOST, "skipped", payload_none());
    session_wake(core, session);
}

/* ---- Messages ---- */

/* False: the message of this number is not to be taken now, or not again; it was dealt
 * with. */
static bool s_is_next(struct core *core, struct carrier *carrier, uint64_t n)
{
    struct session *session = carrier->session;
    if (n == 0 || n == session->taken + 1)
        return true;
    if (n <= session->taken) { // a repetition: done when the first one is
        const struct session_event *first = session_event_of(session, n);
        core_dropped(core, CORE_DROP_REPEAT);
        session_taken(core, carrier, first ? first->seq : 0);
        return false;
    }
    if (carrier->mode == CARRIER_POST || session_is_early(core)) {
        carrier->waits_n = n;
        session_park(core, carrier);
        s_expect_skip(core, session);
        return false;
    }
    session_say(core, session, SESSION_SAYS_LOST, "skipped", payload_none());
    return true;
}

static void s_take_message(struct core *core, struct carrier *carrier,
                           const struct event *event, uint64_t n)
{
    struct session *session = carrier->session;
    char origin[ATTACH_ORIGIN];
    struct wire_text payload = event->record->has_payload ? payload_of(event->record)
                                                          : (struct wire_text){"", 0};
    if (n)
        snprintf(origin, sizeof origin, "o=%" PRIu64, n);
    else
        snprintf(origin, sizeof origin, "o=%s:%" PRIu64, carrier->channel->id,
                 event->seq);
    struct session_event *added = session_add(
        session, strcmp(event->verb, "BIN") == 0 ? SESSION_SAYS_BIN : SESSION_SAYS_TEXT,
        n, origin, payload);
    if (!added) { // no memory: it is asked for again
        session_park(core, carrier);
        return;
    }
    added->elsewhere = carrier != session->current;
    if (n) {
        session->taken = n;
        session->taken_unsure = false;
    }
    carrier->waits_n = 0;
    session_taken(core, carrier, added->seq);
    session_message(core, session, added);
    if (n)
        session_wake(core, session); // another one may wait for its turn
}

static void s_message(struct core *core, struct carrier *carrier,
                      const struct event *event)
{
    struct session *session = carrier->session;
    uint64_t n = 0;
    struct wire_text number = wire_option(event->record, event->first, "n");
    if (number.data && (wire_u64(number, &n) < 0 || n == 0)) {
        core_dropped(core, CORE_DROP_VALUE);
        n = 0;
    }
    if (session->state != SESSION_OPEN) { // nobody hears it any more
        if (carrier->mode == CARRIER_POST)
            session_drop(core, carrier, "ended");
        else
            session_taken(core, carrier, 0);
        return;
    }
    if (s_must_wait(core, carrier)) {
        session_park(core, carrier);
        return;
    }
    if (!session_has_room(session, event->record->payload_size)) {
        if (carrier->mode == CARRIER_POST && n <= session->taken + 1)
            session_drop(core, carrier, "full");
        else
            session_park(core, carrier);
        return;
    }
    if (s_is_next(core, carrier, n))
        s_take_message(core, carrier, event, n);
}

void session_passed(struct core *core, struct session *session)
{
    if (session->current) // its edge remembers how many there are
        session_owe(core, session->current, CARRIER_DUE_BIND);
    session_wake(core, session);
}

/* CLOSE channel seq state end=1 */
static void s_close(struct core *core, struct carrier *carrier, const struct event *event)
{
    struct session *session = carrier->session;
    bool serves = session->current == carrier;
    bool ends =
        wire_is(wire_option(event->record, event->first, "end"), "1") ||
        (serves && carrier->channel->ws && wire_is(event->record->token[3], "1000"));
    if (s_must_wait(core, carrier)) {
        session_park(core, carrier);
        return;
    }
    carrier->closed = true;
    carrier->due &= CARRIER_DUE_DROP; // it is not there any more
    if (serves) {
        session->current = NULL;
        core->sessions.attached--;
    }
    uint64_t needs = 0;
    if (session->state == SESSION_CLOSING && serves)
        session_end(core, session, session_closed_words(session));
    else if (ends && session->state == SESSION_OPEN)
        session_end(core, session, "1000 cause=client");
    else if (serves)
        session_detach(core, session);
    if (ends && session->state == SESSION_ENDED)
        needs = session->last;
    bool late = carrier->state == CARRIER_SUPERSEDED;
    if (carrier->lost_after)
        session_tell_lost(core, session);
    carrier->lost_after = false;
    session_taken(core, carrier, needs);
    if (late)
        session_wake(core, session);
}

/* A carrier that is of no use: whatever it says is done with. */
static void s_throw_away(struct core *core, struct carrier *carrier,
                         const struct event *event)
{
    struct channel *channel = carrier->channel;
    channel->last = channel->acked = event->seq;
    if (event->kind != EVENT_CLOSE) {
        dispatch_ack(channel);
        return;
    }
    carrier->closed = true;
    list_remove(&carrier->due_place);
    core->sessions.carriers--;
    dispatch_finish(core, channel);
}

void session_carrier_event(struct core *core, struct channel *channel,
                           const struct event *event)
{
    struct carrier *carrier = channel->carrier;
    bool next = event->seq == channel->last + 1;
    if (event->seq <= channel->last) {
        core_dropped(core, CORE_DROP_REPEAT);
        if (event->seq <= channel->acked)
            dispatch_ack(channel);
        return;
    }
    if (carrier->state == CARRIER_DROPPED) {
        s_throw_away(core, carrier, event);
        return;
    }
    if (carrier->flow == CARRIER_ASKED && next)
        carrier->flow = CARRIER_FLOWS;
    if (carrier->flow != CARRIER_FLOWS)
        core_dropped(core, CORE_DROP_WAITING);
    else if (!next)
        session_ask(core, carrier);
    else if (event->kind == EVENT_MESSAGE)
        s_message(core, carrier, event);
    else if (event->kind == EVENT_CLOSE)
        s_close(core, carrier, event);
    else // pressure: the session has its own
        session_taken(core, carrier, 0);
}
