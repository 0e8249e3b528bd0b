/* An edge as section 5 of the specification has it. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_TRIES = 4, SIM_WINDOW = 8 };

static const char *const s_verbs[] = {"OPEN", "TEXT", "BODY", "SLOW", "CLOSE"};

struct sim_channel *sim_channel_find(struct sim *self, struct wire_text id)
{
    for (int at = 0; at < self->channels; at++)
        if (wire_is(id, self->channel[at].id))
            return &self->channel[at];
    return NULL;
}

bool sim_edge_has(const struct sim *self, const struct sim_channel *channel)
{
    return !channel->forgotten && !channel->edge_died &&
           channel->life == self->edge[channel->edge].life;
}

static void s_connect(struct sim *self, struct sim_edge *edge)
{
    sim_cut(self, edge->records);
    sim_cut(self, edge->pulses);
    edge->records = sim_connect(self, true);
    edge->pulses = sim_connect(self, true);
    edge->heard_ms = self->now_ms;
}

static void s_become(struct sim *self, struct sim_edge *edge, enum sim_state next)
{
    if (edge->state == SIM_JOINED && next != SIM_JOINED)
        edge->away_ms = self->now_ms;
    edge->state = next;
    edge->was_joined |= next == SIM_JOINED;
}

/* The channels of this life end, and nobody is told: the broker closes them. */
static void s_lose_channels(struct sim *self, int edge)
{
    for (int at = 0; at < self->channels; at++) {
        struct sim_channel *channel = &self->channel[at];
        if (channel->edge != edge || !sim_edge_has(self, channel))
            continue;
        channel->edge_died = true;
        bool known =
            self->core && channel_find(&self->core->channels, answer_key(channel->id));
        channel->boot_at_death = known ? self->boot : 0;
    }
}

static void s_begin_life(struct sim *self, int at)
{
    sim_topic_lose(self, at);
    struct sim_edge *edge = &self->edge[at];
    edge->life++;
    snprintf(edge->epoch, sizeof edge->epoch, "%08x%08x", sim_draw(self, UINT32_MAX),
             sim_draw(self, UINT32_MAX));
    edge->boot[0] = 0;
    edge->lastc = 0;
    edge->was_joined = false;
    edge->away_ms = self->now_ms;
    s_become(self, edge, SIM_AWAY);
}

void sim_edge_start(struct sim *self, int at)
{
    s_begin_life(self, at);
    self->edge[at].records = self->edge[at].pulses = 0;
    self->edge[at].stopped_ms = 0;
}

void sim_edge_die(struct sim *self, int at)
{
    sim_trace(self, "edge %d dies", at);
    s_lose_channels(self, at);
    sim_cut(self, self->edge[at].records);
    sim_cut(self, self->edge[at].pulses);
}

static void s_emit(struct sim *self, struct sim_channel *channel, uint64_t seq)
{
    const struct sim_edge *edge = &self->edge[channel->edge];
    const struct sim_event *event = &channel->event[seq];
    char rest[64] = "", try[24] = "";
    if (event->verb == SIM_OPEN)
        snprintf(rest, sizeof rest, " s%d %u%s", channel->service, channel->gen,
                 channel->ws ? " ws=1" : "");
    else if (event->verb == SIM_CLOSE)
        snprintf(rest, sizeof rest, " %s cause=client", channel->ws ? "1000" : "-1");
    else if (event->verb == SIM_SLOW)
        snprintf(rest, sizeof rest, " 1000");
    if (event->tries)
        snprintf(try, sizeof try, " try=%d", event->tries + 1);
    sim_say(self, edge->records, "%s %s %" PRIu64 "%s%s\n%" PRIu64, s_verbs[event->verb],
            channel->id, seq, rest, try, seq);
}

static void s_emit_after(struct sim *self, struct sim_channel *channel, uint64_t seq)
{
    if (seq < channel->acked)
        seq = channel->acked;
    while (++seq <= channel->last)
        s_emit(self, channel, seq);
}

static void s_announce(struct sim *self, struct sim_channel *channel)
{
    if (channel->acked > 0)
        sim_say(self, self->edge[channel->edge].records,
                "ADOPT %s %" PRIu64 " s%d %s %u%s\n{}", channel->id, channel->acked,
                channel->service, channel->bound[0] ? channel->bound : "-", channel->gen,
                channel->ws ? " ws=1" : "");
    s_emit_after(self, channel, 0);
}

void sim_edge_event(struct sim *self, int at, enum sim_verb verb)
{
    struct sim_channel *channel = &self->channel[at];
    struct sim_edge *edge = &self->edge[channel->edge];
    bool closed = channel->last && channel->event[channel->last].verb == SIM_CLOSE;
    bool room =
        channel->last - channel->acked < SIM_WINDOW && channel->last + 1 < SIM_EVENTS;
    if (closed || (verb != SIM_CLOSE && !room))
        return;
    channel->event[++channel->last] = (struct sim_event){.verb = verb};
    if (edge->state == SIM_JOINED && !edge->unlinked)
        s_emit(self, channel, channel->last);
}

int sim_edge_open(struct sim *self, int at, int service)
{
    const struct sim_edge edge = self->edge[at];
    if (self->channels == SIM_CHANNELS)
        return -1;
    int index = self->channels++;
    struct sim_channel *channel = &self->channel[index];
    *channel =
        (struct sim_channel){.edge = at, .life = edge.life, .service = service, .gen = 1};
    snprintf(channel->id, sizeof channel->id, "e%d.%s.%x", at, edge.epoch,
             (unsigned)index);
    channel->ws = sim_chance(self, 2);
    sim_edge_event(self, index, SIM_OPEN);
    return index;
}

static void s_acked(struct sim *self, struct sim_channel *channel, uint64_t seq)
{
    if (seq > channel->last)
        seq = channel->last;
    if (seq <= channel->acked)
        return;
    sim_check_acked(self, channel, seq);
    channel->acked = seq;
    if (channel->event[seq].verb == SIM_CLOSE) {
        channel->forgotten = true;
        channel->close_done = true;
    }
}

static void s_take_acks(struct sim *self, int edge, const struct wire_record *record)
{
    const char *at = (const char *)record->payload, *end = at + record->payload_size;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        const char *space = memchr(at, ' ', (size_t)(end - at));
        uint64_t seq;
        if (!line || !space ||
            wire_u64((struct wire_text){space + 1, (size_t)(line - space - 1)}, &seq) < 0)
            sim_fail(self, "a bad line in an ACK");
        struct sim_channel *channel =
            sim_channel_find(self, (struct wire_text){at, (size_t)(space - at)});
        if (channel && channel->edge == edge && sim_edge_has(self, channel))
            s_acked(self, channel, seq);
        at = line + 1;
    }
}

/* The former worker died with what it was sent; the fourth time is once too often. */
static void s_count_tries(struct sim *self, struct sim_channel *channel, uint64_t tried)
{
    bool poison = false;
    for (uint64_t seq = channel->acked + 1; seq <= tried && seq <= channel->last; seq++) {
        struct sim_event *event = &channel->event[seq];
        event->tries = (uint8_t)(event->tries + (event->tries < SIM_TRIES));
        poison |= event->tries >= SIM_TRIES && event->verb != SIM_CLOSE;
    }
    if (!poison)
        return;
    self->edge[channel->edge].unlinked = true; // it goes with the announcement
    sim_edge_event(self, (int)(channel - self->channel), SIM_CLOSE);
    self->edge[channel->edge].unlinked = false;
    for (uint64_t seq = channel->acked + 1; seq <= tried; seq++)
        channel->event[seq].discarded = channel->event[seq].verb != SIM_CLOSE;
    channel->acked = channel->event[tried].verb == SIM_CLOSE ? tried - 1 : tried;
}

static void s_take_resend(struct sim *self, struct sim_channel *channel,
                          const struct wire_record *record)
{
    uint64_t seq, gen;
    if (wire_u64(record->token[3], &gen) < 0)
        sim_fail(self, "RESEND without gen");
    if (wire_u64(wire_option(record, 4, "from"), &seq) == 0) {
        s_emit_after(self, channel, seq);
        return;
    }
    channel->gen = (uint32_t)gen;
    channel->bound[0] = 0;
    if (wire_u64(wire_option(record, 4, "tried"), &seq) == 0)
        s_count_tries(self, channel, seq);
    s_announce(self, channel);
}

/* Nothing is carried out behind a SEND that was lost and of which nobody hears. */
static void s_check_hole(const struct sim *self, int at)
{
    const struct sim_send *send = &self->send[at];
    for (int before = 0; before < at; before++) {
        const struct sim_send *lost = &self->send[before];
        if (lost->peer == send->peer && lost->channel == send->channel && lost->refused &&
            lost->known && !lost->asks && lost->boot == send->boot)
            sim_fail(self, "SEND %d is carried out, and %d before it was lost", at,
                     before);
    }
}

/* A SEND: its payload is the number of it. */
static void s_take_send(struct sim *self, int edge, const struct wire_record *record)
{
    char number[16];
    snprintf(number, sizeof number, "%.*s", (int)record->payload_size,
             (const char *)record->payload);
    int at = atoi(number);
    struct sim_send *send = &self->send[at];
    struct sim_channel *channel = &self->channel[send->channel];
    bool open = sim_edge_has(self, channel) && channel->edge == edge;
    bool again = wire_option(record, 3, "id").data && send->times > 0;
    send->arrived = true;
    if (open && !again)
        send->times++;
    for (int later = at + 1; open && !again && later < self->sends; later++)
        if (self->send[later].peer == send->peer && self->send[later].times &&
            self->send[later].channel == send->channel && !self->send[later].asks &&
            !send->asks)
            sim_fail(self, "SEND %d is carried out after %d", at, later);
    if (open && !again)
        s_check_hole(self, at);
    const char *says = open ? "OK" : "ERR";
    if (wire_option(record, 3, "reply").data)
        sim_say(self, self->edge[edge].records, "%s %.*s%s", says,
                (int)record->token[1].size, record->token[1].data, open ? "" : " gone");
}

static void s_take_command(struct sim *self, int edge, const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    if (wire_is(verb, "ACK")) {
        s_take_acks(self, edge, record);
        return;
    }
    if (sim_topic_take(self, edge, record))
        return;
    struct sim_channel *channel = sim_channel_find(self, record->token[2]);
    bool known = channel && sim_edge_has(self, channel);
    if (!known)
        sim_say(self, self->edge[edge].records, "GONE %.*s", (int)record->token[2].size,
                record->token[2].data);
    if (wire_is(verb, "SEND"))
        s_take_send(self, edge, record);
    else if (known && wire_is(verb, "CLOSE"))
        sim_edge_event(self, (int)(channel - self->channel), SIM_CLOSE);
    else if (known && wire_is(verb, "RESEND"))
        s_take_resend(self, channel, record);
    else if (known && wire_is(verb, "BOUND"))
        snprintf(channel->bound, sizeof channel->bound, "%.*s",
                 (int)record->token[3].size, record->token[3].data);
}

/* What the doctor has left of a command. */
static void s_carry_out(struct sim *self, int at, const struct sim_message *message)
{
    const struct sim_message *out[2];
    struct wire_record record;
    size_t count = sim_doctor_take(&self->doctor, &self->edge[at], message, out);
    for (size_t each = 0; each < count; each++)
        if (wire_read(out[each]->data, out[each]->size, &record) == 0)
            s_take_command(self, at, &record);
}

static void s_hello(struct sim *self, int at)
{
    struct sim_edge *edge = &self->edge[at];
    if (self->now_ms - edge->hello_ms < 200 || sim_is_cut(self, edge->records))
        return;
    sim_say(self, edge->records, "HELLO e%d %s %s %" PRIu64 " proto=RW/1", at,
            edge->epoch, edge->boot[0] ? edge->boot : "-", edge->lastc);
    edge->hello_ms = edge->heard_ms = self->now_ms;
    s_become(self, edge, SIM_GREETING);
}

static void s_welcome(struct sim *self, int at, const struct wire_record *record)
{
    struct sim_edge *edge = &self->edge[at];
    if (edge->state != SIM_GREETING)
        return;
    bool sync = wire_is(record->token[3], "sync");
    snprintf(edge->boot, sizeof edge->boot, "%.*s", (int)record->token[2].size,
             record->token[2].data);
    if (sync)
        (void)wire_u64(wire_option(record, 4, "c"), &edge->lastc);
    s_become(self, edge, SIM_JOINED);
    edge->heard_ms = self->now_ms;
    for (int index = 0; index < self->channels; index++) {
        struct sim_channel *channel = &self->channel[index];
        if (channel->edge != at || !sim_edge_has(self, channel))
            continue;
        if (sync)
            s_announce(self, channel);
        else
            s_emit_after(self, channel, 0);
    }
    sim_topic_greet(self, at, sync);
    if (sync)
        sim_say(self, edge->records, "SYNCED");
}

static void s_take(struct sim *self, int at, const struct sim_message *message)
{
    struct sim_edge *edge = &self->edge[at];
    struct wire_record record;
    uint64_t c;
    if (wire_read(message->data, message->size, &record) < 0 ||
        wire_u64(record.token[1], &c) < 0)
        sim_fail(self, "an edge cannot read %.*s", (int)message->size, message->data);
    if (c == 0 && wire_is(record.token[0], "WELCOME")) {
        s_welcome(self, at, &record);
    } else if (c == 0 && wire_is(record.token[0], "REJECT")) {
        sim_trace(self, "edge %d is refused", at);
        s_lose_channels(self, at);
        s_begin_life(self, at);
    } else if (c == 0 && wire_is(record.token[0], "WHO")) {
        if (edge->state != SIM_GREETING)
            s_hello(self, at);
    } else if (c && edge->state == SIM_JOINED && c > edge->lastc) {
        if (c != edge->lastc + 1) {
            s_hello(self, at);
            return;
        }
        edge->lastc = c;
        s_carry_out(self, at, message);
    }
}

static void s_beat(struct sim *self, int at)
{
    struct sim_edge *edge = &self->edge[at];
    char text[120];
    snprintf(text, sizeof text, "HB e%d %s %" PRIu64 " boot=%s", at, edge->epoch,
             edge->lastc, edge->boot[0] ? edge->boot : "-");
    sim_say(self, edge->pulses, "%s", text);
    if (edge->state == SIM_JOINED)
        sim_say(self, edge->records, "%s", text);
    edge->beat_ms = self->now_ms;
}

static void s_listen(struct sim *self, int at)
{
    struct sim_edge *edge = &self->edge[at];
    for (unsigned most = sim_draw(self, 12), count = 0; count < most; count++) {
        uint64_t from = sim_chance(self, 4) ? edge->pulses : edge->records;
        struct sim_message *message = sim_hear(self, from);
        if (!message)
            return;
        if (edge->state != SIM_GREETING) // then only WELCOME counts
            edge->heard_ms = self->now_ms;
        s_take(self, at, message);
        free(message);
    }
}

static void s_stay_connected(struct sim *self, int at)
{
    struct sim_edge *edge = &self->edge[at];
    bool silent = self->now_ms - edge->heard_ms > SIM_LEASE_MS;
    if (!self->core) {
        s_become(self, edge, SIM_AWAY);
        return;
    }
    if (sim_is_cut(self, edge->records) || silent) {
        s_become(self, edge, SIM_AWAY);
        s_connect(self, edge);
    }
    if (edge->state == SIM_AWAY)
        s_hello(self, at);
}

void sim_edge_turn(struct sim *self, int at)
{
    struct sim_edge *edge = &self->edge[at];
    if (edge->stopped_ms > self->now_ms)
        return;
    s_listen(self, at);
    s_stay_connected(self, at);
    if (edge->state != SIM_JOINED && edge->was_joined &&
        self->now_ms - edge->away_ms > SIM_ORPHAN_MS) {
        s_lose_channels(self, at);
        s_begin_life(self, at);
    }
    sim_topic_turn(self, at);
    if (self->now_ms - edge->beat_ms >= 1000)
        s_beat(self, at);
}
