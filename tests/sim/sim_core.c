/* sim_core: many short lives of the whole bus, each from a seed.  SIM_SEED and SIM_RUNS
 * choose which and how many, SIM_SECONDS how long; SIM_TRACE prints all that happens. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SIM_STEPS = 1500,     // with faults
    SIM_CALM_MS = 400000, // by then all must be over
    SIM_RUNS_AT_FIRST = 60,
};

static void s_fault_of_app(struct sim *self)
{
    int at = (int)sim_draw(self, SIM_APPS);
    struct sim_app *app = &self->app[at];
    switch (sim_draw(self, 6)) {
    case 0:
        sim_app_die(self, at);
        break;
    case 1:
        sim_cut(self, app->peer);
        break;
    case 5:
        app->peer = sim_replace(self, app->peer);
        break;
    case 2:
        app->stopped_ms = self->now_ms + 1000 + sim_draw(self, 40000);
        break;
    case 3:
        app->hung = !app->hung;
        break;
    default:
        sim_app_leave(self, at);
    }
}

static void s_fault_of_edge(struct sim *self)
{
    int at = (int)sim_draw(self, SIM_EDGES);
    struct sim_edge *edge = &self->edge[at];
    switch (sim_draw(self, 10)) {
    case 0:
        sim_edge_die(self, at);
        sim_edge_start(self, at);
        break;
    case 1:
        edge->stopped_ms = self->now_ms + 1000 + sim_draw(self, 12000);
        break;
    case 2:
        sim_say(self, edge->records, "BYE");
        while (sim_chance(self, 2) && sim_core_takes(self))
            ;
        sim_edge_die(self, at);
        sim_edge_start(self, at);
        break;
    case 3:
        edge->pulses = sim_replace(self, edge->pulses);
        break;
    case 4:
    case 5:
    case 6:
        edge->records = sim_replace(self, edge->records);
        break;
    default:
        sim_cut(self, edge->records);
    }
}

static void s_fault(struct sim *self)
{
    self->faults++;
    unsigned which = sim_draw(self, 20);
    if (which == 0) {
        sim_stop_broker(self);
        self->down_ms = self->now_ms + sim_draw(self, 8000);
    } else if (which == 1) {
        self->frozen_ms = self->now_ms + 2000 + sim_draw(self, 8000);
    } else if (which == 2) {
        self->full = sim_chance(self, 2) ? 2 + sim_draw(self, 20) : 0;
    } else if (which < 12) {
        s_fault_of_edge(self);
    } else {
        s_fault_of_app(self);
    }
}

static enum sim_verb s_draw_verb(struct sim *self)
{
    switch (sim_draw(self, 30)) {
    case 0:
        return SIM_CLOSE;
    case 1:
        return SIM_SLOW;
    case 2:
        return SIM_BODY;
    default:
        return SIM_TEXT;
    }
}

static void s_traffic(struct sim *self)
{
    int edge = (int)sim_draw(self, SIM_EDGES);
    if (self->edge[edge].stopped_ms > self->now_ms)
        return;
    if (sim_chance(self, 8))
        (void)sim_edge_open(self, edge, (int)sim_draw(self, 2));
    for (int at = 0; at < self->channels; at++) {
        struct sim_channel *channel = &self->channel[at];
        if (channel->edge == edge && sim_edge_has(self, channel) && sim_chance(self, 10))
            sim_edge_event(self, at, s_draw_verb(self));
    }
    sim_topic_traffic(self);
    if (sim_chance(self, 3))
        sim_app_send(self, (int)sim_draw(self, SIM_APPS));
}

static void s_broker_turn(struct sim *self)
{
    if (!self->core && self->down_ms <= self->now_ms)
        sim_start_broker(self);
    if (!self->core || self->frozen_ms > self->now_ms)
        return;
    core_set_time(self->core, self->now_ms);
    for (unsigned most = sim_draw(self, 30); most > 0 && sim_core_takes(self); most--)
        ;
    core_turn(self->core);
    if (self->tick_ms <= self->now_ms) {
        core_tick(self->core);
        self->tick_ms = self->now_ms + 1000;
    }
    sim_check_core(self);
}

static void s_step(struct sim *self)
{
    self->steps++;
    self->now_ms += sim_draw(self, self->calm ? 200 : 60);
    s_broker_turn(self);
    for (int at = 0; at < SIM_EDGES; at++)
        if (sim_chance(self, 2))
            sim_edge_turn(self, at);
    for (int at = 0; at < SIM_APPS; at++)
        if (sim_chance(self, 2))
            sim_app_turn(self, at);
}

static void s_calm_down(struct sim *self)
{
    sim_trace(self, "calm");
    self->calm = true;
    self->full = 0;
    self->frozen_ms = self->down_ms = 0;
    for (int at = 0; at < SIM_EDGES; at++)
        self->edge[at].stopped_ms = 0;
    for (int at = 0; at < SIM_APPS; at++) {
        self->app[at].stopped_ms = 0;
        self->app[at].hung = false;
    }
}

static bool s_is_over(struct sim *self)
{
    for (int at = 0; at < self->channels; at++)
        if (sim_edge_has(self, &self->channel[at]))
            return false;
    return self->core && table_count(&self->core->channels) == 0 &&
           sim_topic_is_over(self);
}

static void s_finish(struct sim *self)
{
    s_calm_down(self);
    int64_t until_ms = self->now_ms + SIM_CALM_MS;
    for (bool over = false; !over; over = s_is_over(self)) {
        s_step(self);
        for (int at = 0; at < self->channels; at++)
            if (sim_edge_has(self, &self->channel[at]))
                sim_edge_event(self, at, SIM_CLOSE);
        if (self->now_ms > until_ms)
            sim_check_end(self); // says which channel is stuck
        if (self->now_ms > until_ms)
            sim_fail(self, "channels are left in the broker");
    }
    for (int at = 0; at < 500; at++) // answers that are still on their way
        s_step(self);
    sim_check_end(self);
}

static void s_run(struct sim *self, uint64_t seed)
{
    memset(self, 0, sizeof *self);
    self->seed = self->random = seed;
    self->now_ms = 1000;
    self->sending = -1;
    sim_doctor_begin(&self->doctor);
    self->ring = sim_chance(self, 3) ? 20 + sim_draw(self, 100) : 10000;
    unsigned fault = 20 + sim_draw(self, 200);
    sim_start_broker(self);
    sim_topic_start(self);
    for (int at = 0; at < SIM_EDGES; at++)
        sim_edge_start(self, at);
    for (int at = 0; at < SIM_APPS; at++)
        sim_app_start(self, at);
    while (self->steps < SIM_STEPS) {
        s_step(self);
        s_traffic(self);
        if (sim_chance(self, fault))
            s_fault(self);
    }
    s_finish(self);
    sim_clear(self);
    sim_doctor_end(&self->doctor);
}

int main(void)
{
    static struct sim sim;
    uint64_t seed = sim_number("SIM_SEED", 1), seconds = sim_number("SIM_SECONDS", 0);
    uint64_t runs = sim_number("SIM_RUNS", seconds ? UINT64_MAX : SIM_RUNS_AT_FIRST);
    uint64_t delivered = 0, faults = 0, done = 0, followed = 0, told = 0;
    time_t until = time(NULL) + (time_t)seconds;
    for (; done < runs && (!seconds || time(NULL) < until); done++) {
        s_run(&sim, seed + done);
        delivered += sim.delivered;
        faults += sim.faults;
        followed += sim.followed;
        told += sim.told;
    }
    printf("%" PRIu64 " runs from seed %" PRIu64 ": %" PRIu64 " deliveries, %" PRIu64
           " publications followed, %" PRIu64 " gaps, %" PRIu64 " faults\n",
           done, seed, delivered, followed, told, faults);
    printf("1 passed, 0 failed\n");
    return EXIT_SUCCESS;
}
