/* sim_session: sessions in the core of the broker, between played edges, workers and
 * clients, in many short lives from a seed.  Clients come, change edges, speak and go;
 * edges, workers and the broker are killed.  What must hold is checked at each step:
 *
 *   - a worker gets one OPEN (or ADOPT) and one CLOSE of a session;
 *   - what a client says is sent in its order, once in a life of the broker, and handled
 *     without a hole that no LOST announces, and if the client counts and the broker has
 *     not died without any;
 *   - what is sent to a client comes in order, once, and a hole only with a GAP.
 *
 * SIM_SEED and SIM_RUNS choose which and how many; SIM_TRACE prints all that happens. */
#include "tests/sim/play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Clients ---- */

static struct play_carrier *s_carrier(struct play *self, const struct play_client *client)
{
    return client->edge < 0 ? NULL : &self->edge[client->edge].carrier[client->carrier];
}

void play_away(struct play *self, int at)
{
    struct play_client *client = &self->client[at];
    if (client->edge >= 0)
        self->edge[client->edge].copy[at].until_ms = self->now_ms + PLAY_GRACE_MS;
    client->edge = client->carrier = -1;
}

static void s_message(struct play *self, int edge, struct play_carrier *carrier,
                      unsigned k)
{
    struct play_event text = {.verb = "TEXT", .k = k};
    if (self->client[carrier->client].counts)
        text.n = k;
    play_event(self, edge, carrier, &text);
}

void play_bound(struct play *self, int edge, struct play_carrier *carrier)
{
    const struct play_client *client = &self->client[carrier->client];
    bool again = client->counts && carrier->ws;
    for (uint64_t n = client->n_acked + 1; again && n <= client->said; n++)
        s_message(self, edge, carrier, (unsigned)n);
}

static void s_attach(struct play *self, int at)
{
    struct play_client *client = &self->client[at];
    int edge = (int)play_draw(self, PLAY_EDGES);
    bool ws = !client->begun || !client->counts || play_chance(self, 2);
    struct play_carrier *carrier =
        play_open(self, edge, at, client->begun ? "join" : "new", ws);
    if (!carrier)
        return;
    client->begun = true;
    client->edge = edge;
    client->carrier = (int)(carrier - self->edge[edge].carrier);
    self->edge[edge].copy[at].until_ms = 0;
}

static void s_speak(struct play *self, int at)
{
    struct play_client *client = &self->client[at];
    struct play_carrier *carrier = s_carrier(self, client);
    if (carrier && carrier->ws && carrier->bound && !carrier->over &&
        carrier->last + 4 < PLAY_EVENTS && client->said < client->handled + 20)
        s_message(self, client->edge, carrier, ++client->said);
}

/* A message without a carrier that could take it: there is none, or a stream that only
 * goes down.  Only who counts may have several under way, and says again what was not
 * acknowledged. */
static void s_post(struct play *self, int at, bool again)
{
    struct play_client *client = &self->client[at];
    const struct play_carrier *current = s_carrier(self, client);
    int edge = (int)play_draw(self, PLAY_EDGES);
    if (!client->counts || !client->begun || (current && current->ws) ||
        (again ? client->n_acked >= client->said : client->said >= client->n_acked + 3))
        return;
    struct play_carrier *carrier = play_open(self, edge, at, "post", false);
    if (!carrier)
        return;
    unsigned k = again ? (unsigned)client->n_acked + 1 : ++client->said;
    s_message(self, edge, carrier, k);
    play_event(self, edge, carrier, &(struct play_event){.verb = "CLOSE", .rest = "0"});
}

static void s_leave(struct play *self, int at, const char *words)
{
    struct play_client *client = &self->client[at];
    struct play_carrier *carrier = s_carrier(self, client);
    struct play_event close = {.verb = "CLOSE"};
    int edge = client->edge;
    if (!carrier || !carrier->bound)
        return;
    snprintf(close.rest, sizeof close.rest, "%s", words);
    play_event(self, edge, carrier, &close);
    play_away(self, at);
}

/* A connection that its client has left without a word. */
static void s_notice(struct play *self, int edge, struct play_carrier *carrier)
{
    const struct play_client *client = &self->client[carrier->client];
    if (!carrier->gone && !carrier->over && s_carrier(self, client) != carrier)
        play_event(self, edge, carrier,
                   &(struct play_event){.verb = "CLOSE", .rest = "1006"});
}

static void s_notice_one(struct play *self)
{
    int at = (int)play_draw(self, PLAY_EDGES);
    struct play_edge *edge = &self->edge[at];
    if (edge->carriers)
        s_notice(self, at, &edge->carrier[play_draw(self, (unsigned)edge->carriers)]);
}

static void s_see(struct play *self, int at)
{
    const struct play_client *client = &self->client[at];
    const struct play_carrier *carrier = s_carrier(self, client);
    if (carrier && carrier->bound && !carrier->over && client->cursor[0])
        play_say(self, &self->edge[client->edge].pipe, "SEEN %s %s", carrier->id,
                 client->cursor);
}

static void s_client(struct play *self, int at)
{
    struct play_client *client = &self->client[at];
    if (client->over)
        return;
    switch (play_draw(self, 40)) {
    case 0:
        if (client->edge < 0 || play_chance(self, 3)) // it may still have another one
            s_attach(self, at);
        break;
    case 1:
        if (play_chance(self, 2))
            s_leave(self, at, "1001");
        break;
    case 2:
        if (play_chance(self, 30)) {
            s_leave(self, at, "1000 end=1");
            client->over = client->edge < 0;
        }
        break;
    case 3:
        s_post(self, at, play_chance(self, 3));
        break;
    case 4:
        s_see(self, at);
        break;
    case 5:
    case 6:
    case 7:
        play_say(self, &self->sender, "SEND %s\n%u", client->sid, ++client->sent);
        break;
    case 8:
        s_notice_one(self);
        break;
    default:
        if (play_chance(self, 4))
            s_speak(self, at);
    }
}

/* ---- The world ---- */

static void s_fault_of_edge(struct play *self)
{
    int at = (int)play_draw(self, PLAY_EDGES);
    struct play_edge *edge = &self->edge[at];
    switch (play_draw(self, 6)) {
    case 0: // its connection breaks: it knows, or hears of it
    case 1:
        play_trace(self, "edge %d loses its connection", at);
        play_connect(self, &edge->pipe);
        edge->joined = edge->joined && play_chance(self, 2);
        break;
    case 2:
        self->full = play_chance(self, 2) ? 2 + play_draw(self, 20) : 0;
        break;
    default:
        play_edge_die(self, at);
    }
}

static void s_fault(struct play *self)
{
    self->faults++;
    switch (play_draw(self, 8)) {
    case 0:
        if (self->core)
            play_stop_broker(self);
        self->down_ms = self->now_ms + play_draw(self, 3000);
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        s_fault_of_edge(self);
        break;
    default:
        play_worker_start(self, (int)play_draw(self, PLAY_WORKERS));
    }
}

static void s_step(struct play *self)
{
    self->steps++;
    self->now_ms += play_draw(self, 40);
    if (!self->core && self->down_ms <= self->now_ms)
        play_start_broker(self);
    for (int at = 0; at < PLAY_EDGES; at++)
        play_edge_turn(self, at);
    for (int at = 0; at < PLAY_WORKERS; at++)
        play_worker_turn(self, at);
    if (!self->core)
        return;
    core_set_time(self->core, self->now_ms);
    play_core_takes(self, play_draw(self, 60));
    core_turn(self->core);
    if (self->tick_ms <= self->now_ms) {
        core_tick(self->core);
        self->tick_ms = self->now_ms + 1000;
    }
}

static void s_begin(struct play *self, uint64_t seed)
{
    memset(self, 0, sizeof *self);
    self->seed = self->random = seed;
    self->now_ms = 100000;
    sim_doctor_begin(&self->doctor);
    for (int at = 0; at < PLAY_CLIENTS; at++) {
        self->client[at] =
            (struct play_client){.edge = -1, .carrier = -1, .counts = at % 2 == 0};
        snprintf(self->client[at].sid, sizeof self->client[at].sid, "session.%016x.%016x",
                 (unsigned)seed & 0xffff, (unsigned)at);
    }
    play_connect(self, &self->sender);
    for (int at = 0; at < PLAY_EDGES; at++)
        play_edge_start(self, at);
    for (int at = 0; at < PLAY_WORKERS; at++)
        play_worker_start(self, at);
    play_start_broker(self);
}

/* Connections that clients have left without a word: their edges see it in the end. */
static void s_notice_all(struct play *self)
{
    for (int at = 0; at < PLAY_EDGES; at++)
        for (int index = 0; index < self->edge[at].carriers; index++)
            s_notice(self, at, &self->edge[at].carrier[index]);
}

/* Everybody comes back, and hears and says what is left. */
static void s_calm_down(struct play *self)
{
    self->full = 0;
    for (int step = 0; step < PLAY_CALM_STEPS; step++) {
        s_step(self);
        for (int at = 0; at < PLAY_CLIENTS; at++) {
            const struct play_client *client = &self->client[at];
            if (client->over || !client->begun)
                continue;
            if (client->edge < 0 && step < PLAY_CALM_STEPS / 2)
                s_attach(self, at);
            else if (play_chance(self, 100))
                s_post(self, at, true);
        }
    }
}

/* Then all end. */
static void s_finish(struct play *self)
{
    s_calm_down(self);
    play_check_quiet(self);
    for (int at = 0; at < PLAY_CLIENTS; at++)
        if (!self->client[at].over)
            s_leave(self, at, "1000 end=1");
    s_notice_all(self);
    for (int step = 0; step < PLAY_CALM_STEPS; step++)
        s_step(self);
    play_check_end(self);
}

static void s_run(struct play *self, uint64_t seed)
{
    s_begin(self, seed);
    unsigned fault = 30 + play_draw(self, 200);
    while (self->steps < PLAY_STEPS) {
        s_step(self);
        for (int at = 0; at < PLAY_CLIENTS; at++)
            s_client(self, at);
        if (play_chance(self, fault))
            s_fault(self);
    }
    s_finish(self);
    play_stop_broker(self);
    for (int at = 0; at < PLAY_EDGES; at++)
        play_empty(&self->edge[at].pipe);
    for (int at = 0; at < PLAY_WORKERS; at++)
        play_empty(&self->worker[at].pipe);
    sim_doctor_end(&self->doctor);
}

int main(void)
{
    static struct play play;
    uint64_t seed = sim_number("SIM_SEED", 1), runs = sim_number("SIM_RUNS", PLAY_RUNS);
    uint64_t handled = 0, received = 0, faults = 0;
    for (uint64_t done = 0; done < runs; done++) {
        s_run(&play, seed + done);
        handled += play.handled;
        received += play.received;
        faults += play.faults;
    }
    printf("%" PRIu64 " runs from seed %" PRIu64 ": %" PRIu64
           " messages of clients, %" PRIu64 " to them, %" PRIu64
           " faults\n1 passed, 0 failed\n",
           runs, seed, handled, received, faults);
    return EXIT_SUCCESS;
}
