#include "bindings/c/rw_private.h"
#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

void rw_log(const struct rw_app *app, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (app->options.log)
        app->options.log(app->context, line);
    else
        fprintf(stderr, "ringway: %s\n", line);
}

static bool s_is_service(const char *text)
{
    size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789-_.");
    return size >= 1 && size <= 64 && !text[size];
}

/* As the broker sees it, on the wire. */
static bool s_is_name(const char *text)
{
    struct wire_header header;
    wire_begin(&header, "N");
    wire_add_escaped(&header, text);
    return *text && strcmp(text, "-") != 0 && header.size <= strlen("N ") + RW_NAME_MAX;
}

static void s_set_options(struct rw_app *self, const struct rw_options *options)
{
    if (options)
        self->options = *options;
    if (!self->options.window)
        self->options.window = 64;
    if (!self->options.grace_ms)
        self->options.grace_ms = 10000;
    if (!self->options.retry_ms)
        self->options.retry_ms = 5000;
    if (self->options.name)
        self->name = mem_strdup(self->options.name);
    self->options.name = self->name;
}

struct rw_app *rw_app_new(const char *endpoint, const char *service,
                          const struct rw_options *options)
{
    if (!service || (options && options->name && !s_is_name(options->name))) {
        errno = EINVAL;
        return NULL;
    }
    struct rw_app *self = mem_new(struct rw_app);
    s_set_options(self, options);
    self->service = mem_strdup(service);
    self->connection.endpoint = mem_strdup(endpoint ? endpoint : RW_ENDPOINT);
    self->epoll_fd = -1;
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->connection.context = zmq_ctx_new();
    pthread_mutex_init(&self->lock, NULL);
    rw_commands_init(&self->commands);
    bool is_good = s_is_service(service) && self->options.window >= 1 &&
                   self->options.window <= 10000 && self->wake_fd >= 0 &&
                   rw_keys_read(self) == 0;
    if (!is_good || rw_connection_open(&self->connection) < 0) {
        rw_app_destroy(&self);
        errno = EINVAL;
        return NULL;
    }
    self->alive_ms = self->heard_ms = self->ticked_ms = clock_now_ms();
    self->state = RW_RUNNING;
    self->joining = ++self->commands.last;
    return self;
}

void rw_app_handlers(struct rw_app *self, const struct rw_handlers *handlers,
                     void *context)
{
    self->handlers = *handlers;
    self->context = context;
}

static void s_close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

static void s_clear_channels(struct rw_app *self)
{
    while (self->channels) {
        struct rw_channel *channel = self->channels;
        rw_channels_remove(self, channel);
        rw_channel_drop(channel, "stopped");
        if (!channel->is_finishing)
            rw_call_moved(channel);
        rw_channel_destroy(&channel);
    }
    rw_closed_clear(self);
}

void rw_app_destroy(struct rw_app **self_p)
{
    struct rw_app *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    self->state = RW_STOPPED;
    s_clear_channels(self);
    rw_release_held(self, false);
    rw_commands_clear(&self->commands, "stopped");
    rw_connection_close(&self->connection);
    zmq_ctx_term(self->connection.context);
    explicit_bzero(&self->connection.keys, sizeof self->connection.keys);
    rw_watches_clear(self);
    rw_list_free(&self->timers);
    rw_list_free(&self->calls);
    s_close_descriptor(&self->wake_fd);
    s_close_descriptor(&self->epoll_fd);
    pthread_mutex_destroy(&self->lock);
    free(self->service);
    free(self->name);
    free(self->connection.endpoint);
    free(self);
}

/* ---- Calls and timers ---- */

static void s_wake(struct rw_app *self)
{
    uint64_t one = 1;
    if (write(self->wake_fd, &one, sizeof one) < 0)
        return; // it is awake already
}

void rw_app_stop(struct rw_app *self)
{
    __atomic_add_fetch(&self->stops, 1, __ATOMIC_SEQ_CST);
    s_wake(self);
}

void rw_app_call(struct rw_app *self, void (*function)(void *context), void *context)
{
    struct rw_call *call = mem_new(struct rw_call);
    call->function = function;
    call->context = context;
    pthread_mutex_lock(&self->lock);
    rw_list_append(&self->calls, call);
    pthread_mutex_unlock(&self->lock);
    s_wake(self);
}

static void s_run_calls(struct rw_app *self)
{
    pthread_mutex_lock(&self->lock);
    struct rw_list calls = self->calls;
    self->calls = (struct rw_list){NULL, NULL};
    pthread_mutex_unlock(&self->lock);
    for (struct rw_link *at = calls.first; at; at = at->next)
        ((struct rw_call *)at)->function(((struct rw_call *)at)->context);
    rw_list_free(&calls);
}

uint64_t rw_app_timer(struct rw_app *self, int64_t delay_ms, int64_t every_ms,
                      void (*function)(void *context), void *context)
{
    struct rw_timer *timer = mem_new(struct rw_timer);
    timer->number = ++self->last_timer;
    timer->due_ms = clock_now_ms() + delay_ms;
    timer->every_ms = every_ms;
    timer->function = function;
    timer->context = context;
    rw_list_append(&self->timers, timer);
    return timer->number;
}

void rw_app_cancel(struct rw_app *self, uint64_t number)
{
    for (struct rw_link *at = self->timers.first; at; at = at->next) {
        if (((struct rw_timer *)at)->number != number)
            continue;
        rw_list_remove(&self->timers, at);
        free(at);
        return;
    }
}

static struct rw_timer *s_due(const struct rw_app *self, int64_t now_ms)
{
    for (struct rw_link *at = self->timers.first; at; at = at->next)
        if (((struct rw_timer *)at)->due_ms <= now_ms)
            return (struct rw_timer *)at;
    return NULL;
}

static void s_run_timers(struct rw_app *self)
{
    int64_t now_ms = clock_now_ms();
    struct rw_timer *timer;
    while ((timer = s_due(self, now_ms))) {
        void (*function)(void *context) = timer->function;
        void *context = timer->context;
        if (timer->every_ms > 0) {
            int64_t next_ms = timer->due_ms + timer->every_ms;
            timer->due_ms = next_ms > now_ms ? next_ms : now_ms + timer->every_ms;
        } else {
            rw_app_cancel(self, timer->number);
        }
        function(context);
    }
}

/* ---- The loop ---- */

int64_t rw_app_timeout_ms(const struct rw_app *self)
{
    if (self->has_more)
        return 0;
    int64_t now_ms = clock_now_ms();
    int64_t timeout_ms = RW_TICK_MS;
    for (struct rw_link *at = self->timers.first; at; at = at->next) {
        int64_t left_ms = ((struct rw_timer *)at)->due_ms - now_ms;
        timeout_ms = left_ms < timeout_ms ? left_ms : timeout_ms;
    }
    return timeout_ms > 0 ? timeout_ms : 0;
}

static void s_watch_descriptor(struct rw_app *self, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN};
    (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, descriptor, &event);
}

static void s_watch_socket(struct rw_app *self, void *socket)
{
    int descriptor;
    size_t size = sizeof descriptor;
    if (zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size) == 0)
        s_watch_descriptor(self, descriptor);
}

int rw_app_fd(struct rw_app *self)
{
    if (self->epoll_fd < 0) {
        self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        s_watch_descriptor(self, self->wake_fd);
    }
    /* A new connection has new descriptors; those of the old were closed with it. */
    if (self->epoll_opened != self->connection.opened && self->connection.socket) {
        self->epoll_opened = self->connection.opened;
        s_watch_socket(self, self->connection.socket);
        s_watch_socket(self, self->connection.monitor);
    }
    return self->epoll_fd;
}

static void s_wait(struct rw_app *self, int64_t timeout_ms)
{
    int64_t most_ms = rw_app_timeout_ms(self);
    zmq_pollitem_t items[] = {
        {.socket = self->connection.socket, .events = ZMQ_POLLIN},
        {.socket = self->connection.monitor, .events = ZMQ_POLLIN},
        {.fd = self->wake_fd, .events = ZMQ_POLLIN},
    };
    (void)zmq_poll(items, 3, (long)(timeout_ms < most_ms ? timeout_ms : most_ms));
    uint64_t woken;
    if (read(self->wake_fd, &woken, sizeof woken) < 0)
        woken = 0;
}

/* One frame; false when there is none. */
static bool s_receive(struct rw_app *self)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    bool has_come = zmq_msg_recv(&message, self->connection.socket, ZMQ_DONTWAIT) >= 0;
    if (has_come) {
        rw_look_at_pause(self);
        if (zmq_msg_size(&message) > 0)
            rw_take(self, zmq_msg_data(&message), zmq_msg_size(&message));
    }
    zmq_msg_close(&message);
    return has_come;
}

static void s_receive_batch(struct rw_app *self)
{
    self->has_more = true;
    for (int count = 0; count < RW_BATCH_MAX && self->has_more; count++)
        self->has_more = s_receive(self) && self->state != RW_STOPPED;
}

static void s_look_at_connection(struct rw_app *self, int64_t now_ms)
{
    if (self->connection.is_up && now_ms - self->heard_ms > RW_SILENCE_MS) {
        rw_log(self, "the broker is silent: connecting again");
        self->heard_ms = now_ms;
        if (rw_connection_open(&self->connection) < 0)
            rw_log(self, "cannot connect: %s", strerror(errno));
    }
    rw_connection_watch(&self->connection);
    if (!self->connection.is_renewed)
        return;
    self->connection.is_renewed = false;
    self->heard_ms = now_ms;
    self->ack[0] = 0;
    if (self->state == RW_RUNNING)
        rw_join(self);
    else
        rw_say(self);
    rw_commands_renewed(self);
    rw_watches_renewed(self);
}

/* Is anything under way?  Forgets channels that have moved and sent their last. */
static bool s_is_busy(struct rw_app *self)
{
    if (self->commands.count)
        return true;
    struct rw_channel *at, *next;
    bool is_busy = false;
    HASH_ITER(hh, self->channels, at, next)
    {
        if (at->queue.first)
            is_busy = true;
        else if (at->is_finishing)
            rw_channels_destroy(self, at);
    }
    return is_busy;
}

static void s_look_at_stop(struct rw_app *self, int64_t now_ms)
{
    int stops = __atomic_load_n(&self->stops, __ATOMIC_SEQ_CST);
    if (stops > 0)
        rw_leave(self);
    if (stops > 1)
        self->state = RW_STOPPED;
    if (self->state != RW_LEAVING)
        return;
    bool has_left = self->has_left || !self->connection.is_up;
    if ((has_left && !s_is_busy(self)) || now_ms >= self->leave_by_ms)
        self->state = RW_STOPPED;
}

static void s_tick(struct rw_app *self)
{
    int64_t now_ms = clock_now_ms();
    s_look_at_connection(self, now_ms);
    if (now_ms - self->said_ms > RW_HEARTBEAT_MS) {
        self->said_ms = now_ms;
        rw_say(self);
    }
    if (now_ms - self->ticked_ms > RW_HEARTBEAT_MS / 4) {
        self->ticked_ms = now_ms;
        rw_commands_tick(self, now_ms);
        rw_watches_tick(self, now_ms);
        rw_ask_checks(self, now_ms);
    }
    s_look_at_stop(self, now_ms);
}

int rw_app_poll(struct rw_app *self, int64_t timeout_ms)
{
    if (self->state != RW_STOPPED) {
        s_wait(self, timeout_ms);
        rw_look_at_pause(self);
        s_run_calls(self);
        s_run_timers(self);
        s_receive_batch(self);
        rw_look_at_pause(self);
        s_tick(self);
        rw_flush_ack(self);
        if (self->epoll_fd >= 0)
            (void)rw_app_fd(self);
    }
    if (self->failure < 0)
        return self->failure;
    return self->state == RW_STOPPED;
}

int rw_app_run(struct rw_app *self)
{
    int result = 0;
    if (self->options.catch_signals)
        rw_signals_catch(self);
    while (result == 0)
        result = rw_app_poll(self, RW_TICK_MS);
    if (self->options.catch_signals)
        rw_signals_restore();
    return result < 0 ? result : 0;
}

void rw_app_each(struct rw_app *self,
                 void (*function)(void *context, struct rw_channel *channel),
                 void *context)
{
    struct rw_channel *channel, *next;
    HASH_ITER(hh, self->channels, channel, next)
    {
        if (!channel->is_finishing)
            function(context, channel);
    }
}
