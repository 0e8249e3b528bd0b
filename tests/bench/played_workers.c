#include "tests/bench/played_workers.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wire.h"
#include "tests/bench/bench_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    RECEIVE_MAX = 1000, // records in one turn
    ACK_EACH = 32,      // deliveries; and at the end of a turn
    JOIN_MS = 1000,
    TAG_ROOM = 64,
};

struct played_worker {
    struct played_workers *all;
    void *socket;
    unsigned number, window;
    int64_t join_ms;
    char tag[TAG_ROOM]; // of the newest delivery
    unsigned unacked;
};

static void s_join(struct played_worker *self)
{
    char text[128];
    int size =
        snprintf(text, sizeof text, "JOIN " PLAYED_SERVICE " window=%u id=worker-%u",
                 self->window, self->number);
    if (zmq_send(self->socket, text, (size_t)size, ZMQ_DONTWAIT) >= 0)
        self->join_ms = clock_now_ms();
}

static void s_ack(struct played_worker *self)
{
    char text[TAG_ROOM + 8];
    int size = snprintf(text, sizeof text, "ACK %s", self->tag);
    if (self->unacked && zmq_send(self->socket, text, (size_t)size, ZMQ_DONTWAIT) >= 0)
        self->unacked = 0;
}

/* "edge-<number>.<epoch>.<index + 1>": index of all channels, or -1. */
static long s_index(const struct played_workers *self, struct wire_text id)
{
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)id.size, id.data);
    const char *last = strrchr(text, '.');
    if (!last || strncmp(text, "edge-", 5) != 0)
        return -1;
    unsigned long edge = strtoul(text + 5, NULL, 10);
    unsigned long number = strtoul(last + 1, NULL, 16);
    if (edge >= self->edges || number < 1 || number > self->channels)
        return -1;
    return (long)(edge * self->channels + number - 1);
}

/* True when it is the first one. */
static bool s_add(uint8_t *count)
{
    if (*count < UINT8_MAX)
        ++*count;
    return *count == 1;
}

static void s_count(struct played_workers *self, struct wire_text verb, long index)
{
    if (wire_is(verb, "OPEN")) {
        self->opened += s_add(&self->opens[index]);
    } else if (wire_is(verb, "ADOPT")) {
        self->adopts += !self->adopted[index];
        self->adopted[index] = true;
    } else if (wire_is(verb, "CLOSE")) {
        self->closed += s_add(&self->closes[index]);
        self->close_ns = bench_now_ns();
    }
}

static void s_take(struct played_worker *self, const struct wire_record *record)
{
    struct played_workers *all = self->all;
    struct wire_text verb = record->token[0];
    if (wire_is(verb, "WHO"))
        s_join(self);
    all->joined += wire_is(verb, "JOINED");
    if (record->count < 4 || wire_is(record->token[2], "-"))
        return; // no event
    long index = s_index(all, record->token[1]);
    if (index < 0)
        all->strangers++;
    else
        s_count(all, verb, index);
    snprintf(self->tag, sizeof self->tag, "%.*s", (int)record->token[3].size,
             record->token[3].data);
    if (++self->unacked >= ACK_EACH)
        s_ack(self);
}

static void s_receive(struct played_worker *self)
{
    static struct wire_record record;
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    for (int taken = 0; taken < RECEIVE_MAX; taken++) {
        if (zmq_msg_recv(&frame, self->socket, ZMQ_DONTWAIT) < 0)
            break;
        self->all->records++;
        if (wire_read(zmq_msg_data(&frame), zmq_msg_size(&frame), &record) == 0)
            s_take(self, &record);
    }
    (void)zmq_msg_close(&frame);
    s_ack(self);
    if (clock_now_ms() - self->join_ms >= JOIN_MS)
        s_join(self);
}

static struct played_worker *s_worker(struct played_workers *all, const char *endpoint,
                                      unsigned window)
{
    static const int options[][2] = {
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_LINGER, 0},
        {ZMQ_RECONNECT_IVL, 100},
        {ZMQ_RECONNECT_IVL_MAX, 1000},
    };
    struct played_worker *self = mem_new(struct played_worker);
    self->all = all;
    self->number = all->count;
    self->window = window;
    self->socket = zmq_socket(all->context, ZMQ_DEALER);
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        (void)zmq_setsockopt(self->socket, options[at][0], &options[at][1], sizeof(int));
    if (!self->socket || zmq_connect(self->socket, endpoint) != 0)
        bench_die("connect");
    return self;
}

struct played_workers *played_workers_new(const char *endpoint, unsigned count,
                                          unsigned window)
{
    struct played_workers *self = mem_new(struct played_workers);
    self->context = zmq_ctx_new();
    for (; self->count < count && self->count < PLAYED_WORKERS_MAX; self->count++)
        self->worker[self->count] = s_worker(self, endpoint, window);
    return self;
}

void played_workers_destroy(struct played_workers **self_p)
{
    struct played_workers *self = *self_p;
    *self_p = NULL;
    for (unsigned at = 0; at < self->count; at++) {
        (void)zmq_close(self->worker[at]->socket);
        free(self->worker[at]);
    }
    (void)zmq_ctx_term(self->context);
    free(self->opens);
    free(self->closes);
    free(self->adopted);
    free(self);
}

void played_workers_expect(struct played_workers *self, unsigned edges, unsigned channels)
{
    size_t all = (size_t)edges * channels;
    self->edges = edges;
    self->channels = channels;
    self->opens = mem_alloc(all);
    self->closes = mem_alloc(all);
    self->adopted = mem_alloc(all * sizeof *self->adopted);
}

void played_workers_turn(struct played_workers *self, int timeout_ms)
{
    zmq_pollitem_t items[PLAYED_WORKERS_MAX];
    for (unsigned at = 0; at < self->count; at++)
        items[at] =
            (zmq_pollitem_t){.socket = self->worker[at]->socket, .events = ZMQ_POLLIN};
    (void)zmq_poll(items, (int)self->count, timeout_ms);
    for (unsigned at = 0; at < self->count; at++)
        s_receive(self->worker[at]);
}

void played_workers_reset(struct played_workers *self)
{
    self->joined = self->adopts = 0;
    memset(self->adopted, 0, (size_t)self->edges * self->channels);
}

uint64_t played_workers_wrong(const struct played_workers *self, const uint8_t *counts,
                              unsigned each)
{
    uint64_t wrong = 0;
    for (size_t at = 0; at < (size_t)self->edges * self->channels; at++)
        wrong += counts[at] != each;
    return wrong;
}
