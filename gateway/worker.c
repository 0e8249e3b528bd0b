#include "gateway/worker.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway/intake.h"
#include "gateway/session_copies.h"
#include "gateway/worker_commands.h"
#include "gateway/worker_presence.h"
#include "gateway/worker_sessions.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ITEMS_MAX = 4000, ACK_GRACE_MS = 2000, FLOW_CHECK_MS = 1000 };

struct worker {
    struct worker_options options;
    struct loop loop;
    struct loop_watch wake;
    struct admission *admission;
    struct http_server *server;
    struct channel_host host;
    struct worker_commands commands;
    struct hub *hub;
    struct intake intake;
    uint8_t scratch[SCRATCH_SIZE];
    pthread_t thread;
    bool started;
    atomic_bool drain, stop, done;
    int64_t drain_until_ms;
    int64_t flow_ms; // when what FLOW said is looked at again
};

/* ---- to the bus ---- */

static void s_tell_topic(void *context, const char *topic, bool more)
{
    struct worker *self = context;
    struct bus_item *item =
        bus_item_new(more ? BUS_SUB : BUS_UNSUB, topic, strlen(topic));
    bus_lane_send(&self->options.port->to_bus, item);
}

static void s_post_topic(void *context, const struct wire_header *header,
                         const void *payload, size_t size)
{
    struct worker *self = context;
    worker_commands_post(&self->commands, header->text, header->size, payload, size);
}

static void s_drained(struct channel_host *host, struct channel *channel)
{
    hub_drained(((struct intake *)host->context)->hub, channel);
}

static void s_unsubscribe_all(struct channel_host *host, struct channel *channel)
{
    worker_sessions_leave(host, channel);
    worker_presence_leave_all(host->commands, channel);
    hub_leave_all(((struct intake *)host->context)->hub, channel);
}

static void s_woken(struct loop_watch *watch, uint32_t events)
{
    struct worker *self =
        (struct worker *)((char *)watch - offsetof(struct worker, wake));
    uint64_t count;
    (void)events;
    (void)!read(self->options.wake_fd, &count, sizeof count);
}

/* ---- draining ---- */

/* held: those that may still be answered within the grace, too. */
static void s_end_channels(struct worker *self, bool held)
{
    for (struct channel *at = channel_first(&self->host), *next; at; at = next) {
        next = channel_after(at);
        bool waits = !at->is_websocket && at->state == CHANNEL_OPENING;
        if (at->carried && channel_is_open(at) && (held || !waits))
            at->carrier->end(at, "drain");
    }
}

/* Is there a client to be served, or a CLOSE that a worker can still acknowledge? */
static bool s_waits(const struct worker *self)
{
    for (struct channel *at = channel_first(&self->host); at; at = channel_after(at))
        if (at->carried || (at->service && at->service->has_worker))
            return true;
    return false;
}

static void s_drain(struct worker *self)
{
    if (!self->host.draining) {
        self->host.draining = true;
        self->drain_until_ms = self->loop.now_ms + self->options.settings->drain_grace_ms;
        acceptor_stop(self->options.acceptor);
        s_end_channels(self, false);
    }
    bool grace_is_over = self->loop.now_ms >= self->drain_until_ms;
    if (grace_is_over)
        s_end_channels(self, true);
    bool late = self->loop.now_ms >= self->drain_until_ms + ACK_GRACE_MS;
    if (late || !s_waits(self))
        atomic_store(&self->done, true);
}

/* ---- the thread ---- */

static void s_take_items(struct worker *self)
{
    struct bus_item *item;
    for (int count = 0; count < ITEMS_MAX; count++) {
        if ((item = bus_lane_receive(&self->options.port->to_worker)) == NULL)
            return;
        worker_commands_take(&self->commands, item);
        bus_item_destroy(&item);
    }
    self->loop.again = true;
}

static void s_turn(struct worker *self)
{
    loop_turn(&self->loop);
    s_take_items(self);
    worker_commands_announce(&self->commands);
    if (atomic_load(&self->drain))
        s_drain(self); // before the flush, so that the last words leave in this turn
    channel_unblock(&self->host);
    if (self->commands.is_linked && self->loop.now_ms >= self->flow_ms) {
        self->flow_ms = self->loop.now_ms + FLOW_CHECK_MS;
        channel_forget_flow(&self->host);
        session_copies_expire(self->commands.sessions, self->loop.now_ms);
    }
    http_server_run(self->server);
    channel_flush(&self->host);
    loop_end_turn(&self->loop);
    bus_lane_wake(&self->options.port->to_bus);
}

static void *s_thread(void *context)
{
    struct worker *self = context;
    uint64_t turns = 0;
    char name[16];
    snprintf(name, sizeof name, "worker-%u", self->options.index % 100);
    (void)pthread_setname_np(pthread_self(), name);
    self->host.scratch = self->scratch;
    acceptor_start(self->options.acceptor, &self->loop, self->server, self->admission);
    while (!atomic_load(&self->stop)) {
        atomic_store_explicit(&self->options.port->turns, ++turns, memory_order_relaxed);
        s_turn(self);
    }
    atomic_store_explicit(&self->options.port->turns, 0, memory_order_relaxed);
    out_queue_release_spare();
    return NULL;
}

static void s_init_host(struct worker *self)
{
    const struct worker_options *options = &self->options;
    self->host = (struct channel_host){
        .loop = &self->loop,
        .settings = options->settings,
        .out_total = options->out_total,
        .index = options->index,
        .workers = options->settings->workers,
        .context = &self->intake,
        .emit = worker_commands_emit,
        .answer = worker_commands_answer,
        .unsubscribe_all = s_unsubscribe_all,
        .drained = s_drained,
        .chose = intake_chose,
        .seen = worker_sessions_seen,
    };
    strncpy(self->host.prefix, options->prefix, sizeof self->host.prefix - 1);
    for (size_t at = 0; at < route_table_size(options->routes); at++) {
        const struct route *route = route_table_at(options->routes, at);
        if (route->kind == ROUTE_SERVICE)
            channel_add_service(&self->host, route->service);
    }
    self->intake = (struct intake){
        .host = &self->host,
        .hub = self->hub,
        .admission = options->admission,
        .routes = options->routes,
        .settings = options->settings,
    };
    self->commands = (struct worker_commands){
        .host = &self->host,
        .hub = self->hub,
        .sessions = session_copies_new(options->settings->session_copies),
        .lane = &options->port->to_bus,
    };
    self->host.commands = &self->commands;
}

static struct http_settings s_http_settings(const struct gateway_settings *settings)
{
    return (struct http_settings){
        .daemons = settings->daemons,
        .head_bytes = settings->head_bytes,
        .head_timeout_ms = settings->head_timeout_ms,
        .body_timeout_ms = settings->body_timeout_ms,
        .keep_alive_ms = settings->keep_alive_ms,
        .body_limit = settings->body_limit,
        .server_header = settings->server_header,
    };
}

struct worker *worker_new(const struct worker_options *options)
{
    struct worker *self = mem_new(struct worker);
    self->options = *options;
    self->admission = options->admission;
    self->wake.on_ready = s_woken;
    self->hub = hub_new(&(struct hub_options){
        .context = self, .tell = s_tell_topic, .post = s_post_topic});
    s_init_host(self);
    struct http_settings settings = s_http_settings(options->settings);
    struct http_callbacks callbacks = intake_callbacks(&self->intake);
    if (loop_init(&self->loop) < 0 ||
        loop_watch(&self->loop, options->wake_fd, EPOLLIN, &self->wake) < 0 ||
        !(self->server =
              http_server_new(&self->loop, self->admission, &settings, &callbacks))) {
        int error = errno;
        worker_destroy(&self);
        errno = error;
        return NULL;
    }
    return self;
}

int worker_start(struct worker *self)
{
    int error = pthread_create(&self->thread, NULL, s_thread, self);
    self->started = error == 0;
    return -error;
}

static void s_wake(struct worker *self)
{
    uint64_t one = 1;
    (void)!write(self->options.wake_fd, &one, sizeof one);
}

void worker_drain(struct worker *self)
{
    atomic_store(&self->drain, true);
    s_wake(self);
}

bool worker_is_done(const struct worker *self)
{
    return atomic_load(&((struct worker *)self)->done);
}

void worker_stop(struct worker *self)
{
    if (!self->started)
        return;
    atomic_store(&self->stop, true);
    s_wake(self);
    pthread_join(self->thread, NULL);
    self->started = false;
}

/* What still is open ends with its carrier first, because carriers know their channels.
 */
static void s_destroy_channels(struct worker *self)
{
    for (struct channel *at = channel_first(&self->host), *next; at; at = next) {
        next = channel_after(at);
        worker_presence_leave_all(self->host.commands, at);
        hub_leave_all(self->hub, at);
        if (at->carried && at->carrier->discard)
            at->carrier->discard(at);
        channel_destroy(&at);
    }
    channel_free_services(&self->host);
}

void worker_destroy(struct worker **self_p)
{
    struct worker *self = *self_p;
    if (!self)
        return;
    worker_stop(self);
    http_server_destroy(&self->server);
    s_destroy_channels(self);
    acceptor_destroy(&self->options.acceptor);
    timer_wheel_expire(&self->loop.timers); // sockets that only wait for their peer
    loop_end_turn(&self->loop);
    loop_clear(&self->loop);
    session_copies_destroy(&self->commands.sessions);
    hub_destroy(&self->hub);
    out_queue_release_spare(); // what the last channels gave back to this thread
    free(self);
    *self_p = NULL;
}
