#include "tests/sim/play.h"

#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned play_draw(struct play *self, unsigned below)
{
    return sim_random(&self->random, below);
}

bool play_chance(struct play *self, unsigned one_in)
{
    return one_in && play_draw(self, one_in) == 0;
}

void play_trace(const struct play *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sim_print(self->steps, self->now_ms, format, arguments);
    va_end(arguments);
}

void play_empty(struct play_pipe *pipe)
{
    sim_empty(&pipe->to_core);
    sim_empty(&pipe->to_peer);
}

void play_connect(struct play *self, struct play_pipe *pipe)
{
    play_empty(pipe);
    pipe->peer = ++self->peers;
}

void play_say(struct play *self, struct play_pipe *pipe, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (pipe->peer && self->core)
        sim_put(&pipe->to_core, text, (size_t)size);
}

static struct play_pipe *s_pipe(struct play *self, uint64_t peer)
{
    for (int at = 0; at < PLAY_EDGES; at++)
        if (self->edge[at].pipe.peer == peer)
            return &self->edge[at].pipe;
    for (int at = 0; at < PLAY_WORKERS; at++)
        if (self->worker[at].pipe.peer == peer)
            return &self->worker[at].pipe;
    return self->sender.peer == peer ? &self->sender : NULL;
}

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    struct play *self = context;
    struct play_pipe *pipe = s_pipe(self, peer);
    if (!pipe)
        return -EHOSTUNREACH;
    if (play_chance(self, self->full))
        return -EAGAIN;
    play_trace(self, "  core > %" PRIu64 " %.*s", peer, (int)record->size,
               (const char *)record->data);
    sim_put(&pipe->to_peer, (const char *)record->data, record->size);
    return 0;
}

static int s_to_app(void *context, const struct address *to,
                    const struct wire_header *header, struct wire_text payload)
{
    struct play *self = context;
    struct play_pipe *pipe = s_pipe(self, to->peer);
    char text[2048];
    struct wire_record record;
    if (!pipe)
        return -EHOSTUNREACH;
    int size =
        snprintf(text, sizeof text, "%s%s%.*s", header->text, payload.data ? "\n" : "",
                 (int)payload.size, payload.data ? payload.data : "");
    play_trace(self, "  core > %" PRIu64 " %s", to->peer, text);
    if (wire_read(text, (size_t)size, &record) < 0)
        play_fail(self, "the core sends what is no record: %s", text);
    play_delivered(self, &record);
    sim_put(&pipe->to_peer, text, (size_t)size);
    return 0;
}

static void s_to_tap(void *context, const char *topic, const struct wire_header *header,
                     struct wire_text payload)
{
    (void)context, (void)topic, (void)header, (void)payload;
}

void play_text(char *out, size_t room, struct wire_text text)
{
    snprintf(out, room, "%.*s", (int)text.size, text.data);
}

unsigned play_number(const struct wire_record *record)
{
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)record->payload_size,
             record->payload_size ? (const char *)record->payload : "");
    return (unsigned)strtoul(text, NULL, 10);
}

int play_client_of(struct play *self, struct wire_text sid)
{
    for (int at = 0; at < PLAY_CLIENTS; at++)
        if (wire_is(sid, self->client[at].sid))
            return at;
    return -1;
}

void play_start_broker(struct play *self)
{
    const struct core_settings settings = {
        .edge_lease_ms = PLAY_LEASE_MS,
        .worker_lease_ms = PLAY_LEASE_MS,
        .ack_timeout_ms = 30000,
        .ring_records = 10000,
        .ring_bytes = 1 << 20,
        .topics = 100,
        .edges = 100,
        .workers = 1000,
        .services = 100,
        .closes = 10000,
        .answers = 1000,
        .sessions = 1000,
        .session_grace_ms = PLAY_GRACE_MS,
        .session_ring_age_ms = 60000,
        .session_ring_bytes = play_chance(self, 3) ? 1024 : 65536,
        .session_rings_bytes = 1 << 20,
        .born_ms = self->now_ms,
        .history = {.limits = {.count = 10, .age_ms = 20000, .bytes = 1 << 20},
                    .total_bytes = 1 << 20},
        .pending_bytes = 1 << 20,
        .boot = (uint64_t)play_draw(self, UINT32_MAX) << 32 | play_draw(self, UINT32_MAX),
    };
    const struct output output = {
        .context = self, .to_edge = s_to_edge, .to_app = s_to_app, .to_tap = s_to_tap};
    self->core = core_new(&settings, &output, self->now_ms);
    self->boots++;
    self->tick_ms = self->now_ms + 1000;
    play_trace(self, "the broker starts");
}

/* kill -9: with it all that is on its way. */
void play_stop_broker(struct play *self)
{
    play_trace(self, "the broker dies");
    core_destroy(&self->core);
    for (int at = 0; at < PLAY_CLIENTS; at++) {
        struct play_client *client = &self->client[at];
        if (client->cursor[0])
            continue; // else no BIND has reached it, and nothing is missing (5.4, 9)
        client->taken = 0;
        memset(client->took, 0, sizeof client->took);
    }
    for (int at = 0; at < PLAY_EDGES; at++) {
        play_empty(&self->edge[at].pipe);
        self->edge[at].joined = false;
        self->edge[at].hello_ms = 0;
    }
    for (int at = 0; at < PLAY_WORKERS; at++) {
        play_empty(&self->worker[at].pipe);
        self->worker[at].pipe.peer = ++self->peers;
        self->worker[at].joined_ms = 0;
        self->worker[at].debts = 0;
    }
    play_empty(&self->sender);
}

/* "SEND sid\nk": did the core take it? */
static void s_take_send(struct play *self, const struct sim_message *message)
{
    struct wire_record record;
    const struct address from = {.peer = self->sender.peer};
    if (wire_read(message->data, message->size, &record) < 0)
        play_fail(self, "a SEND that is no record");
    int client = play_client_of(self, record.token[1]);
    const struct session *session = session_find(&self->core->sessions, record.token[1]);
    bool open = session && session->state == SESSION_OPEN &&
                self->core->sessions.edge->held_count == 0;
    core_from_app(self->core, &from, (struct wire_text){message->data, message->size});
    if (!open)
        return;
    struct play_client *to = &self->client[client];
    to->taken = play_number(&record);
    to->took[to->taken] = true;
}

static void s_core_takes(struct play *self, struct play_pipe *pipe, bool edge)
{
    struct sim_message *message = sim_take(&pipe->to_core);
    const struct address from = {.peer = pipe->peer};
    if (!message)
        return;
    play_trace(self, "  %" PRIu64 " > core %s", pipe->peer, message->data);
    if (edge)
        core_from_edge(self->core, &from,
                       (struct wire_text){message->data, message->size});
    else if (pipe == &self->sender)
        s_take_send(self, message);
    else
        core_from_app(self->core, &from,
                      (struct wire_text){message->data, message->size});
    free(message);
}

void play_core_takes(struct play *self, unsigned most)
{
    for (; most > 0; most--) {
        unsigned which = play_draw(self, PLAY_EDGES + PLAY_WORKERS + 1);
        if (which < PLAY_EDGES)
            s_core_takes(self, &self->edge[which].pipe, true);
        else if (which < PLAY_EDGES + PLAY_WORKERS)
            s_core_takes(self, &self->worker[which - PLAY_EDGES].pipe, false);
        else
            s_core_takes(self, &self->sender, false);
    }
}
