/* A worker: it handles what it gets once, by seq and by o=, and acknowledges late. */
#include "tests/sim/play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void play_worker_start(struct play *self, int at)
{
    struct play_worker *worker = &self->worker[at];
    play_connect(self, &worker->pipe);
    worker->named = at == 0;
    worker->joined_ms = 0;
    worker->debts = 0;
    worker->boot[0] = 0;
    worker->check_ms = 0;
    memset(worker->seen, 0, sizeof worker->seen);
}

/* Was this message handled by this worker before? */
static bool s_is_repeated(struct play_seen *seen, struct wire_text origin)
{
    uint64_t n;
    if (wire_u64(origin, &n) == 0) {
        if (n <= seen->n)
            return true;
        seen->n = n;
        return false;
    }
    char text[sizeof seen->origin];
    play_text(text, sizeof text, origin);
    const char *colon = strrchr(text, ':'), *former = strrchr(seen->origin, ':');
    bool same = former && colon - text == former - seen->origin &&
                memcmp(text, seen->origin, (size_t)(colon - text)) == 0;
    if (same && strtoull(colon + 1, NULL, 10) <= strtoull(former + 1, NULL, 10))
        return true;
    memcpy(seen->origin, text, sizeof text);
    return false;
}

static void s_handle(struct play *self, struct play_seen *seen, int client,
                     const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    if (wire_is(verb, "OPEN")) {
        if (seen->open)
            play_fail(self, "%s is opened twice", self->client[client].sid);
        seen->open = true;
    } else if (wire_is(verb, "TEXT")) {
        if (!s_is_repeated(seen, wire_option(record, 4, "o")))
            play_handled(self, client, play_number(record));
    } else if (wire_is(verb, "LOST")) {
        play_lost(self, client);
    } else if (wire_is(verb, "CLOSE")) {
        seen->closed = true;
        play_closed(self, client);
    }
}

/* The broker has died, and knows now what became of the session. */
static void s_checked(struct play *self, struct play_worker *worker, int client,
                      const struct wire_record *record)
{
    struct play_seen *seen = &worker->seen[client];
    if (wire_is(record->token[0], "LATER")) {
        worker->check_ms = self->now_ms + 1000;
    } else if (wire_is(record->token[0], "MOVED")) {
        seen->open = false;
    } else if (wire_is(record->token[0], "CLOSE") && !seen->closed) {
        seen->closed = true;
        play_closed(self, client);
    }
}

static void s_check_all(struct play *self, struct play_worker *worker)
{
    worker->check_ms = 0;
    for (int client = 0; client < PLAY_CLIENTS; client++)
        if (worker->seen[client].open && !worker->seen[client].closed)
            play_say(self, &worker->pipe, "CHECK %s", self->client[client].sid);
}

static void s_joined(struct play *self, struct play_worker *worker, struct wire_text boot)
{
    if (worker->boot[0] && !wire_is(boot, worker->boot))
        worker->check_ms = self->now_ms;
    play_text(worker->boot, sizeof worker->boot, boot);
}

static void s_event(struct play *self, int at, const struct wire_record *record)
{
    struct play_worker *worker = &self->worker[at];
    int client = play_client_of(self, record->token[1]);
    uint64_t seq;
    if (client < 0)
        return;
    struct play_seen *seen = &worker->seen[client];
    if (wire_is(record->token[2], "-")) { // the answer to a CHECK
        s_checked(self, worker, client, record);
        return;
    }
    if (wire_u64(record->token[2], &seq) < 0)
        return;
    play_text(worker->debt[worker->debts++].tag, WORKER_TAG_MAX, record->token[3]);
    if (worker->debts == 512)
        play_fail(self, "too many deliveries");
    if (seen->closed)
        return; // what is closed stays so
    if (wire_is(record->token[0], "ADOPT")) {
        seen->open = true;
        seen->seq = seq > seen->seq ? seq : seen->seq;
        return;
    }
    if (seq <= seen->seq)
        return;
    seen->seq = seq;
    s_handle(self, seen, client, record);
}

/* What the doctor has left of a delivery; the rest is acknowledged like all others. */
static void s_carry_out(struct play *self, int at, const struct sim_message *message,
                        const struct wire_record *record)
{
    const struct sim_message *out[2];
    struct wire_record left;
    struct play_worker *worker = &self->worker[at];
    size_t count = sim_doctor_take(&self->doctor, worker, message, out);
    if (count == 0)
        play_text(worker->debt[worker->debts++].tag, WORKER_TAG_MAX, record->token[3]);
    for (size_t each = 0; each < count; each++)
        if (wire_read(out[each]->data, out[each]->size, &left) == 0)
            s_event(self, at, &left);
}

static void s_take(struct play *self, int at, const struct sim_message *message)
{
    struct wire_record record;
    if (wire_read(message->data, message->size, &record) < 0 || record.count < 4)
        play_fail(self, "a worker cannot read %.*s", (int)message->size, message->data);
    if (wire_is(record.token[0], "WHO"))
        self->worker[at].joined_ms = 0;
    else if (wire_is(record.token[0], "JOINED"))
        s_joined(self, &self->worker[at], wire_option(&record, 4, "boot"));
    else if (!wire_is(record.token[0], "HB"))
        s_carry_out(self, at, message, &record);
}

static void s_acknowledge(struct play *self, struct play_worker *worker)
{
    if (worker->debts == 0 || !play_chance(self, 3))
        return;
    size_t upto = play_draw(self, (unsigned)worker->debts);
    play_say(self, &worker->pipe, "ACK %s", worker->debt[upto].tag);
    worker->debts -= upto + 1;
    memmove(worker->debt, worker->debt + upto + 1, worker->debts * sizeof *worker->debt);
}

void play_worker_turn(struct play *self, int at)
{
    struct play_worker *worker = &self->worker[at];
    for (unsigned most = play_draw(self, 12); most > 0; most--) {
        struct sim_message *message = sim_take(&worker->pipe.to_peer);
        if (!message)
            break;
        s_take(self, at, message);
        free(message);
    }
    s_acknowledge(self, worker);
    if (self->core && worker->check_ms && worker->check_ms <= self->now_ms)
        s_check_all(self, worker);
    if (self->core && (!worker->joined_ms || self->now_ms - worker->joined_ms > 1500)) {
        worker->joined_ms = self->now_ms;
        play_say(self, &worker->pipe, "JOIN chat window=16 sessions=1%s",
                 worker->named ? " name=w0" : "");
    }
}
