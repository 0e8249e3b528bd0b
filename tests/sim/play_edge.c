/* An edge as sections 5 and 5.4 of the specification have it, with its clients. */
#include "tests/sim/play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct play_carrier *s_find(struct play_edge *edge, struct wire_text id)
{
    for (int at = 0; at < edge->carriers; at++)
        if (!edge->carrier[at].gone && wire_is(id, edge->carrier[at].id))
            return &edge->carrier[at];
    return NULL;
}

static bool s_is_current(const struct play *self, int edge,
                         const struct play_carrier *carrier)
{
    const struct play_client *client = &self->client[carrier->client];
    return client->edge == edge && &self->edge[edge].carrier[client->carrier] == carrier;
}

void play_edge_start(struct play *self, int at)
{
    struct play_edge *edge = &self->edge[at];
    edge->boot[0] = 0;
    edge->joined = false;
    edge->lastc = 0;
    edge->carriers = 0;
    memset(edge->copy, 0, sizeof edge->copy);
    snprintf(edge->epoch, sizeof edge->epoch, "%08x%08x", play_draw(self, UINT32_MAX),
             play_draw(self, UINT32_MAX));
    play_connect(self, &edge->pipe);
}

/* It dies while the broker is dead, or before it has greeted the new one: of what clients
 * said here nobody else knows, and no LOST can tell of it (5.4, 4). */
static void s_lose_unheard(struct play *self, const struct play_edge *edge)
{
    for (int at = 0; at < edge->carriers; at++) {
        const struct play_carrier *carrier = &edge->carrier[at];
        if (!carrier->gone && carrier->last > carrier->acked &&
            !self->client[carrier->client].counts)
            self->client[carrier->client].lost = true;
    }
}

void play_edge_die(struct play *self, int at)
{
    play_trace(self, "edge %d dies", at);
    if (!self->core || strcmp(self->edge[at].boot, self->core->boot) != 0)
        s_lose_unheard(self, &self->edge[at]);
    for (int client = 0; client < PLAY_CLIENTS; client++)
        if (self->client[client].edge == at)
            play_away(self, client);
    play_edge_start(self, at);
}

static void s_emit(struct play *self, int at, const struct play_carrier *carrier,
                   uint64_t seq)
{
    const struct play_event *event = &carrier->event[seq];
    const struct play_client *client = &self->client[carrier->client];
    struct play_pipe *pipe = &self->edge[at].pipe;
    if (seq == 1)
        play_say(self, pipe, "OPEN %s 1 chat 1 sid=%s mode=%s as=r%s%s%s\n{}",
                 carrier->id, client->sid, carrier->mode,
                 client->cursor[0] ? " cursor=" : "", client->cursor,
                 carrier->ws ? " ws=1" : "");
    else if (strcmp(event->verb, "CLOSE") == 0)
        play_say(self, pipe, "CLOSE %s %" PRIu64 " %s\n", carrier->id, seq, event->rest);
    else if (event->n)
        play_say(self, pipe, "TEXT %s %" PRIu64 " n=%" PRIu64 "\n%u", carrier->id, seq,
                 event->n, event->k);
    else
        play_say(self, pipe, "TEXT %s %" PRIu64 "\n%u", carrier->id, seq, event->k);
}

static void s_emit_after(struct play *self, int at, const struct play_carrier *carrier,
                         uint64_t seq)
{
    if (seq < carrier->acked)
        seq = carrier->acked;
    while (++seq <= carrier->last)
        s_emit(self, at, carrier, seq);
}

void play_event(struct play *self, int at, struct play_carrier *carrier,
                const struct play_event *event)
{
    bool closes = strcmp(event->verb, "CLOSE") == 0;
    if (carrier->over || (!closes && carrier->last + 2 >= PLAY_EVENTS))
        return;
    carrier->event[++carrier->last] = *event;
    carrier->over = closes;
    if (self->edge[at].joined)
        s_emit(self, at, carrier, carrier->last);
}

struct play_carrier *play_open(struct play *self, int at, int client, const char *mode,
                               bool ws)
{
    struct play_edge *edge = &self->edge[at];
    if (edge->carriers == PLAY_CARRIERS)
        return NULL;
    struct play_carrier *carrier = &edge->carrier[edge->carriers];
    *carrier = (struct play_carrier){.client = client, .ws = ws};
    char epoch[sizeof edge->epoch]; // the compiler sees both names in one object
    memcpy(epoch, edge->epoch, sizeof epoch);
    snprintf(carrier->id, sizeof carrier->id, "e%d.%s.%x", at, epoch,
             (unsigned)edge->carriers);
    snprintf(carrier->mode, sizeof carrier->mode, "%s", mode);
    edge->carriers++;
    carrier->event[1] = (struct play_event){.verb = "OPEN"};
    carrier->last = 1;
    if (edge->joined)
        s_emit(self, at, carrier, 1);
    return carrier;
}

/* Nothing more of it: its CLOSE with these words. */
static void s_close(struct play *self, int at, struct play_carrier *carrier,
                    const char *words)
{
    struct play_event close = {.verb = "CLOSE"};
    snprintf(close.rest, sizeof close.rest, "%s", words);
    play_event(self, at, carrier, &close);
    if (s_is_current(self, at, carrier))
        play_away(self, carrier->client);
}

/* A worker has processed the client's messages up to n: the client knows, and the copy.
 */
static void s_count(struct play *self, int at, int client, uint64_t n)
{
    struct play_copy *copy = &self->edge[at].copy[client];
    if (n > self->client[client].n_acked)
        self->client[client].n_acked = n;
    if (copy->held && n > copy->up)
        copy->up = n;
}

static void s_take_acks(struct play *self, int at, const struct wire_record *record)
{
    struct wire_text rest = payload_of(record);
    while (rest.size > 0) {
        const char *line = memchr(rest.data, '\n', rest.size);
        const char *space = memchr(rest.data, ' ', rest.size);
        uint64_t seq = 0;
        struct play_carrier *carrier = s_find(
            &self->edge[at], (struct wire_text){rest.data, (size_t)(space - rest.data)});
        (void)wire_u64((struct wire_text){space + 1, (size_t)(line - space - 1)}, &seq);
        for (; carrier && carrier->acked < seq && carrier->acked < carrier->last;) {
            const struct play_event *event = &carrier->event[++carrier->acked];
            if (!carrier->dropped)
                s_count(self, at, carrier->client, event->n);
        }
        if (carrier && carrier->over && carrier->acked == carrier->last)
            carrier->gone = true;
        rest.size -= (size_t)(line + 1 - rest.data);
        rest.data = line + 1;
    }
}

static void s_ask(struct play *self, int at, struct play_carrier *carrier)
{
    const char *cursor = self->client[carrier->client].cursor;
    const struct play_copy *copy = &self->edge[at].copy[carrier->client];
    carrier->live = false;
    play_say(self, &self->edge[at].pipe, "HGET %s %s %u n=%" PRIu64, carrier->id,
             cursor[0] ? cursor : copy->position, 1 + play_draw(self, 20),
             ++carrier->ask);
}

static void s_bind(struct play *self, int at, struct play_carrier *carrier,
                   const struct wire_record *record)
{
    struct play_copy *copy = &self->edge[at].copy[carrier->client];
    *copy = (struct play_copy){.held = true};
    (void)wire_u64(record->token[4], &copy->att);
    (void)wire_u64(record->token[5], &copy->up);
    play_text(copy->position, sizeof copy->position, record->token[6]);
    (void)wire_u64(wire_option(record, 7, "older"), &copy->older);
    struct wire_text worker = wire_option(record, 7, "worker");
    if (worker.data)
        play_text(copy->worker, sizeof copy->worker, worker);
    carrier->att = copy->att;
    s_count(self, at, carrier->client, copy->up);
    if (carrier->bound)
        return;
    carrier->bound = true;
    carrier->live = strcmp(carrier->mode, "new") == 0;
    struct play_client *client = &self->client[carrier->client];
    if (carrier->live && !client->cursor[0]) // it is told where it begins
        play_text(client->cursor, sizeof client->cursor, record->token[6]);
    if (!carrier->live)
        s_ask(self, at, carrier);
    if (s_is_current(self, at, carrier))
        play_bound(self, at, carrier);
}

static void s_receive(struct play *self, struct play_carrier *carrier,
                      struct wire_text position, const struct wire_record *record)
{
    struct play_client *client = &self->client[carrier->client];
    play_received(self, carrier->client, play_number(record));
    play_text(client->cursor, sizeof client->cursor, position);
}

/* Of the newest question, or of none? */
static bool s_is_answer(const struct play_carrier *carrier,
                        const struct wire_record *record, bool unasked)
{
    uint64_t n;
    struct wire_text number = wire_option(record, 3, "n");
    if (!number.data)
        return unasked;
    return wire_u64(number, &n) == 0 && n == carrier->ask;
}

static void s_live(struct play *self, int at, struct play_carrier *carrier,
                   const struct wire_record *record)
{
    struct play_client *client = &self->client[carrier->client];
    if (!wire_option(record, 3, "n").data && !carrier->live)
        return; // it has asked already
    play_text(client->cursor, sizeof client->cursor, record->token[3]);
    if (wire_option(record, 4, "more").data)
        s_ask(self, at, carrier);
    else
        carrier->live = true;
}

/* What it says from now on is acknowledged, and nobody hears it. */
static void s_drop(struct play *self, int at, struct play_carrier *carrier,
                   struct wire_text reason)
{
    bool current = s_is_current(self, at, carrier);
    carrier->dropped = true;
    if (carrier->over)
        return;
    if (current && (wire_is(reason, "ended") || wire_is(reason, "unknown")))
        self->client[carrier->client].over = true;
    s_close(self, at, carrier, "4409");
}

static void s_take_of_carrier(struct play *self, int at, struct play_carrier *carrier,
                              const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    struct play_client *client = &self->client[carrier->client];
    bool current = s_is_current(self, at, carrier);
    if (wire_is(verb, "BIND"))
        s_bind(self, at, carrier, record);
    else if (wire_is(verb, "DROP"))
        s_drop(self, at, carrier, record->token[3]);
    else if (wire_is(verb, "CLOSE"))
        s_close(self, at, carrier, "0 cause=server");
    else if (!current)
        return;
    else if (wire_is(verb, "SEND") && carrier->live)
        s_receive(self, carrier, wire_option(record, 3, "pos"), record);
    else if (wire_is(verb, "HIST") && s_is_answer(carrier, record, false))
        s_receive(self, carrier, record->token[3], record);
    else if (wire_is(verb, "LIVE") && s_is_answer(carrier, record, true))
        s_live(self, at, carrier, record);
    else if (wire_is(verb, "GAP") && s_is_answer(carrier, record, false))
        client->gap = true;
}

/* UP c (channel or sid) up: a message that another carrier brought is processed. */
static void s_take_up(struct play *self, int at, const struct wire_record *record)
{
    const struct play_carrier *carrier = s_find(&self->edge[at], record->token[2]);
    int client = carrier ? carrier->client : play_client_of(self, record->token[2]);
    uint64_t up;
    if (client >= 0 && wire_u64(record->token[3], &up) == 0)
        s_count(self, at, client, up);
}

static void s_take_command(struct play *self, int at, const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    uint64_t from = 0;
    if (wire_is(verb, "ACK")) {
        s_take_acks(self, at, record);
        return;
    }
    if (wire_is(verb, "FORGET")) {
        int client = play_client_of(self, record->token[2]);
        self->edge[at].copy[client].held = false;
        return;
    }
    if (wire_is(verb, "UP")) {
        s_take_up(self, at, record);
        return;
    }
    struct play_carrier *carrier = s_find(&self->edge[at], record->token[2]);
    if (!carrier) {
        play_say(self, &self->edge[at].pipe, "GONE %.*s", (int)record->token[2].size,
                 record->token[2].data);
        return;
    }
    if (wire_is(verb, "RESEND")) {
        (void)wire_u64(wire_option(record, 4, "from"), &from);
        s_emit_after(self, at, carrier, from);
        return;
    }
    s_take_of_carrier(self, at, carrier, record);
}

static bool s_is_new(const struct play_edge *edge, int client)
{
    for (int at = 0; at < edge->carriers; at++)
        if (edge->carrier[at].client == client && !edge->carrier[at].gone &&
            edge->carrier[at].acked == 0 && strcmp(edge->carrier[at].mode, "new") == 0)
            return true;
    return false;
}

static void s_announce_sessions(struct play *self, int at)
{
    struct play_edge *edge = &self->edge[at];
    for (int client = 0; client < PLAY_CLIENTS; client++) {
        struct play_copy *copy = &edge->copy[client];
        if (copy->held && copy->until_ms && copy->until_ms < self->now_ms)
            copy->held = false;
        if (copy->held && !s_is_new(edge, client))
            play_say(
                self, &edge->pipe,
                "SESS %s %" PRIu64 " chat %s %" PRIu64 " %s as=r older=%" PRIu64 "\n\n",
                self->client[client].sid, copy->att, copy->worker[0] ? copy->worker : "-",
                copy->up, copy->position, copy->older);
    }
}

static void s_sync(struct play *self, int at)
{
    struct play_edge *edge = &self->edge[at];
    s_announce_sessions(self, at);
    for (int index = 0; index < edge->carriers; index++) {
        struct play_carrier *carrier = &edge->carrier[index];
        if (carrier->gone)
            continue;
        if (carrier->acked > 0)
            play_say(self, &edge->pipe,
                     "ADOPT %s %" PRIu64 " chat - 1 sid=%s mode=%s as=r att=%" PRIu64
                     "%s\n{}",
                     carrier->id, carrier->acked, self->client[carrier->client].sid,
                     carrier->mode, carrier->att, carrier->ws ? " ws=1" : "");
        s_emit_after(self, at, carrier, 0);
    }
    play_say(self, &edge->pipe, "SYNCED");
}

static void s_welcome(struct play *self, int at, const struct wire_record *record)
{
    struct play_edge *edge = &self->edge[at];
    play_text(edge->boot, sizeof edge->boot, record->token[2]);
    edge->joined = true;
    bool sync = wire_is(record->token[3], "sync");
    if (sync) {
        (void)wire_u64(wire_option(record, 4, "c"), &edge->lastc);
        s_sync(self, at);
    }
    for (int index = 0; index < edge->carriers && !sync; index++)
        if (!edge->carrier[index].gone)
            s_emit_after(self, at, &edge->carrier[index], 0);
    for (int index = 0; index < edge->carriers; index++)
        if (edge->carrier[index].bound && !edge->carrier[index].over)
            s_ask(self, at, &edge->carrier[index]);
}

/* What the doctor has left of a command. */
static void s_carry_out(struct play *self, int at, const struct sim_message *message)
{
    const struct sim_message *out[2];
    struct wire_record record;
    size_t count = sim_doctor_take(&self->doctor, &self->edge[at], message, out);
    for (size_t each = 0; each < count; each++)
        if (wire_read(out[each]->data, out[each]->size, &record) == 0)
            s_take_command(self, at, &record);
}

static void s_take(struct play *self, int at, const struct sim_message *message)
{
    struct play_edge *edge = &self->edge[at];
    struct wire_record record;
    uint64_t c;
    if (wire_read(message->data, message->size, &record) < 0 ||
        wire_u64(record.token[1], &c) < 0)
        play_fail(self, "an edge cannot read %.*s", (int)message->size, message->data);
    if (c == 0 && wire_is(record.token[0], "WELCOME")) {
        s_welcome(self, at, &record);
    } else if (c == 0 && wire_is(record.token[0], "REJECT")) {
        play_edge_die(self, at);
    } else if (c == edge->lastc + 1 && edge->joined) {
        edge->lastc = c;
        s_carry_out(self, at, message);
    } else if (c > edge->lastc + 1 || (c == 0 && wire_is(record.token[0], "WHO"))) {
        edge->joined = false;
    }
}

void play_edge_turn(struct play *self, int at)
{
    struct play_edge *edge = &self->edge[at];
    for (unsigned most = play_draw(self, 12); most > 0; most--) {
        struct sim_message *message = sim_take(&edge->pipe.to_peer);
        if (!message)
            break;
        s_take(self, at, message);
        free(message);
    }
    if (!self->core)
        return;
    if (!edge->joined && self->now_ms - edge->hello_ms >= 500) {
        edge->hello_ms = self->now_ms;
        play_say(self, &edge->pipe, "HELLO e%d %s %s %" PRIu64 " proto=RW/1", at,
                 edge->epoch, edge->boot[0] ? edge->boot : "-", edge->lastc);
    }
    if (self->now_ms - edge->beat_ms >= 1000) {
        edge->beat_ms = self->now_ms;
        play_say(self, &edge->pipe, "HB e%d %s %" PRIu64 " boot=%s", at, edge->epoch,
                 edge->lastc, edge->boot[0] ? edge->boot : "-");
    }
}
