#include "broker/broker.h"

#include "broker/back.h"
#include "broker/broker_metrics.h"
#include "broker/core.h"
#include "broker/feed.h"
#include "broker/front.h"
#include "broker/socket.h"
#include "broker/tap.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    BROKER_BUDGET = 1000, // messages that one door gives in a turn
    BROKER_TICK_MS = 1000,
    BROKER_BEHIND_MS = 5, // how soon a full connection is tried again
};

struct broker {
    void *context;
    struct front *front;
    struct back *back;
    struct tap *tap;
    struct feed *pull, *sub;
    struct core *core;
    int stop; // eventfd
    atomic_bool running;
    int64_t tick_ms;        // when the next one is due
    struct core_stats seen; // at the last tick, for the log
};

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    struct broker *self = context;
    return front_send(self->front, peer, record);
}

static int s_to_app(void *context, const struct address *to,
                    const struct wire_header *header, struct wire_text payload)
{
    struct broker *self = context;
    return back_send(self->back, to, header, payload);
}

static void s_to_tap(void *context, const char *topic, const struct wire_header *header,
                     struct wire_text payload)
{
    struct broker *self = context;
    if (self->tap)
        tap_send_record(self->tap, topic, header, payload);
}

static bool s_is_on(const char *endpoint)
{
    return endpoint && *endpoint;
}

/* Binds one port; false and a reason when it cannot be. */
static bool s_open(struct broker *self, enum broker_port port, const char *name,
                   const char *endpoint, char *why)
{
    bool bound = true;
    if (!s_is_on(endpoint))
        return true;
    switch (port) {
    case BROKER_EDGES:
        bound = (self->front = front_new(self->context, endpoint)) != NULL;
        break;
    case BROKER_APPS:
        bound = (self->back = back_new(self->context, endpoint)) != NULL;
        break;
    case BROKER_TAP:
        bound = (self->tap = tap_new(self->context, endpoint)) != NULL;
        break;
    case BROKER_PULL:
        bound = (self->pull = feed_new(self->context, FEED_PULL, endpoint)) != NULL;
        break;
    case BROKER_SUB:
        bound = (self->sub = feed_new(self->context, FEED_SUB, endpoint)) != NULL;
        break;
    case BROKER_PORTS:
        break;
    }
    if (!bound)
        snprintf(why, 256, "cannot bind %s %.128s: %s", name, endpoint,
                 zmq_strerror(errno));
    return bound;
}

static const char *const s_port_settings[BROKER_PORTS] = {
    [BROKER_EDGES] = "bus-edges", [BROKER_APPS] = "bus-apps", [BROKER_TAP] = "bus-tap",
    [BROKER_PULL] = "bus-pull",   [BROKER_SUB] = "bus-sub",
};

static bool s_open_all(struct broker *self, const struct conf *conf, char *why)
{
    for (int port = 0; port < BROKER_PORTS; port++)
        if (!s_open(self, (enum broker_port)port, s_port_settings[port],
                    conf_text(conf, s_port_settings[port]), why))
            return false;
    return true;
}

static struct core *s_core(struct broker *self, const struct conf *conf)
{
    const struct core_settings settings = {
        .edge_lease_ms = conf_number(conf, "edge-lease"),
        .worker_lease_ms = conf_number(conf, "worker-lease"),
        .ack_timeout_ms = conf_number(conf, "ack-timeout"),
        .ring_records = (size_t)conf_number(conf, "ring-records"),
        .ring_bytes = (size_t)conf_number(conf, "ring-bytes"),
        .topics = (size_t)conf_number(conf, "max-topics"),
        .boot = clock_random_u64(),
    };
    const struct output output = {self, s_to_edge, s_to_app, s_to_tap};
    return core_new(&settings, &output, clock_now_ms());
}

struct broker *broker_new(const struct conf *conf, char *why, size_t room)
{
    struct broker *self = mem_new(struct broker);
    char text[256] = "cannot start";
    self->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->context = socket_context_new();
    if (self->stop >= 0 && self->context && s_open_all(self, conf, text)) {
        self->core = s_core(self, conf);
        broker_metrics_register();
        return self;
    }
    snprintf(why, room, "%s", text);
    broker_destroy(&self);
    return NULL;
}

void broker_destroy(struct broker **self_p)
{
    struct broker *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    core_destroy(&self->core);
    front_destroy(&self->front);
    back_destroy(&self->back);
    tap_destroy(&self->tap);
    feed_destroy(&self->pull);
    feed_destroy(&self->sub);
    socket_context_destroy(&self->context);
    if (self->stop >= 0)
        close(self->stop);
    free(self);
}

const char *broker_endpoint(const struct broker *self, enum broker_port port)
{
    switch (port) {
    case BROKER_EDGES:
        return front_endpoint(self->front);
    case BROKER_APPS:
        return back_endpoint(self->back);
    case BROKER_TAP:
        return self->tap ? tap_endpoint(self->tap) : "";
    case BROKER_PULL:
        return self->pull ? feed_endpoint(self->pull) : "";
    case BROKER_SUB:
        return self->sub ? feed_endpoint(self->sub) : "";
    case BROKER_PORTS:
        break;
    }
    return "";
}

void broker_stop(struct broker *self)
{
    uint64_t one = 1;
    ssize_t written = write(self->stop, &one, sizeof one);
    (void)written; // it can only fail when it is set already
}

bool broker_is_running(const struct broker *self)
{
    return atomic_load(&self->running);
}

/* One turn over all doors; true when one of them may have more. */
static bool s_drain(struct broker *self)
{
    bool more = false;
    if (self->tap) // first: a watcher sees what comes after its subscription
        more |= tap_drain(self->tap, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    more |= back_drain(self->back, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    more |= front_drain(self->front, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    if (self->pull)
        more |= feed_drain(self->pull, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    if (self->sub)
        more |= feed_drain(self->sub, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    core_turn(self->core);
    return more;
}

/* What changed since the last tick and is worth a line. */
static void s_log(struct broker *self, const struct core_stats *stats)
{
    const struct core_stats *seen = &self->seen;
    if (stats->edges != seen->edges || stats->lost_edges != seen->lost_edges)
        log_info("edges", "edges=%llu lost=%llu", (unsigned long long)stats->edges,
                 (unsigned long long)stats->lost_edges);
    if (stats->workers != seen->workers || stats->lost_workers != seen->lost_workers)
        log_info("workers", "workers=%llu lost=%llu", (unsigned long long)stats->workers,
                 (unsigned long long)stats->lost_workers);
    if (stats->pauses != seen->pauses)
        log_warn("paused", "pauses=%llu", (unsigned long long)stats->pauses);
    if (stats->lost_publications != seen->lost_publications)
        log_warn("publications_lost", "lost=%llu",
                 (unsigned long long)stats->lost_publications);
    self->seen = *stats;
}

static void s_tick(struct broker *self, int64_t now_ms)
{
    if (now_ms < self->tick_ms)
        return;
    self->tick_ms = now_ms + BROKER_TICK_MS;
    core_tick(self->core);
    const struct core_stats *stats = core_measure(self->core);
    broker_metrics_update(stats);
    s_log(self, stats);
}

static int s_timeout_ms(const struct broker *self, int64_t now_ms, bool more)
{
    if (more)
        return 0;
    if (core_is_behind(self->core))
        return BROKER_BEHIND_MS;
    return self->tick_ms > now_ms ? (int)(self->tick_ms - now_ms) : 0;
}

void broker_run(struct broker *self)
{
    void *sockets[] = {
        front_socket(self->front),
        back_socket(self->back),
        self->tap ? tap_socket(self->tap) : NULL,
        self->pull ? feed_socket(self->pull) : NULL,
        self->sub ? feed_socket(self->sub) : NULL,
    };
    int64_t now_ms = clock_now_ms();
    bool more = false;
    atomic_store(&self->running, true);
    while (!socket_wait(sockets, sizeof sockets / sizeof *sockets, self->stop,
                        s_timeout_ms(self, now_ms, more))) {
        now_ms = clock_now_ms();
        core_set_time(self->core, now_ms);
        more = s_drain(self);
        s_tick(self, now_ms);
    }
    atomic_store(&self->running, false);
    core_turn(self->core);
}
