/* Sessions towards workers: to the rest of the core a session is a channel of an edge.
 * This is that edge: it keeps the events until they are acknowledged, and repeats them.
 */
#include "broker/session_core.h"
#include "broker/session_meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UP_NUMBER = 24 }; // room for a number, or "try=n"

static void s_add(struct wire_record *record, const char *token)
{
    record->token[record->count++] = answer_key(token);
}

/* Words that are separated by single spaces. */
static void s_add_words(struct wire_record *record, const char *words)
{
    while (*words) {
        size_t size = strcspn(words, " ");
        record->token[record->count++] = (struct wire_text){words, size};
        words += size + (words[size] == ' ');
    }
}

static void s_set_payload(struct wire_record *record, const struct blob *payload)
{
    record->has_payload = payload != NULL;
    record->payload = payload ? payload->data : NULL;
    record->payload_size = payload ? payload->size : 0;
}

/* One event of the session, as an edge would say it. */
static void s_emit(struct core *core, struct session *session,
                   const struct session_event *event)
{
    char seq[UP_NUMBER], gen[UP_NUMBER], try[UP_NUMBER];
    struct wire_record record;
    record.count = 0;
    s_add(&record, session_verb_name(event->verb));
    s_add(&record, session->id);
    snprintf(seq, sizeof seq, "%" PRIu64, event->seq);
    s_add(&record, seq);
    if (event->verb == SESSION_SAYS_OPEN) {
        snprintf(gen, sizeof gen, "%" PRIu32, session->gen);
        s_add(&record, session->service->name);
        s_add(&record, gen);
        s_add(&record, "ws=1");
    }
    s_add_words(&record, event->words);
    if (event->tries > 0) {
        snprintf(try, sizeof try, "try=%u", event->tries + 1);
        s_add(&record, try);
    }
    s_set_payload(&record, event->payload);
    from_edge_own(core, core->sessions.edge, &record);
}

/* Everything after seq that is not acknowledged. */
static void s_emit_after(struct core *core, struct session *session, uint64_t seq)
{
    for (struct link *at = list_first(&session->events); at;
         at = list_after(&session->events, at)) {
        const struct session_event *event = list_item(at, struct session_event, order);
        if (event->seq > seq)
            s_emit(core, session, event);
    }
}

void session_go_on(struct core *core, struct session *session)
{
    char acked[UP_NUMBER], gen[UP_NUMBER];
    struct wire_record record;
    record.count = 0;
    snprintf(acked, sizeof acked, "%" PRIu64, session->acked);
    snprintf(gen, sizeof gen, "%" PRIu32, session->gen);
    s_add(&record, "ADOPT");
    s_add(&record, session->id);
    s_add(&record, acked);
    s_add(&record, session->service->name);
    s_add(&record, session->worker ? session->worker : "-");
    s_add(&record, gen);
    s_add(&record, "ws=1");
    s_set_payload(&record, session->meta);
    from_edge_own(core, core->sessions.edge, &record);
}

void session_message(struct core *core, struct session *session,
                     const struct session_event *event)
{
    s_emit(core, session, event);
}

void session_say(struct core *core, struct session *session, enum session_verb verb,
                 const char *words, struct wire_text payload)
{
    const struct session_event *event = session_add(session, verb, 0, words, payload);
    core->stats.sessions_lost += verb == SESSION_SAYS_LOST;
    if (event)
        s_emit(core, session, event);
}

void session_tell_presence(struct core *core, struct session *session)
{
    bool attached = session->current != NULL;
    if (session->told_attached == attached || session->state == SESSION_ENDED ||
        session->notes >= SESSION_NOTES_MAX || session->channel->service->curious == 0)
        return;
    session->told_attached = attached;
    session_say(core, session, attached ? SESSION_SAYS_ATTACHED : SESSION_SAYS_DETACHED,
                session->former ? session->former : "-", payload_none());
}

void session_tell_lost(struct core *core, struct session *session)
{
    if (session->state == SESSION_OPEN && session->taken == 0 && !session->lost_told)
        session_say(core, session, SESSION_SAYS_LOST, "edge-lost", payload_none());
}

/* An event that workers die of ends its session; never a CLOSE. */
static bool s_count_tries(struct session *session, uint64_t tried)
{
    bool poison = false;
    for (struct link *at = list_first(&session->events); at;
         at = list_after(&session->events, at)) {
        struct session_event *event = list_item(at, struct session_event, order);
        if (event->seq > tried || event->verb == SESSION_SAYS_CLOSE)
            break;
        poison |= ++event->tries >= SESSION_TRIES_MAX;
    }
    return poison;
}

/* What was tried so often is given up, and what came after it too. */
static void s_end_by_poison(struct core *core, struct session *session)
{
    uint64_t last = session->last;
    if (session->state == SESSION_ENDED)
        return;
    (void)session_acknowledge(session, last);
    session_pass_acks(core, session);
    session_end(core, session, "1011 cause=poison");
}

/* RESEND c sid gen from= or tried= */
static void s_resend(struct core *core, struct session *session,
                     const struct wire_record *record)
{
    uint64_t gen, number = 0;
    struct wire_text from = wire_option(record, 4, "from");
    if (wire_u64(record->token[3], &gen) == 0)
        session->gen = (uint32_t)gen;
    if (from.data) {
        if (wire_u64(from, &number) == 0)
            s_emit_after(core, session, number);
        return;
    }
    if (wire_u64(wire_option(record, 4, "tried"), &number) == 0 &&
        s_count_tries(session, number))
        s_end_by_poison(core, session);
    if (session->acked > 0)
        session_go_on(core, session);
    s_emit_after(core, session, session->acked);
}

/* A worker has processed all up to seq. */
static void s_acknowledged(struct core *core, struct session *session, uint64_t seq)
{
    bool open = session->acked == 0 && seq > 0;
    (void)session_acknowledge(session, seq);
    if (open)
        session_meta_shorten(&session->meta);
    if (session->up_elsewhere && session->current)
        session_owe(core, session->current, CARRIER_DUE_UP);
    session_tell_holder(session);
    session_pass_acks(core, session);
    session_wake(core, session);
    session_tell_presence(core, session);
}

/* ACK c - LF lines "sid seq" */
static void s_take_acks(struct core *core, const struct wire_record *record)
{
    const char *at = (const char *)record->payload, *end = at + record->payload_size;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        const char *space = memchr(at, ' ', (size_t)(end - at));
        uint64_t seq = 0;
        struct session *session =
            session_find(&core->sessions, (struct wire_text){at, (size_t)(space - at)});
        (void)wire_u64((struct wire_text){space + 1, (size_t)(line - space - 1)}, &seq);
        if (session)
            s_acknowledged(core, session, seq);
        at = line + 1;
    }
}

static void s_take(struct core *core, const struct wire_record *record)
{
    struct session *session =
        record->count > 2 ? session_find(&core->sessions, record->token[2]) : NULL;
    if (wire_is(record->token[0], "ACK")) {
        s_take_acks(core, record);
    } else if (session && wire_is(record->token[0], "RESEND")) {
        s_resend(core, session, record);
    } else if (session && wire_is(record->token[0], "BOUND")) {
        session_set(&session->worker,
                    wire_is(record->token[3], "-") ? payload_none() : record->token[3]);
        if (session->current)
            session_owe(core, session->current, CARRIER_DUE_BIND);
        else
            session_changed(core, session);
    }
}

void session_run(struct core *core)
{
    struct edge *edge = core->sessions.edge;
    struct command_ring *ring = &edge->ring;
    while (ring->first < ring->next) {
        struct wire_record record;
        uint64_t c = ring->first;
        struct blob *command = blob_ref(command_ring_at(ring, c));
        command_ring_trim(ring, c);
        if (wire_read(command->data, command->size, &record) == 0)
            s_take(core, &record);
        dispatch_told(core, edge, c);
        blob_unref(&command);
    }
}
