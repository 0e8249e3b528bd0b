/* bench_announce: what a broker that is killed, and a gateway that is killed, cost when
 * there are many channels.
 *
 *   played edges (one process) ==ZeroMQ==> ringway-broker ==ZeroMQ==> played workers
 * (here)
 *
 * Two scales: 100,000 channels on 10 edges (only this with `--100k`), and 1,000,000
 * on 20. At each: all channels are opened and acknowledged; three times the broker is
 * killed (SIGKILL) and started again on the same ports; at last the process of the edges
 * is killed.  Measured are
 *
 *   announced  from the ready line of the new broker until the last edge knows that its
 *              SYNCED was taken: it says TSUB after SYNCED, and the broker's answer comes
 *              after all it did before.  The median of three counts.
 *   adopted    until every channel has been given to a worker again
 *   closed     from the death of the edges until a worker has the CLOSE of every channel
 *   memory     growth of the broker's resident memory from no channel to all, by channel
 *
 * A channel that is not announced, not adopted, or not closed exactly once is a failure
 * whatever the time.  `bench_announce --quick` looks at that only, with 20,000 channels;
 * its last line is `N passed, N failed`.
 */
#include "common/clock.h"
#include "tests/bench/bench_support.h"
#include "tests/bench/played_edges.h"
#include "tests/bench/played_workers.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    WORKERS = 4,
    WINDOW = 64, // what a worker has that does not ask for another
    RESTARTS = 3,
    TURN_MS = 20,
    SETTLE_MS = 1200,     // for what is under way and a tick of the broker
    PATIENCE_MS = 240000, // a busy machine is slow, which is no failure of ours
    ENDPOINT_ROOM = 128,
};

struct s_scale {
    const char *name;
    unsigned edges, channels; // channels of each edge
    const char *lease;        // edge-lease
    double announced_s;       // limits; 0: none
    double closed_s;
    double bytes;
};

static const struct s_scale s_scales[] = {
    {"100,000 channels", 10, 10000, "5s", 2, 5 + 5, 450},
    {"1,000,000 channels", 20, 50000, "5s", 10, 0, 450},
};
static const struct s_scale s_quick = {"20,000 channels", 4, 5000, "3s", 0, 0, 0};

struct s_run {
    const struct s_scale *scale;
    struct bench_daemon broker;
    char edges[ENDPOINT_ROOM], apps[ENDPOINT_ROOM];
    struct played_report *report;
    struct played_workers *workers;
    pid_t edges_pid;
    uint64_t channels;
    size_t bytes_before;
    double announced_s[RESTARTS], adopted_s[RESTARTS];
};

static unsigned s_passed, s_failed;

/* A fact that has to hold; the program goes on. */
static void s_claim(const struct s_run *self, bool good, const char *what)
{
    printf("%-9s%s: %s\n", good ? "ok" : "not ok", self->scale->name, what);
    (void)fflush(stdout);
    s_passed += good;
    s_failed += !good;
}

static void s_line(const struct s_run *self, const char *what, double value,
                   const char *unit)
{
    char name[96];
    snprintf(name, sizeof name, "%s: %s", self->scale->name, what);
    bench_line(name, value, unit);
}

/* With a limit, if the scale has one. */
static void s_limit(const struct s_run *self, const char *what, double value,
                    const char *unit, double most)
{
    char name[96];
    snprintf(name, sizeof name, "%s: %s", self->scale->name, what);
    if (most > 0)
        bench_limit(name, value, unit, most);
    else
        bench_line(name, value, unit);
}

static void s_start_broker(struct s_run *self)
{
    const char *const arguments[] = {"--bus-edges",
                                     self->edges,
                                     "--bus-apps",
                                     self->apps,
                                     "--bus-tap",
                                     "",
                                     "--bus-pull",
                                     "",
                                     "--bus-sub",
                                     "",
                                     "--ops-listen",
                                     "127.0.0.1:0",
                                     "--edge-lease",
                                     self->scale->lease,
                                     "--log-level",
                                     "error",
                                     NULL};
    bench_start(&self->broker, "ringway-broker", arguments);
    bench_ready_value(&self->broker, "edges", self->edges, sizeof self->edges);
    bench_ready_value(&self->broker, "apps", self->apps, sizeof self->apps);
}

/* Takes records until `done` says so; false when it does not in time. */
static bool s_await(struct s_run *self, bool (*done)(const struct s_run *self))
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!done(self) && clock_now_ms() < until_ms)
        played_workers_turn(self->workers, TURN_MS);
    return done(self);
}

static void s_settle(struct s_run *self)
{
    int64_t until_ms = clock_now_ms() + SETTLE_MS;
    while (clock_now_ms() < until_ms)
        played_workers_turn(self->workers, TURN_MS);
}

static bool s_all_joined(const struct s_run *self)
{
    return self->workers->joined >= WORKERS &&
           atomic_load(&self->report->joined) == self->scale->edges;
}

static bool s_all_open(const struct s_run *self)
{
    return self->workers->opened == self->channels &&
           atomic_load(&self->report->acked) == self->channels;
}

static bool s_all_synced(const struct s_run *self)
{
    return atomic_load(&self->report->synced) == self->scale->edges;
}

static bool s_all_adopted(const struct s_run *self)
{
    return self->workers->adopts == self->channels;
}

static bool s_all_closed(const struct s_run *self)
{
    return self->workers->closed == self->channels;
}

/* The broker counts once a second. */
static bool s_knows(struct s_run *self, uint64_t channels)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    bool known = false;
    while (!known && clock_now_ms() < until_ms) {
        s_settle(self);
        known =
            bench_metric(&self->broker, "ringway_broker_channels") == (double)channels;
    }
    return known;
}

static double s_bytes_each(const struct s_run *self)
{
    double grown = (double)bench_process_bytes(self->broker.pid);
    return (grown - (double)self->bytes_before) / (double)self->channels;
}

/* Everything starts, and all channels are opened. */
static void s_begin(struct s_run *self)
{
    snprintf(self->edges, sizeof self->edges, "tcp://127.0.0.1:*");
    snprintf(self->apps, sizeof self->apps, "tcp://127.0.0.1:*");
    s_start_broker(self);
    self->edges_pid = played_edges_start(self->edges, self->scale->edges,
                                         self->scale->channels, self->report);
    self->workers = played_workers_new(self->apps, WORKERS, WINDOW);
    played_workers_expect(self->workers, self->scale->edges, self->scale->channels);
    s_claim(self, s_await(self, s_all_joined), "edges and workers join");
    s_settle(self);
    self->bytes_before = bench_process_bytes(self->broker.pid);
    int64_t start_ns = bench_now_ns();
    atomic_store(&self->report->open, true);
    s_claim(self, s_await(self, s_all_open), "each channel is opened and acknowledged");
    s_line(self, "opened", (double)(bench_now_ns() - start_ns) / 1e9, "s");
    s_claim(self, played_workers_wrong(self->workers, self->workers->opens, 1) == 0,
            "each channel has one OPEN");
    s_settle(self);
    s_limit(self, "memory of a channel", s_bytes_each(self), "bytes", self->scale->bytes);
}

static void s_restart(struct s_run *self, unsigned round)
{
    played_report_reset(self->report);
    played_workers_reset(self->workers);
    bench_kill(&self->broker);
    s_start_broker(self);
    int64_t ready_ns = bench_now_ns();
    s_claim(self, s_await(self, s_all_synced), "all edges announce again");
    int64_t synced_ns = atomic_load(&self->report->synced_ns);
    self->announced_s[round] = (double)(synced_ns - ready_ns) / 1e9;
    s_claim(self, s_await(self, s_all_adopted), "each channel is adopted by a worker");
    self->adopted_s[round] = (double)(bench_now_ns() - ready_ns) / 1e9;
    s_claim(self, s_knows(self, self->channels),
            "the new broker knows exactly these channels");
    s_claim(self, self->workers->closed == 0 && atomic_load(&self->report->refused) == 0,
            "no channel is closed, no edge refused");
    s_line(self, "announced, one round", self->announced_s[round], "s");
    s_line(self, "asked for again", (double)atomic_load(&self->report->resent), "");
    s_line(self, "sockets full", (double)atomic_load(&self->report->stalls), "times");
    s_line(self, "longest silence", (double)atomic_load(&self->report->silence_ms), "ms");
    s_line(self, "longest turn of the broker",
           bench_metric(&self->broker, "ringway_broker_longest_turn_ms"), "ms");
}

static void s_kill_edges(struct s_run *self)
{
    int64_t start_ns = bench_now_ns();
    (void)kill(self->edges_pid, SIGKILL);
    (void)waitpid(self->edges_pid, NULL, 0);
    s_claim(self, s_await(self, s_all_closed), "each channel of a dead edge is closed");
    double closed_s = (double)(self->workers->close_ns - start_ns) / 1e9;
    s_settle(self);
    s_limit(self, "closed after the death of the edges", closed_s, "s",
            self->scale->closed_s);
    s_line(self, "longest turn of the broker",
           bench_metric(&self->broker, "ringway_broker_longest_turn_ms"), "ms");
    s_claim(self, played_workers_wrong(self->workers, self->workers->closes, 1) == 0,
            "each channel has one CLOSE");
    s_claim(self, played_workers_wrong(self->workers, self->workers->opens, 1) == 0,
            "no channel is opened twice");
    s_claim(self, self->workers->strangers == 0, "no event of an unknown channel");
    s_claim(self, s_knows(self, 0), "the broker forgets them");
    s_claim(self, bench_metric(&self->broker, "ringway_broker_lost_workers_total") == 0,
            "no worker is given up");
    s_line(self, "pauses of the broker",
           bench_metric(&self->broker, "ringway_broker_pauses_total"), "");
}

static void s_measure(const struct s_scale *scale, unsigned restarts)
{
    struct s_run self = {.scale = scale,
                         .channels = (uint64_t)scale->edges * scale->channels};
    self.report = played_report_new();
    s_begin(&self);
    for (unsigned round = 0; round < restarts; round++)
        s_restart(&self, round);
    s_limit(&self, "announced", bench_median(self.announced_s, restarts), "s",
            scale->announced_s);
    s_line(&self, "adopted", bench_median(self.adopted_s, restarts), "s");
    s_line(&self, "memory of a channel, after a restart", s_bytes_each(&self), "bytes");
    s_kill_edges(&self);
    played_workers_destroy(&self.workers);
    bench_stop(&self.broker);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    size_t count = strcmp(what, "--100k") == 0 ? 1 : sizeof s_scales / sizeof *s_scales;
    bench_load();
    if (strcmp(what, "--quick") == 0)
        s_measure(&s_quick, 1);
    for (size_t at = 0; strcmp(what, "--quick") != 0 && at < count; at++)
        s_measure(&s_scales[at], RESTARTS);
    int status = bench_finish();
    printf("%u passed, %u failed\n", s_passed, s_failed);
    return s_failed ? EXIT_FAILURE : status;
}
