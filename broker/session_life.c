/* The life of sessions: their grace, their ends, and what edges bring back after the
 * broker has started anew. */
#include "broker/session_core.h"

#include "broker/session_meta.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIFE_SHIFT = 12,        // events of a session in a millisecond
    LIFE_RING = 1 << 30,    // the ring of our own edge is emptied at once
    LIFE_FENCE_MS = 120000, // an ended session does not come back
};

void session_start(struct core *core)
{
    struct sessions *sessions = &core->sessions;
    const struct core_settings *settings = &core->settings;
    sessions_init(sessions);
    session_rings_init(&sessions->rings, settings->session_ring_bytes,
                       settings->session_rings_bytes, settings->session_ring_age_ms);
    sessions->edge = edge_new_apart("session");
    command_ring_init(&sessions->edge->ring, LIFE_RING, LIFE_RING);
    sessions->edge->synced = true;
}

static void s_free(struct core *core, struct session *session)
{
    struct link *first;
    session_refuse_receipts(core, session);
    while ((first = list_first(&session->carriers)))
        session_drop(core, list_item(first, struct carrier, of_session), "ended");
    if (session->current)
        core->sessions.attached--;
    session_destroy(&core->sessions, &session);
}

void session_stop(struct core *core)
{
    struct sessions *sessions = &core->sessions;
    struct link *own, *due, held;
    hold_take(sessions->edge, &held);
    hold_drop(&held);
    while ((own = list_first(&sessions->edge->channels)))
        dispatch_forget(core, list_item(own, struct channel, of_edge));
    for (struct table_entry *first; (first = sessions->by_id.first);)
        s_free(core, table_item(first, struct session, by_id));
    while ((due = list_first(&sessions->due)) || (due = list_first(&sessions->stuck)))
        list_remove(due);
    assert(list_is_empty(&sessions->forgets));
    edge_destroy(&sessions->edge);
}

bool session_may_come(const struct core *core, struct wire_text id)
{
    return session_is_early(core) && !fence_has(&core->fence, id.data, id.size);
}

bool session_is_early(const struct core *core)
{
    return core->now_ms < core->started_ms + core->settings.edge_lease_ms;
}

uint64_t session_first_number(const struct core *core)
{
    return (uint64_t)core->settings.born_ms << LIFE_SHIFT;
}

const char *session_closed_words(const struct session *session)
{
    const char *status = session->closing ? session->closing : "";
    bool failed = strcmp(status, "500") == 0 || strcmp(status, "1011") == 0;
    return failed ? "0 cause=app-error" : "0 cause=server";
}

void session_set_holder(struct core *core, struct session *session, struct edge *edge)
{
    if (session->holder == edge)
        return;
    if (session->holder)
        session_forget_copy(core, session->holder, answer_key(session->id));
    list_remove(&session->of_holder);
    session->holder = edge;
    if (edge)
        list_append(&edge->sessions, &session->of_holder);
}

bool session_lacks_former(const struct session *session)
{
    if (!list_has(&session->of_announcer))
        return false;
    for (struct link *at = list_first(&session->carriers); at;
         at = list_after(&session->carriers, at))
        if (list_item(at, struct carrier, of_session)->att == session->older_than)
            return false;
    return true;
}

/* Its edge announces no more of it. */
static void s_announced_all(struct core *core, struct session *session)
{
    bool lacked = session_lacks_former(session);
    list_remove(&session->of_announcer);
    if (lacked)
        session_passed(core, session);
    else
        session_wake(core, session);
}

void session_edge_synced(struct core *core, struct edge *edge)
{
    struct link *first;
    while ((first = list_first(&edge->announced)))
        s_announced_all(core, list_item(first, struct session, of_announcer));
}

/* Nobody knows between which of the others they were. */
static void s_tell_lost_everywhere(struct core *core, struct session *session)
{
    session_tell_lost(core, session);
    for (struct link *at = list_first(&session->carriers); at;
         at = list_after(&session->carriers, at))
        list_item(at, struct carrier, of_session)->lost_after = true;
}

void session_edge_lost(struct core *core, struct edge *edge)
{
    struct link *first;
    /* It died before it had announced its carriers: what they had is not known. */
    while ((first = list_first(&edge->announced))) {
        struct session *session = list_item(first, struct session, of_announcer);
        s_tell_lost_everywhere(core, session);
        s_announced_all(core, session);
    }
    session_forget_forgets(core, edge);
    while ((first = list_first(&edge->sessions))) {
        list_remove(first);
        list_item(first, struct session, of_holder)->holder = NULL;
    }
}

void session_detach(struct core *core, struct session *session)
{
    session->until_ms = core->now_ms + core->settings.session_grace_ms;
    list_remove(&session->place);
    list_append(&core->sessions.away, &session->place);
    session_tell_presence(core, session);
    if (session->copy_behind) // perhaps its carrier had gone before it could take it
        session_changed(core, session);
}

void session_end(struct core *core, struct session *session, const char *words)
{
    if (session->state == SESSION_ENDED)
        return;
    session_leave(core, session);
    session->state = SESSION_ENDED;
    session->until_ms = core->now_ms;
    list_remove(&session->place);
    list_append(&core->sessions.ended, &session->place);
    core->sessions.ended_count++;
    if (session->current)
        session_drop(core, session->current, "ended");
    session_refuse_receipts(core, session);
    session_ring_clear(&session->ring);
    if (core->now_ms < core->started_ms + LIFE_FENCE_MS)
        fence_add(&core->fence, session->id, SESSION_ID_SIZE,
                  core->now_ms + LIFE_FENCE_MS);
    core->stats.sessions_ended++;
    session_say(core, session, SESSION_SAYS_CLOSE, words, (struct wire_text){"", 0});
}

void session_over(struct core *core, struct wire_text id)
{
    struct session *session = session_find(&core->sessions, id);
    if (!session)
        return;
    session_set_holder(core, session, NULL);
    s_free(core, session);
}

/* ---- After a restart of the broker ---- */

/* What follows a topic in its line. */
static void s_read_topic(struct session *session, struct wire_text name,
                         struct wire_text rest)
{
    const char *space = memchr(rest.data, ' ', rest.size);
    struct wire_text position = {rest.data,
                                 space ? (size_t)(space - rest.data) : rest.size};
    struct session_topic *topic =
        topic_name_is_valid(name) && position.size <= POSITION_MAX
            ? session_topic_get(session, name, position)
            : NULL;
    if (topic && space)
        topic->present = wire_is(
            (struct wire_text){space + 1, rest.size - position.size - 1}, "presence=1");
}

/* Lines "topic position" up to an empty one; returns what follows. */
static struct wire_text s_read_topics(struct session *session, struct wire_text lines)
{
    while (lines.size > 0) {
        const char *end = memchr(lines.data, '\n', lines.size);
        size_t size = end ? (size_t)(end - lines.data) : lines.size;
        const char *space = memchr(lines.data, ' ', size);
        struct wire_text line = {lines.data, size};
        lines.data += size + (end != NULL);
        lines.size -= size + (end != NULL);
        if (line.size == 0)
            break;
        if (!space)
            continue;
        struct wire_text name = {line.data, (size_t)(space - line.data)};
        s_read_topic(session, name,
                     (struct wire_text){space + 1, line.size - name.size - 1});
    }
    return lines;
}

/* Its subscriptions are those of a newer copy: it leaves the topics that are not among
 * them. */
static struct wire_text s_replace_topics(struct core *core, struct session *session,
                                         struct wire_text lines)
{
    struct link former;
    list_init(&former);
    while (!list_is_empty(&session->topics))
        list_append(&former, list_pop(&session->topics));
    session->topic_count = 0;
    struct wire_text rest = s_read_topics(session, lines);
    while (!list_is_empty(&former)) {
        struct session_topic *topic =
            list_item(list_pop(&former), struct session_topic, order);
        const struct session_topic *now =
            session_topic_find(session, answer_key(topic->name));
        if (!now || !now->present)
            session_exit(core, session, topic);
        free(topic);
    }
    session_enter(core, session);
    return rest;
}

/* The worker, the label and the subscriptions of a newer copy; returns the rest of its
 * payload. */
static struct wire_text s_take_copy(const struct announcement *from,
                                    struct session *session)
{
    const struct wire_record *record = from->record;
    struct wire_text worker = record->token[4];
    struct wire_text label = wire_option(record, from->options, "label");
    session_set(&session->worker, wire_is(worker, "-") ? payload_none() : worker);
    if (session->channel && label.data && label_is_valid(label))
        label_set(&from->core->labels, session->channel, label);
    if (session->topics_ours)
        return payload_none();
    session_set_slow(session, wire_option(record, from->options, "slow"));
    return s_replace_topics(from->core, session, payload_of(record));
}

/* It goes on under numbers that no earlier life of the broker gave out. */
static void s_revive(const struct announcement *from, struct session *session,
                     struct service *service)
{
    struct core *core = from->core;
    list_remove(&session->place);
    session->state = SESSION_OPEN;
    session->service = service;
    session->last = session->acked = session_first_number(core);
    session->taken_unsure = true;
    session->told_attached = true; // whatever workers were told: they hear what is new
    session->ring.lost = core->sequence.delivered; // all that was in it
    session_set(&session->as, wire_option(from->record, from->options, "as"));
    struct wire_text meta = s_take_copy(from, session);
    session_set_meta(session, meta.size > 0 ? meta : payload_none());
    session_meta_shorten(&session->meta);
    session_go_on(core, session);
    session->channel = channel_find(&core->channels, answer_key(session->id));
    core->sessions.found = true;
    core->stats.sessions_revived++;
    session_detach(core, session);
}

/* Carriers that are here, and are older than att. */
static uint64_t s_count_here(const struct session *session, uint64_t att)
{
    uint64_t count = 0;
    for (struct link *at = list_first(&session->carriers); at;
         at = list_after(&session->carriers, at)) {
        const struct carrier *carrier = list_item(at, struct carrier, of_session);
        count += carrier->state != CARRIER_WAITING && !carrier->closed &&
                 carrier->att > 0 && carrier->att < att;
    }
    return count;
}

/* Of the carriers that go before those of the announcement some are still to come. */
static void s_expect_older(const struct announcement *from, struct session *session,
                           uint64_t att)
{
    const struct core *core = from->core;
    uint64_t older, here = s_count_here(session, att);
    if (wire_u64(wire_option(from->record, from->options, "older"), &older) < 0)
        older = 0;
    session->older = older > here ? older - here : 0;
    session->older_than = att;
    if (session->older > 0 && session_is_early(core))
        session->hold_until_ms = core->started_ms + core->settings.edge_lease_ms;
}

/* What the announcement says counts if it is the newest. */
static void s_learn(const struct announcement *from, struct session *session,
                    uint64_t att, uint64_t up)
{
    struct core *core = from->core;
    struct wire_text position = from->record->token[6];
    uint64_t number;
    if (up > session->taken)
        session->taken = up;
    if (up > session->up)
        session->up = up;
    if (att < session->att && session->holder != from->edge) {
        session_forget_copy(core, from->edge, answer_key(session->id));
        return;
    }
    if (att > session->att) {
        (void)s_take_copy(from, session); // the one before was older
        session->att = att;
        memcpy(session->position, position.data, position.size);
        session->position[position.size] = 0;
        if (position_read(position, core_epoch(core), &number) == 0 &&
            number <= core->sequence.delivered)
            session->seen = number;
        s_expect_older(from, session, att);
    }
    if (!from->edge->synced && !list_has(&session->of_announcer))
        list_append(&from->edge->announced, &session->of_announcer);
    session_set_holder(core, session, from->edge);
}

/* SESS sid att service worker up position as= older= label= slow= */
bool session_announced(const struct announcement *from, struct service *service)
{
    struct core *core = from->core;
    const struct wire_record *record = from->record;
    struct wire_text as = wire_option(record, from->options, "as");
    uint64_t att, up;
    if (!session_id_is_valid(record->token[1]) || wire_u64(record->token[2], &att) < 0 ||
        wire_u64(record->token[5], &up) < 0 || record->token[6].size > POSITION_MAX ||
        record->token[4].size > WORKER_NAME_MAX || as.size < 1 ||
        as.size > SESSION_AS_MAX)
        return false;
    struct session *session = session_find(&core->sessions, record->token[1]);
    bool known = session && session->state != SESSION_EXPECTED;
    if (!known && (from->edge->known ||
                   (!session && core->sessions.count >= core->settings.sessions) ||
                   fence_has(&core->fence, record->token[1].data, SESSION_ID_SIZE))) {
        session_forget_copy(core, from->edge, record->token[1]);
        return true;
    }
    if (known && session->state == SESSION_ENDED)
        return true; // FORGET follows
    if (!session)
        session = session_new(&core->sessions, record->token[1]);
    if (!known)
        s_revive(from, session, service);
    s_learn(from, session, att, up);
    if (!known)
        session_admit_waiting(core, session);
    return true;
}

/* ---- Time ---- */

static struct session *s_first(const struct link *list)
{
    struct link *first = list_first(list);
    return first ? list_item(first, struct session, place) : NULL;
}

/* Nobody has announced them: who waits for them is told. */
static void s_give_up_expected(struct core *core)
{
    for (struct session *session; (session = s_first(&core->sessions.expected));) {
        struct link *first;
        while ((first = list_first(&session->carriers)))
            session_drop(core, list_item(first, struct carrier, of_session), "unknown");
        s_free(core, session);
    }
}

static void s_wake_all(struct core *core)
{
    for (struct table_entry *at = core->sessions.by_id.first; at; at = table_after(at)) {
        struct session *session = table_item(at, struct session, by_id);
        if (session->older > 0) { // carriers whose edge died with the former broker
            session->older = 0;
            s_tell_lost_everywhere(core, session);
        }
        if (session->state != SESSION_EXPECTED)
            session_wake(core, session);
    }
}

/* Nobody fetches its CLOSE. */
static void s_forget_channel(struct core *core, struct channel *channel)
{
    struct member *member = channel->member;
    dispatch_forget(core, channel);
    if (member)
        dispatch_left(core, member);
}

void session_tick(struct core *core)
{
    struct sessions *sessions = &core->sessions;
    struct session *session;
    if (!session_is_early(core) && !sessions->grown) {
        struct link held;
        sessions->grown = true;
        s_give_up_expected(core);
        s_wake_all(core);
        hold_take(sessions->edge, &held);
        hold_release(core, &held);
    }
    while (!list_is_empty(&sessions->unsure)) {
        session = list_item(list_first(&sessions->unsure), struct session, of_unsure);
        if (session->skip_ms > core->now_ms)
            break;
        session_skip(core, session);
    }
    while ((session = s_first(&sessions->away)) && session->until_ms <= core->now_ms)
        session_end(core, session,
                    session->state == SESSION_CLOSING ? session_closed_words(session)
                                                      : "1006 cause=timeout");
    while ((session = s_first(&sessions->ended)) &&
           (session->until_ms + CORE_CLOSE_MS < core->now_ms ||
            core->sessions.ended_count > core->settings.closes))
        s_forget_channel(core, session->channel);
    session_rings_expire(&sessions->rings, core->now_ms);
    session_settle(core);
}

void session_settle(struct core *core)
{
    session_run(core);
    session_pay(core);
}

void session_turn(struct core *core)
{
    struct sessions *sessions = &core->sessions;
    if (sessions->found) {
        struct link held;
        sessions->found = false;
        hold_take(sessions->edge, &held);
        hold_release(core, &held);
    }
    (void)dispatch_pass_acks(core, sessions->edge);
    session_settle(core);
    session_pay_stuck(core);
}
