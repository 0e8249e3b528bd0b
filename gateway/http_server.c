#include "gateway/http_server_private.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    PIPELINED_MAX = 64 * 1024, // bytes behind a held request
    SWEEP_MS = 1000,
    RUNS_MAX = 8, // MHD_run calls for one daemon in one turn
    LINGER_MS = 2000,
    LINGER_MAX = 4 * 1024 * 1024, // bytes
    REFUSED_MAX = 8, // refused connections that linger: they are beyond all limits
};

/* ---- lingering: reading on after a bare answer ---- */

struct s_linger {
    struct loop_watch watch;
    struct timer timer;
    struct loop_task release;
    struct loop *loop;
    bool refused; // counted in the loop
    int fd;
    size_t read; // bytes
    int unsent;  // bytes, when the timer was last due
};

static void s_linger_release(struct loop_task *task)
{
    free((char *)task - offsetof(struct s_linger, release));
}

static void s_linger_end(struct s_linger *self)
{
    if (self->fd < 0)
        return;
    timer_stop(&self->loop->timers, &self->timer);
    loop_unwatch(self->loop, self->fd);
    close(self->fd);
    self->fd = -1;
    self->loop->refused -= self->refused;
    self->release.run = s_linger_release;
    loop_defer(self->loop, &self->release);
}

static void s_linger_ready(struct loop_watch *watch, uint32_t events)
{
    struct s_linger *self = (struct s_linger *)watch;
    (void)events;
    char scratch[16 * 1024];
    ssize_t got = self->fd < 0 ? -1 : recv(self->fd, scratch, sizeof scratch, 0);
    if (got > 0)
        self->read += (size_t)got;
    bool over = got == 0 || (got < 0 && errno != EAGAIN) || self->read > LINGER_MAX;
    if (over)
        s_linger_end(self);
}

/* As long as the client takes bytes it has time to take the rest. */
static void s_linger_due(struct timer *timer, int64_t now_ms)
{
    struct s_linger *self =
        (struct s_linger *)((char *)timer - offsetof(struct s_linger, timer));
    int unsent = 0;
    bool moves = ioctl(self->fd, SIOCOUTQ, &unsent) == 0 && unsent > 0 &&
                 (self->unsent == 0 || unsent < self->unsent);
    self->unsent = unsent;
    if (moves)
        timer_start(&self->loop->timers, timer, now_ms + LINGER_MS);
    else
        s_linger_end(self);
}

/* Takes over fd. */
static void s_linger_start(struct loop *loop, int fd, bool refused)
{
    struct s_linger *self = mem_new(struct s_linger);
    self->loop = loop;
    self->fd = fd;
    self->watch.on_ready = s_linger_ready;
    self->timer.on_due = s_linger_due;
    (void)shutdown(fd, SHUT_WR);
    if (loop_watch(loop, fd, EPOLLIN | EPOLLRDHUP, &self->watch) < 0) {
        close(fd);
        free(self);
        return;
    }
    self->refused = refused;
    loop->refused += refused;
    timer_start(&loop->timers, &self->timer, loop->now_ms + LINGER_MS);
}

static void s_send_bare(int fd, int status, const char *why)
{
    char text[512];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: %zu\r\n%sConnection: close\r\n\r\n%s\n",
                        status, MHD_get_reason_phrase_for((unsigned)status),
                        strlen(why) + 1, status == 503 ? "Retry-After: 1\r\n" : "", why);
    (void)!send(fd, text, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* MHD closes its descriptor, with a reset when the client has sent more than was read,
 * and that could take the answer with it; so a copy of the descriptor stays open for a
 * while. */
static void s_linger_on_copy(struct http_connection *self)
{
    struct loop *loop = self->server->loop;
    int copy = fcntl(self->fd, F_DUPFD_CLOEXEC, 3);
    if (self->watched)
        loop_unwatch(loop, self->fd); // close() would not, while the copy lives
    self->watched = false;
    self->lingers = true;
    if (copy >= 0)
        s_linger_start(loop, copy, false);
}

void http_connection_reject(struct http_connection *self, int status, const char *why)
{
    s_send_bare(self->fd, status, why);
    s_linger_on_copy(self);
}

void http_server_reject(struct http_server *self, int fd, int status, const char *why)
{
    s_send_bare(fd, status, why);
    if (self->loop->refused < REFUSED_MAX)
        s_linger_start(self->loop, fd, true);
    else
        close(fd); // descriptors that are left belong to those who were taken
}

/* ---- connections ---- */

static void s_connection_release(struct loop_task *task)
{
    free((char *)task - offsetof(struct http_connection, release));
}

/* MHD reads no more after a read that was short, so that it misses an end that came
 * together with data.  This wakes it again; what lies unread is not lost. */
static void s_show_end(const struct http_connection *self)
{
    (void)shutdown(self->fd, SHUT_RD);
}

static void s_connection_due(struct timer *timer, int64_t now_ms)
{
    (void)now_ms;
    struct http_connection *self =
        (struct http_connection *)((char *)timer -
                                   offsetof(struct http_connection, timer));
    struct http_exchange *exchange = self->exchange;
    bool in_body = exchange && exchange->seen && !exchange->ended;
    if (in_body && !self->lingers) {
        http_connection_reject(self, 408, "the body did not arrive in time");
        http_exchange_lose(exchange, HTTP_GONE_TIMEOUT);
    } else if (self->is_fresh)
        http_connection_reject(self, 408,
                               "the head of the request did not arrive in time");
    s_show_end(self);
}

bool http_connection_pipelines_too_much(const struct http_connection *self)
{
    int waiting = 0;
    return ioctl(self->fd, FIONREAD, &waiting) == 0 && waiting >= PIPELINED_MAX;
}

static void s_connection_ready(struct loop_watch *watch, uint32_t events)
{
    struct http_connection *self = (struct http_connection *)watch;
    struct http_exchange *exchange = self->exchange;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        self->gone = true;
        self->reset |= (events & (EPOLLHUP | EPOLLERR)) != 0;
        if (exchange && exchange->suspended)
            http_exchange_lose(exchange, HTTP_GONE_CLIENT);
        else
            s_show_end(self);
        return;
    }
    if (events & EPOLLOUT && exchange && exchange->suspended && exchange->streaming)
        self->server->callbacks.on_writable(exchange->owner);
    exchange = self->exchange; // the callback may have ended it
    if (exchange && exchange->suspended && exchange->ended &&
        http_connection_pipelines_too_much(self))
        http_exchange_lose(exchange, HTTP_GONE_LIMIT);
}

static struct http_connection *s_connection_new(struct http_server *server, int fd,
                                                const union http_address *peer)
{
    struct http_connection *self = mem_new(struct http_connection);
    self->server = server;
    self->fd = fd;
    self->peer = *peer;
    self->is_fresh = true;
    self->watch.on_ready = s_connection_ready;
    self->timer.on_due = s_connection_due;
    self->release.run = s_connection_release;
    struct http_connection *head = &server->connections;
    self->next = head;
    self->prev = head->prev;
    head->prev->next = self;
    head->prev = self;
    server->count++;
    return self;
}

/* Is there anything that a reset would destroy? */
static bool s_must_linger(const struct http_connection *self)
{
    int unread = 0, unsent = 0;
    return !self->reset && !self->upgraded && !self->lingers &&
           ioctl(self->fd, FIONREAD, &unread) == 0 &&
           ioctl(self->fd, SIOCOUTQ, &unsent) == 0 && unread + unsent > 0;
}

static void s_connection_end(struct http_connection *self)
{
    struct http_server *server = self->server;
    if (s_must_linger(self))
        s_linger_on_copy(self);
    timer_stop(&server->loop->timers, &self->timer);
    self->prev->next = self->next;
    self->next->prev = self->prev;
    server->count--;
    admission_leave(server->admission, &self->ticket);
    http_exchange_free(self->exchange); // a head that never reached the handler
    self->exchange = NULL;
    self->fd = -1;
    loop_defer(server->loop, &self->release);
}

static void s_on_connection(void *context, struct MHD_Connection *mhd,
                            void **socket_context,
                            enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    (void)mhd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *socket_context = server->incoming;
    else
        s_connection_end(*socket_context);
}

static void s_on_completed(void *context, struct MHD_Connection *mhd, void **exchange_p,
                           enum MHD_RequestTerminationCode code)
{
    struct http_server *server = context;
    struct http_exchange *exchange = *exchange_p;
    (void)mhd;
    if (!exchange)
        return;
    *exchange_p = NULL;
    struct http_connection *connection = exchange->connection;
    connection->exchange = NULL;
    connection->is_fresh = false;
    timer_start(&server->loop->timers, &connection->timer,
                server->loop->now_ms + server->settings.keep_alive_ms +
                    server->settings.head_timeout_ms);
    exchange->clean = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    exchange->next = server->done; // never act here: MHD may hold its lock
    server->done = exchange;
}

void http_server_add(struct http_server *self, int fd, const union http_address *peer,
                     struct admission_ticket *ticket)
{
    struct http_daemon *daemon =
        &self->daemons[self->next_daemon++ % self->settings.daemons];
    struct http_connection *connection = s_connection_new(self, fd, peer);
    connection->daemon = daemon;
    connection->ticket = ticket;
    timer_start(&self->loop->timers, &connection->timer,
                self->loop->now_ms + self->settings.head_timeout_ms);
    self->incoming = connection;
    socklen_t size = peer->any.sa_family == AF_INET6 ? sizeof peer->v6 : sizeof peer->v4;
    size_t before = self->count;
    enum MHD_Result added = MHD_add_connection(daemon->mhd, fd, &peer->any, size);
    self->incoming = NULL;
    daemon->run = true;
    if (added == MHD_NO && self->count == before)
        s_connection_end(connection); // MHD closed the socket and has told nobody
    else if (added == MHD_YES)
        connection->watched =
            loop_watch(self->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                       &connection->watch) == 0;
}

/* ---- daemons ---- */

static void s_daemon_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    ((struct http_daemon *)watch)->run = true;
}

static void s_swallow_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    (void)format;
    (void)arguments;
}

/* MHD would undo %XX in place, and end the target at %00. */
static size_t s_leave_escapes(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context;
    (void)mhd;
    return strlen(text);
}

static bool s_daemon_start(struct http_server *server, struct http_daemon *daemon)
{
    const struct http_settings *settings = &server->settings;
    unsigned idle_s = (unsigned)((settings->keep_alive_ms + 999) / 1000);
    daemon->server = server;
    daemon->watch.on_ready = s_daemon_ready;
    daemon->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
            MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG,
        0, NULL, NULL, http_server_handle, server, MHD_OPTION_EXTERNAL_LOGGER,
        s_swallow_log, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings->head_bytes,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_CONNECTION_LIMIT, 1000000u,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, http_server_target,
        server, MHD_OPTION_UNESCAPE_CALLBACK, s_leave_escapes, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, s_on_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, s_on_completed, server, MHD_OPTION_END);
    if (!daemon->mhd)
        return false;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    return info && loop_watch(server->loop, info->epoll_fd, EPOLLIN, &daemon->watch) == 0;
}

struct http_server *http_server_new(struct loop *loop, struct admission *admission,
                                    const struct http_settings *settings,
                                    const struct http_callbacks *callbacks)
{
    struct http_server *self = mem_new(struct http_server);
    self->loop = loop;
    self->admission = admission;
    self->settings = *settings;
    self->callbacks = *callbacks;
    self->connections.next = self->connections.prev = &self->connections;
    self->daemons = mem_alloc(settings->daemons * sizeof *self->daemons);
    for (unsigned at = 0; at < settings->daemons; at++)
        if (!s_daemon_start(self, &self->daemons[at])) {
            http_server_destroy(&self);
            return NULL;
        }
    return self;
}

static void s_run_daemon(struct http_daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG wait = 1;
    int runs = 0;
    daemon->run = false;
    do
        MHD_run(daemon->mhd);
    while (
        ++runs < RUNS_MAX &&
        (daemon->run || (MHD_get_timeout(daemon->mhd, &wait) == MHD_YES && wait == 0)) &&
        (daemon->run = false, true));
    if (runs == RUNS_MAX)
        daemon->run = true;
}

static void s_run_done(struct http_server *self)
{
    while (self->done) {
        struct http_exchange *exchange = self->done;
        self->done = exchange->next;
        if (exchange->owner)
            self->callbacks.on_done(exchange->owner, exchange->clean);
        http_exchange_free(exchange);
    }
}

void http_server_run(struct http_server *self)
{
    bool sweep = self->loop->now_ms >= self->next_sweep_ms;
    if (sweep)
        self->next_sweep_ms = self->loop->now_ms + SWEEP_MS;
    for (unsigned at = 0; at < self->settings.daemons; at++)
        if (sweep || self->daemons[at].run)
            s_run_daemon(&self->daemons[at]);
    s_run_done(self);
    for (unsigned at = 0; at < self->settings.daemons; at++)
        self->loop->again |= self->daemons[at].run;
}

/* MHD_stop_daemon aborts the process when a connection is suspended. */
static void s_end_all(struct http_server *self)
{
    for (int round = 0; round < 100 && self->count > 0; round++) {
        struct http_connection *head = &self->connections;
        for (struct http_connection *at = head->next; at != head; at = at->next) {
            if (at->exchange)
                http_abort(at->exchange);
            (void)shutdown(at->fd, SHUT_RDWR);
        }
        for (unsigned at = 0; at < self->settings.daemons; at++)
            s_run_daemon(&self->daemons[at]);
        s_run_done(self);
    }
}

void http_server_destroy(struct http_server **self_p)
{
    struct http_server *self = *self_p;
    if (!self)
        return;
    s_end_all(self);
    for (unsigned at = 0; at < self->settings.daemons; at++)
        if (self->daemons[at].mhd)
            MHD_stop_daemon(self->daemons[at].mhd);
    s_run_done(self);
    free(self->daemons);
    free(self);
    *self_p = NULL;
}
