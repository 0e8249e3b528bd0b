/* What must hold of sessions, whatever happens. */
#include "tests/sim/play.h"

#include <inttypes.h>
#include <stdio.h>

void play_fail(const struct play *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("step %" PRIu64 ", at %.2f s, ", self->steps, (double)self->now_ms / 1000);
    sim_give_up("sim_session", self->seed, format, arguments);
}

/* ---- To workers ---- */

static void s_check_text(const struct play *self, struct play_client *client, int at,
                         uint64_t seq, unsigned k)
{
    if (seq > client->text_seq && k <= client->text)
        play_fail(self, "client %d: the core sends %u as event %" PRIu64 " after %u", at,
                  k, seq, client->text);
    if (seq <= client->text_seq)
        return; // again, to another worker
    client->text_seq = seq;
    client->text = k;
}

/* In one life of the broker a session has one OPEN, one CLOSE, nothing behind that, and
 * each message once, in the order in which the client said them. */
void play_delivered(struct play *self, const struct wire_record *record)
{
    uint64_t seq;
    int at = record->count > 3 ? play_client_of(self, record->token[1]) : -1;
    if (at < 0 || wire_u64(record->token[2], &seq) < 0)
        return;
    struct play_client *client = &self->client[at];
    if (client->boot != self->boots) {
        client->boot = self->boots;
        client->open_seq = client->close_seq = client->text_seq = 0;
        client->text = 0;
    }
    if (client->close_seq && seq > client->close_seq)
        play_fail(self, "client %d: event %" PRIu64 " is behind its CLOSE, %" PRIu64, at,
                  seq, client->close_seq);
    if (wire_is(record->token[0], "OPEN")) {
        if (client->open_seq && client->open_seq != seq)
            play_fail(self, "client %d has a second OPEN", at);
        client->open_seq = seq;
    } else if (wire_is(record->token[0], "CLOSE")) {
        client->close_seq = seq;
    } else if (wire_is(record->token[0], "TEXT")) {
        s_check_text(self, client, at, seq, play_number(record));
    }
}

void play_lost(struct play *self, int at)
{
    self->client[at].lost = true;
    if (self->client[at].counts)
        play_trace(self, "client %d counts, and is told of as lost", at);
}

/* A hole needs a LOST; where the client counts, the broker must have died, too: its copy
 * may then be older than what the client knows (5.4, 3). */
void play_handled(struct play *self, int at, unsigned k)
{
    struct play_client *client = &self->client[at];
    self->handled++;
    if (k == 0 || k > client->said)
        play_fail(self, "client %d never said %u", at, k);
    bool may = client->lost && (!client->counts || self->boots > 1);
    if (k > client->handled + 1 && !may)
        play_fail(self, "client %d: %u is handled after %u", at, k, client->handled);
    if (k > client->handled) {
        client->handled = k;
        client->lost = false;
    }
}

void play_closed(struct play *self, int at)
{
    self->client[at].closed = true;
}

/* ---- To clients ---- */

void play_received(struct play *self, int at, unsigned k)
{
    struct play_client *client = &self->client[at];
    self->received++;
    if (k <= client->got)
        play_fail(self, "client %d gets %u after %u", at, k, client->got);
    for (unsigned missed = client->got + 1; missed < k && !client->gap; missed++)
        if (client->took[missed])
            play_fail(self, "client %d gets %u after %u and no gap", at, k, client->got);
    client->got = k;
    client->gap = false;
}

/* ---- In the end ---- */

void play_check_quiet(const struct play *self)
{
    for (int at = 0; at < PLAY_CLIENTS; at++) {
        const struct play_client *client = &self->client[at];
        if (!client->begun || client->over)
            continue;
        bool may = client->lost && (!client->counts || self->boots > 1);
        if (client->handled != client->said && !may)
            play_fail(self, "client %d said %u, and %u was handled", at, client->said,
                      client->handled);
        if (client->got < client->taken && !client->gap)
            play_fail(self, "client %d was sent %u, and got %u", at, client->taken,
                      client->got);
    }
}

/* Does a worker still know it as open?  When broker, edge and workers die, nobody does.
 */
static bool s_is_known(const struct play *self, int client)
{
    for (int at = 0; at < PLAY_WORKERS; at++)
        if (self->worker[at].seen[client].open && !self->worker[at].seen[client].closed)
            return true;
    return false;
}

void play_check_end(const struct play *self)
{
    for (int at = 0; at < PLAY_CLIENTS; at++)
        if (s_is_known(self, at) && !self->client[at].closed)
            play_fail(self, "client %d was opened and not closed", at);
    for (const struct table_entry *at = self->core->channels.first; at;
         at = table_after(at))
        play_trace(self, "%s is left", table_item(at, struct channel, by_id)->id);
    if (table_count(&self->core->channels) || self->core->sessions.count)
        play_fail(self, "%u channels and %zu sessions are left",
                  (unsigned)table_count(&self->core->channels),
                  self->core->sessions.count);
}
