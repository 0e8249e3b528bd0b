/* bench_history: what the core of the broker needs for a publication, with history and
 * without, for a replay, and in memory.  No sockets: what it says is dropped. */
#include "broker/core.h"
#include "tests/bench/bench_support.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOPICS = 1000,
    ROUNDS = 5,
    POSTS = 200000, // of a round
    HELD = 100,     // of each topic
    PAYLOAD = 100,  // bytes
    REPLAYS = 200,  // of HELD publications each
    RECORD = 256,
};

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    (void)context, (void)peer, (void)record;
    return 0;
}

static int s_to_app(void *context, const struct address *to,
                    const struct wire_header *header, struct wire_text payload)
{
    (void)context, (void)to, (void)header, (void)payload;
    return 0;
}

static void s_to_tap(void *context, const char *topic, const struct wire_header *header,
                     struct wire_text payload)
{
    (void)context, (void)topic, (void)header, (void)payload;
}

static struct core *s_core(size_t count)
{
    const struct core_settings settings = {
        .edge_lease_ms = 5000,
        .worker_lease_ms = 5000,
        .ack_timeout_ms = 30000,
        .ring_records = 100000,
        .ring_bytes = 64 << 20,
        .topics = 1000000,
        .edges = 100,
        .workers = 100,
        .services = 100,
        .closes = 100,
        .answers = 1000,
        .history = {.limits = {.count = count, .age_ms = 300000, .bytes = 1 << 20},
                    .total_bytes = (size_t)1 << 30},
        .pending_bytes = 1 << 20,
        .boot = 1};
    const struct output output = {NULL, s_to_edge, s_to_app, s_to_tap};
    return core_new(&settings, &output, 1000);
}

/* Publishes in turn to all topics. */
static void s_publish(struct core *core, size_t count)
{
    static const struct address sender = {.peer = 1};
    char record[RECORD];
    for (size_t at = 0; at < count; at++) {
        int head = snprintf(record, sizeof record, "PUB rooms/%zu/news\n", at % TOPICS);
        memset(record + head, 'x', PAYLOAD);
        core_from_app(core, &sender, (struct wire_text){record, (size_t)head + PAYLOAD});
    }
}

static double s_cost_ns(size_t history)
{
    double cost[ROUNDS];
    struct core *core = s_core(history);
    s_publish(core, (size_t)TOPICS * HELD); // the shelves are full
    for (size_t round = 0; round < ROUNDS; round++) {
        double seconds = bench_thread_seconds();
        s_publish(core, POSTS);
        cost[round] = (bench_thread_seconds() - seconds) * 1e9 / POSTS;
    }
    core_destroy(&core);
    return bench_median(cost, ROUNDS);
}

static double s_memory(void)
{
    struct core *core = s_core(HELD);
    s_publish(core, TOPICS); // topics, and their first shelves
    size_t before = mallinfo2().uordblks;
    s_publish(core, (size_t)TOPICS * (HELD - 1));
    double bytes = (double)(mallinfo2().uordblks - before) / TOPICS / (HELD - 1);
    core_destroy(&core);
    return bytes;
}

static void s_say(struct core *core, const char *record)
{
    static const struct address edge = {.peer = 8};
    core_from_edge(core, &edge, (struct wire_text){record, strlen(record)});
}

/* One topic of HELD publications to one channel after the other. */
static double s_replay_ns(void)
{
    char record[RECORD];
    struct core *core = s_core(HELD);
    s_publish(core, (size_t)TOPICS * HELD);
    s_say(core, "HELLO e1 0123456789abcdef - 0 proto=RW/1");
    s_say(core, "SYNCED");
    s_say(core, "TSUB rooms/7/news");
    double seconds = bench_thread_seconds();
    for (int at = 0; at < REPLAYS; at++) {
        snprintf(record, sizeof record,
                 "HGET e1.0123456789abcdef.%x 0000000000000001:0 1000\nrooms/7/news\n",
                 (unsigned)at);
        s_say(core, record);
        core_turn(core);
    }
    seconds = bench_thread_seconds() - seconds;
    double replays = (double)core_measure(core)->replays;
    core_destroy(&core);
    return seconds * 1e9 / replays;
}

int main(void)
{
    double without = s_cost_ns(0), with = s_cost_ns(HELD);
    bench_line("history, PUB without", without, "ns");
    bench_line("history, PUB with", with, "ns");
    bench_line("history, PUB with, times without", with / without, "times");
    bench_line("history, a publication of 100 bytes in memory", s_memory(), "bytes");
    bench_line("history, a publication replayed", s_replay_ns(), "ns");
    return EXIT_SUCCESS;
}
