#include "broker/broker.h"

#include "broker/back.h"
#include "broker/broker_metrics.h"
#include "broker/broker_settings.h"
#include "broker/broker_store.h"
#include "broker/core.h"
#include "broker/cores.h"
#include "broker/feed.h"
#include "broker/front.h"
#include "broker/socket.h"
#include "broker/tap.h"
#include "broker/watch.h"
#include "broker/zap.h"
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
    WHY_ROOM = 256,
};

struct broker {
    void *context;
    int core_of_threads;    // CORES_ANY, or where ours and that of ZeroMQ run
    struct key_store *keys; // NULL: an open bus
    struct zap *zap;
    struct watch *watch;
    struct front *front;
    struct back *back;
    struct tap *tap;
    char tap_endpoint[SOCKET_ENDPOINT_MAX];
    struct feed *pull, *sub;
    struct core *core;
    struct broker_store *store; // NULL: history lives as long as we do
    int wake;                   // eventfd
    atomic_bool running, stopping, reloading;
    bool reopen_tap;          // with the keys that count now
    int64_t beat_every_ms;    // a second, or a fifth of a short lease
    int64_t beat_ms, tick_ms; // when the next ones are due
    int64_t longest_turn_ms;  // since the start
    struct core_stats seen;   // at the last tick, for the log
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
    const struct socket_place place = {self->context, endpoint, self->keys};
    bool bound = true;
    if (!s_is_on(endpoint))
        return true;
    switch (port) {
    case BROKER_EDGES:
        bound = (self->front = front_new(&place)) != NULL;
        break;
    case BROKER_APPS:
        bound = (self->back = back_new(&place)) != NULL;
        break;
    case BROKER_TAP:
        bound = (self->tap = tap_new(&place)) != NULL;
        snprintf(self->tap_endpoint, sizeof self->tap_endpoint, "%s",
                 bound ? tap_endpoint(self->tap) : "");
        break;
    case BROKER_PULL:
        bound = (self->pull = feed_new(&place, FEED_PULL)) != NULL;
        break;
    case BROKER_SUB:
        bound = (self->sub = feed_new(&place, FEED_SUB)) != NULL;
        break;
    case BROKER_PORTS:
        break;
    }
    if (!bound)
        snprintf(why, WHY_ROOM, "cannot bind %s %.128s: %s", name, endpoint,
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
    struct core_settings settings = {
        .edge_lease_ms = conf_number(conf, "edge-lease"),
        .worker_lease_ms = conf_number(conf, "worker-lease"),
        .ack_timeout_ms = conf_number(conf, "ack-timeout"),
        .ring_records = (size_t)conf_number(conf, "ring-records"),
        .ring_bytes = (size_t)conf_number(conf, "ring-bytes"),
        .topics = (size_t)conf_number(conf, "max-topics"),
        .edges = (size_t)conf_number(conf, "max-edges"),
        .workers = (size_t)conf_number(conf, "max-workers"),
        .services = (size_t)conf_number(conf, "max-services"),
        .closes = (size_t)conf_number(conf, "max-waiting-closes"),
        .answers = (size_t)conf_number(conf, "max-answers"),
        .presence_members = (size_t)conf_number(conf, "presence-members"),
        .presence_total = (size_t)conf_number(conf, "presence-total"),
        .watches = (size_t)conf_number(conf, "max-watches"),
        .watch_lease_ms = conf_number(conf, "watch-lease"),
        .cast_lines = (size_t)conf_number(conf, "cast-lines"),
        .cast_channels = (size_t)conf_number(conf, "cast-channels"),
        .sessions = (size_t)conf_number(conf, "max-sessions"),
        .session_grace_ms = conf_number(conf, "session-grace"),
        .session_ring_age_ms = conf_number(conf, "session-ring-age"),
        .session_ring_bytes = (size_t)conf_number(conf, "session-ring"),
        .session_rings_bytes = (size_t)conf_number(conf, "session-ring-total"),
        .born_ms = clock_wall_ms(),
        .pending_bytes = (size_t)conf_number(conf, "pending-bytes"),
        .boot = clock_random_u64(),
    };
    int64_t fifth_ms = settings.edge_lease_ms / 5;
    self->beat_every_ms = fifth_ms < BROKER_TICK_MS ? fifth_ms : BROKER_TICK_MS;
    const struct output output = {self, s_to_edge, s_to_app, s_to_tap};
    broker_settings_history(conf, &settings.history);
    struct core *core = core_new(&settings, &output, clock_now_ms());
    broker_settings_free_history(&settings.history);
    return core;
}

/* The keys, and the doors that judge by them: before the ports are open. */
static bool s_open_gates(struct broker *self, const struct conf *conf, char *why)
{
    char wrong[KEY_STORE_WHY];
    const char *folder = conf_text(conf, "keys");
    if (folder && *folder) {
        self->keys = key_store_new(folder);
        if (key_store_load(self->keys, wrong) < 0) {
            snprintf(why, WHY_ROOM, "keys: %.230s", wrong);
            return false;
        }
    }
    self->zap = zap_new(self->context, self->keys);
    self->watch = watch_new(self->context);
    return self->zap != NULL;
}

static const char *const s_port_names[BROKER_PORTS] = {"edges", "apps", "tap", "pull",
                                                       "sub"};

static void *s_socket(const struct broker *self, int port)
{
    switch ((enum broker_port)port) {
    case BROKER_EDGES:
        return front_socket(self->front);
    case BROKER_APPS:
        return back_socket(self->back);
    case BROKER_TAP:
        return self->tap ? tap_socket(self->tap) : NULL;
    case BROKER_PULL:
        return self->pull ? feed_socket(self->pull) : NULL;
    case BROKER_SUB:
        return self->sub ? feed_socket(self->sub) : NULL;
    case BROKER_PORTS:
        break;
    }
    return NULL;
}

static bool s_watch_all(struct broker *self)
{
    for (int port = 0; port < BROKER_PORTS; port++)
        if (s_socket(self, port) &&
            !watch_add(self->watch, s_port_names[port], s_socket(self, port)))
            return false;
    return true;
}

/* Our thread and that of ZeroMQ hand each record to each other, which costs half as much
 * where they need not wake another core for it.  CURVE is work for a core of its own. */
static int s_core_of_threads(const struct conf *conf)
{
    const char *wish = conf_text(conf, "cores"), *keys = conf_text(conf, "keys");
    bool is_open = !keys || !*keys;
    bool one = strcmp(wish, "one") == 0 || (strcmp(wish, "auto") == 0 && is_open);
    return one ? cores_choose() : CORES_ANY;
}

/* The last thing at the start: nothing can fail any more, and leave positions unused. */
static bool s_open_store(struct broker *self, const struct conf *conf, char *why)
{
    char wrong[STORE_WHY];
    self->store = broker_store_open(conf, self->wake);
    if (broker_store_start(self->store, self->core, wrong))
        return true;
    snprintf(why, WHY_ROOM, "data: %.240s", wrong);
    return false;
}

struct broker *broker_new(const struct conf *conf, char *why, size_t room)
{
    struct broker *self = mem_new(struct broker);
    char text[WHY_ROOM] = "cannot start";
    self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->core_of_threads = s_core_of_threads(conf);
    self->context = socket_context_new(self->core_of_threads);
    if (self->wake >= 0 && self->context && s_open_gates(self, conf, text) &&
        s_open_all(self, conf, text) && s_watch_all(self)) {
        self->core = s_core(self, conf);
        broker_metrics_register();
        watch_register();
        store_register();
        if (s_open_store(self, conf, text))
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
    broker_store_close(&self->store);
    core_destroy(&self->core);
    watch_destroy(&self->watch);
    front_destroy(&self->front);
    back_destroy(&self->back);
    tap_destroy(&self->tap);
    feed_destroy(&self->pull);
    feed_destroy(&self->sub);
    zap_destroy(&self->zap);
    socket_context_destroy(&self->context);
    key_store_destroy(&self->keys);
    if (self->wake >= 0)
        close(self->wake);
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
        return self->tap_endpoint;
    case BROKER_PULL:
        return self->pull ? feed_endpoint(self->pull) : "";
    case BROKER_SUB:
        return self->sub ? feed_endpoint(self->sub) : "";
    case BROKER_PORTS:
        break;
    }
    return "";
}

static void s_wake(struct broker *self)
{
    uint64_t one = 1;
    ssize_t written = write(self->wake, &one, sizeof one);
    (void)written; // it can only fail when it is set already
}

void broker_stop(struct broker *self)
{
    atomic_store(&self->stopping, true);
    s_wake(self);
}

void broker_reload(struct broker *self)
{
    atomic_store(&self->reloading, true);
    s_wake(self);
}

bool broker_make_edge_keys(struct broker *self, char own_public[BROKER_KEY_ROOM],
                           char own_secret[BROKER_KEY_ROOM],
                           char broker_public[BROKER_KEY_ROOM])
{
    if (!self->keys || zmq_curve_keypair(own_public, own_secret) < 0 ||
        zmq_curve_public(broker_public, key_store_secret(self->keys)) < 0)
        return false;
    key_store_add_edge(self->keys, own_public);
    return true;
}

bool broker_is_running(const struct broker *self)
{
    return atomic_load(&self->running);
}

/* One turn over all doors; true when one of them may have more. */
static bool s_drain(struct broker *self)
{
    bool more = zap_drain(self->zap, BROKER_BUDGET) == BROKER_BUDGET;
    if (self->tap) // first: a watcher sees what comes after its subscription
        more |= tap_drain(self->tap, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    more |= back_drain(self->back, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    more |= front_drain(self->front, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    if (self->pull)
        more |= feed_drain(self->pull, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    if (self->sub)
        more |= feed_drain(self->sub, self->core, BROKER_BUDGET) == BROKER_BUDGET;
    core_turn(self->core);
    broker_store_turn(self->store);
    return more;
}

static void s_log_denied(struct broker *self, uint64_t count)
{
    const struct core_denied *denied = core_last_denied(self->core);
    char subject[sizeof denied->subject + 3];
    (void)log_quote(denied->subject, (unsigned)strlen(denied->subject), subject,
                    sizeof subject);
    log_warn("denied", "count=%llu key=%s verb=%s subject=%s", (unsigned long long)count,
             denied->key, denied->verb, subject);
}

/* What changed since the last tick and is worth a line. */
static void s_log(struct broker *self, const struct core_stats *stats)
{
    const struct core_stats *seen = &self->seen;
    if (stats->edges != seen->edges || stats->lost_edges != seen->lost_edges)
        log_info("edges", "edges=%llu left=%llu lost=%llu",
                 (unsigned long long)stats->edges, (unsigned long long)stats->left_edges,
                 (unsigned long long)stats->lost_edges);
    if (stats->workers != seen->workers || stats->lost_workers != seen->lost_workers)
        log_info("workers", "workers=%llu left=%llu lost=%llu",
                 (unsigned long long)stats->workers,
                 (unsigned long long)stats->left_workers,
                 (unsigned long long)stats->lost_workers);
    if (stats->pauses != seen->pauses)
        log_warn("paused", "pauses=%llu", (unsigned long long)stats->pauses);
    if (stats->lost_publications != seen->lost_publications)
        log_warn("publications_lost", "lost=%llu",
                 (unsigned long long)stats->lost_publications);
    if (stats->dropped[CORE_DROP_DENIED] != seen->dropped[CORE_DROP_DENIED])
        s_log_denied(self,
                     stats->dropped[CORE_DROP_DENIED] - seen->dropped[CORE_DROP_DENIED]);
    self->seen = *stats;
}

/* Watchers whose key was taken away must not see more, and libzmq cannot send one peer
 * away: all go, and those who still may come back by themselves. */
static void s_reopen_tap(struct broker *self)
{
    char endpoint[SOCKET_ENDPOINT_MAX];
    const struct socket_place place = {self->context, endpoint, self->keys};
    if (!self->reopen_tap)
        return;
    snprintf(endpoint, sizeof endpoint, "%s", self->tap_endpoint);
    if (self->tap) {
        watch_remove(self->watch, tap_socket(self->tap));
        tap_destroy(&self->tap);
        core_set_tap(self->core, false);
    }
    self->tap = tap_new(&place); // the old one may hold the address for a moment
    if (!self->tap)
        return;
    self->reopen_tap = false;
    (void)watch_add(self->watch, s_port_names[BROKER_TAP], tap_socket(self->tap));
}

static void s_reload(struct broker *self)
{
    char why[KEY_STORE_WHY];
    if (!self->keys) {
        log_info("keys_none", "reason=\"the bus is open\"");
        return;
    }
    uint64_t changes = key_store_changes(self->keys);
    if (key_store_load(self->keys, why) < 0) {
        char quoted[KEY_STORE_WHY + 3];
        log_error("keys_kept", "reason=%s",
                  log_quote(why, (unsigned)strlen(why), quoted, sizeof quoted));
        return;
    }
    log_info("keys_loaded", "keys=%zu", key_store_count(self->keys));
    if (key_store_changes(self->keys) == changes)
        return;
    core_authority_changed(self->core);
    self->reopen_tap = self->tap != NULL;
    s_reopen_tap(self);
}

static void s_tick(struct broker *self, int64_t now_ms)
{
    if (now_ms < self->beat_ms)
        return;
    self->beat_ms = now_ms + self->beat_every_ms;
    core_tick(self->core);
    if (now_ms < self->tick_ms)
        return;
    self->tick_ms = now_ms + BROKER_TICK_MS;
    const struct core_stats *stats = core_measure(self->core);
    broker_metrics_update(stats, self->longest_turn_ms);
    s_log(self, stats);
    zap_report(self->zap);
    broker_store_report(self->store);
    watch_report(self->watch);
    s_reopen_tap(self);
}

static int s_timeout_ms(const struct broker *self, int64_t now_ms, bool more)
{
    if (more)
        return 0;
    if (core_is_behind(self->core))
        return BROKER_BEHIND_MS;
    return self->beat_ms > now_ms ? (int)(self->beat_ms - now_ms) : 0;
}

/* Waits for something to do.  False: stop. */
static bool s_wait(struct broker *self, int timeout_ms)
{
    void *sockets[BROKER_PORTS + 1];
    uint64_t woken;
    front_flush(self->front);
    back_flush(self->back);
    for (int port = 0; port < BROKER_PORTS; port++)
        sockets[port] = s_socket(self, port);
    sockets[BROKER_PORTS] = zap_socket(self->zap);
    if (socket_wait(sockets, BROKER_PORTS + 1, self->wake, timeout_ms))
        (void)!read(self->wake, &woken, sizeof woken);
    return !atomic_load(&self->stopping);
}

void broker_run(struct broker *self)
{
    int64_t now_ms = clock_now_ms();
    bool more = false;
    cores_stay(self->core_of_threads); // the threads for the disk and for /metrics do not
    atomic_store(&self->running, true);
    while (s_wait(self, s_timeout_ms(self, now_ms, more))) {
        now_ms = clock_now_ms();
        core_set_time(self->core, now_ms);
        broker_store_drain(self->store);
        if (atomic_exchange(&self->reloading, false))
            s_reload(self);
        more = s_drain(self);
        s_tick(self, now_ms);
        int64_t busy_ms = clock_now_ms() - now_ms;
        if (busy_ms > self->longest_turn_ms)
            self->longest_turn_ms = busy_ms;
    }
    atomic_store(&self->running, false);
    core_turn(self->core);
}
