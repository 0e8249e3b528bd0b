#include "tests/sim/sim.h"

#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_PIPE_MAX = 400 }; // messages that a connection holds towards a peer

unsigned sim_draw(struct sim *self, unsigned below)
{
    return sim_random(&self->random, below);
}

bool sim_chance(struct sim *self, unsigned one_in)
{
    return one_in && sim_draw(self, one_in) == 0;
}

void sim_trace(const struct sim *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sim_print(self->steps, self->now_ms, format, arguments);
    va_end(arguments);
}

static struct sim_pipe *s_pipe(struct sim *self, uint64_t peer)
{
    for (int at = 0; peer && at < SIM_PIPES; at++)
        if (self->pipe[at].peer == peer)
            return &self->pipe[at];
    return NULL;
}

uint64_t sim_connect(struct sim *self, bool to_edges)
{
    for (int at = 0; at < SIM_PIPES; at++) {
        struct sim_pipe *pipe = &self->pipe[at];
        if (pipe->peer)
            continue;
        *pipe = (struct sim_pipe){.peer = ++self->peers, .to_edges = to_edges};
        return pipe->peer;
    }
    sim_fail(self, "too many connections");
}

static void s_end(struct sim_pipe *pipe)
{
    sim_empty(&pipe->to_core);
    sim_empty(&pipe->to_peer);
    pipe->peer = 0;
}

void sim_cut(struct sim *self, uint64_t peer)
{
    struct sim_pipe *pipe = s_pipe(self, peer);
    if (!pipe)
        return;
    sim_trace(self, "cut %" PRIu64, peer);
    pipe->cut = true;
    sim_empty(&pipe->to_peer);
    if (pipe->to_core.count == 0 || sim_chance(self, 2))
        s_end(pipe);
}

uint64_t sim_replace(struct sim *self, uint64_t peer)
{
    const struct sim_pipe *pipe = s_pipe(self, peer);
    if (!pipe || !self->core)
        return peer;
    bool to_edges = pipe->to_edges;
    sim_cut(self, peer);
    return sim_connect(self, to_edges);
}

bool sim_is_cut(struct sim *self, uint64_t peer)
{
    const struct sim_pipe *pipe = s_pipe(self, peer);
    return !pipe || pipe->cut;
}

void sim_say(struct sim *self, uint64_t peer, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    struct sim_pipe *pipe = s_pipe(self, peer);
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (pipe && !pipe->cut)
        sim_put(&pipe->to_core, text, (size_t)size);
}

struct sim_message *sim_hear(struct sim *self, uint64_t peer)
{
    struct sim_pipe *pipe = s_pipe(self, peer);
    return pipe && !pipe->cut ? sim_take(&pipe->to_peer) : NULL;
}

static void s_note(struct sim *self, const struct sim_pipe *pipe, const char *data,
                   size_t size)
{
    struct wire_record record;
    if (wire_read(data, size, &record) < 0)
        sim_fail(self, "the core sends what is no record: %.*s", (int)size, data);
    sim_trace(self, "  core > %" PRIu64 " %.*s", pipe->peer,
              (int)(size < 100 ? size : 100), data);
    if (pipe->to_edges)
        sim_check_command(self, &record);
    else
        sim_check_delivery(self, pipe->peer, &record);
}

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    struct sim *self = context;
    struct sim_pipe *pipe = s_pipe(self, peer);
    if (!pipe)
        return -EHOSTUNREACH;
    if (pipe->to_peer.count >= SIM_PIPE_MAX || sim_chance(self, self->full))
        return -EAGAIN;
    s_note(self, pipe, (const char *)record->data, record->size);
    if (!pipe->cut)
        sim_put(&pipe->to_peer, (const char *)record->data, record->size);
    return 0;
}

static int s_to_app(void *context, const struct address *to,
                    const struct wire_header *header, struct wire_text payload)
{
    struct sim *self = context;
    struct sim_pipe *pipe = s_pipe(self, to->peer);
    char text[1024];
    if (!pipe)
        return -EHOSTUNREACH;
    if (pipe->to_peer.count >= SIM_PIPE_MAX)
        return -EAGAIN;
    int size =
        snprintf(text, sizeof text, "%s%s%.*s", header->text, payload.data ? "\n" : "",
                 (int)payload.size, payload.data ? payload.data : "");
    s_note(self, pipe, text, (size_t)size);
    if (!pipe->cut)
        sim_put(&pipe->to_peer, text, (size_t)size);
    return 0;
}

static void s_to_tap(void *context, const char *topic, const struct wire_header *header,
                     struct wire_text payload)
{
    (void)payload;
    if (strncmp(topic, "topic/", strlen("topic/")) == 0)
        sim_topic_post(context, header);
}

/* "SEND channel ...\nnumber": which one it is. */
static int s_send_of(const struct sim *self, const struct sim_message *message)
{
    const char *line = memchr(message->data, '\n', message->size);
    if (message->size < 5 || memcmp(message->data, "SEND ", 5) != 0 || !line)
        return -1;
    char number[16];
    snprintf(number, sizeof number, "%.*s",
             (int)(message->size - (size_t)(line + 1 - message->data)), line + 1);
    int at = atoi(number);
    return at < self->sends ? at : -1;
}

static void s_take_app(struct sim *self, uint64_t peer, const struct sim_message *message)
{
    const struct address from = {.peer = peer};
    bool acks =
        memcmp(message->data, "ACK", 3) == 0 || memcmp(message->data, "DONE", 4) == 0;
    static bool known[SIM_CHANNELS];
    for (int at = 0; acks && at < self->channels; at++)
        known[at] = channel_find(&self->core->channels, answer_key(self->channel[at].id));
    self->sending = s_send_of(self, message);
    if (self->sending >= 0) {
        struct sim_send *send = &self->send[self->sending];
        const char *id = self->channel[send->channel].id;
        send->taken = edge_of_channel(&self->core->edges, answer_key(id)) != NULL;
        send->refused = false;
        send->known = channel_find(&self->core->channels, answer_key(id)) != NULL;
        send->boot = self->boot;
    }
    core_from_app(self->core, &from, (struct wire_text){message->data, message->size});
    self->sending = -1;
    for (int at = 0; acks && at < self->channels; at++)
        if (known[at] &&
            !channel_find(&self->core->channels, answer_key(self->channel[at].id)))
            self->channel[at].close_done = true;
}

bool sim_core_takes(struct sim *self)
{
    unsigned start = sim_draw(self, SIM_PIPES);
    for (unsigned at = 0; at < SIM_PIPES; at++) {
        struct sim_pipe *pipe = &self->pipe[(start + at) % SIM_PIPES];
        if (!pipe->peer)
            continue;
        struct sim_message *message = sim_take(&pipe->to_core);
        if (!message) {
            if (pipe->cut)
                s_end(pipe);
            continue;
        }
        sim_trace(self, "  %" PRIu64 " > core %.*s", pipe->peer, (int)message->size,
                  message->data);
        if (pipe->to_edges)
            core_from_edge(self->core, &(struct address){.peer = pipe->peer},
                           (struct wire_text){message->data, message->size});
        else
            s_take_app(self, pipe->peer, message);
        free(message);
        return true;
    }
    return false;
}

void sim_start_broker(struct sim *self)
{
    const struct core_settings settings = {
        .edge_lease_ms = SIM_LEASE_MS,
        .worker_lease_ms = SIM_LEASE_MS,
        .ack_timeout_ms = SIM_ACK_MS,
        .ring_records = self->ring,
        .ring_bytes = 1 << 20,
        .topics = 100,
        .edges = 100,
        .workers = 1000,
        .services = 100,
        .closes = 10000,
        .answers = 1000,
        .presence_members = 100,
        .presence_total = 1000,
        .watches = 100,
        .watch_lease_ms = 60000,
        .cast_lines = 100,
        .cast_channels = 1000,
        .sessions = 1000,
        .session_grace_ms = SIM_GRACE_MS,
        .session_ring_age_ms = 60000,
        .session_ring_bytes = 65536,
        .session_rings_bytes = 1 << 20,
        .born_ms = self->now_ms,
        .history = {.limits = {.count = 1 + sim_draw(self, 30),
                               .age_ms = 20000,
                               .bytes = 1 << 20},
                    .total_bytes = sim_chance(self, 2) ? 1 << 20 : 4000},
        .pending_bytes = 1 << 20,
        .boot = (uint64_t)sim_draw(self, UINT32_MAX) << 32 | sim_draw(self, UINT32_MAX),
    };
    const struct output output = {self, s_to_edge, s_to_app, s_to_tap};
    self->boot++;
    self->core = core_new(&settings, &output, self->now_ms);
    core_set_tap(self->core, true);
    snprintf(self->epoch[self->boot], sizeof self->epoch[0], "%s", self->core->boot);
    self->tick_ms = self->now_ms + 1000;
    sim_trace(self, "broker %u starts", self->boot);
}

/* kill -9: with it all connections. */
void sim_stop_broker(struct sim *self)
{
    sim_trace(self, "broker dies");
    core_destroy(&self->core);
    for (int at = 0; at < SIM_PIPES; at++)
        if (self->pipe[at].peer)
            s_end(&self->pipe[at]);
}

void sim_clear(struct sim *self)
{
    core_destroy(&self->core);
    for (int at = 0; at < SIM_PIPES; at++)
        s_end(&self->pipe[at]);
}
