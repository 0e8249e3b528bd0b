#include "gateway/acceptor.h"

#include "common/log.h"
#include "common/mem.h"
#include "gateway/gateway_metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    ACCEPTS_MAX = 64, // in one turn
    REST_MS = 100,    // after the machine has run out of descriptors
};

/* ---- addresses ---- */

static int s_read_ip(struct listen_address *self, const char *text)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    char *end;
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host || !colon[1])
        return -EINVAL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return -EINVAL;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    size_t size = strlen(host);
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = 0;
        self->address.v6.sin6_family = AF_INET6;
        self->address.v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host + 1, &self->address.v6.sin6_addr) == 1 ? 0
                                                                               : -EINVAL;
    }
    self->address.v4.sin_family = AF_INET;
    self->address.v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &self->address.v4.sin_addr) == 1 ? 0 : -EINVAL;
}

static socklen_t s_size(const union http_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

static int s_listen_ip(const union http_address *address, bool share)
{
    int on = 1;
    int fd =
        socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &address->any, s_size(address)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* Without SO_REUSEPORT first: another program's socket on the port must not be shared by
 * accident.  Returns with the real port filled in. */
static int s_check_ip(struct listen_address *self)
{
    socklen_t size = s_size(&self->address);
    int fd = s_listen_ip(&self->address, false);
    if (fd < 0)
        return fd;
    (void)getsockname(fd, &self->address.any, &size);
    close(fd);
    return 0;
}

/* A socket file that nobody listens on any more is left over from a crash. */
static int s_listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(path);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

int listen_address_read(struct listen_address *self, const char *text, const char **why)
{
    int result;
    memset(self, 0, sizeof *self);
    self->shared_fd = -1;
    *why = "is not ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH";
    if (strncmp(text, "unix:", 5) == 0 && text[5]) {
        result = s_listen_unix(text + 5);
        if (result >= 0) {
            self->shared_fd = result;
            self->path = mem_strdup(text + 5);
            result = 0;
        }
    } else {
        result = s_read_ip(self, text);
        if (result < 0)
            return result;
        result = s_check_ip(self);
    }
    if (result < 0)
        *why = strerror(-result);
    return result;
}

void listen_address_text(const struct listen_address *self, char *out, size_t room)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (self->path) {
        snprintf(out, room, "unix:%s", self->path);
    } else if (self->address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &self->address.v6.sin6_addr, host, sizeof host);
        snprintf(out, room, "http://[%s]:%u/", host, ntohs(self->address.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &self->address.v4.sin_addr, host, sizeof host);
        snprintf(out, room, "http://%s:%u/", host, ntohs(self->address.v4.sin_port));
    }
}

void listen_address_clear(struct listen_address *self)
{
    if (self->path) {
        close(self->shared_fd);
        (void)unlink(self->path);
        free(self->path);
    }
    self->path = NULL;
}

/* ---- accepting ---- */

struct s_socket {
    struct loop_watch watch;
    struct acceptor *acceptor;
    int fd;
    bool is_shared;
};

struct acceptor {
    struct loop *loop;
    struct http_server *server;
    struct admission *admission;
    struct timer rest;
    struct acceptor_options options;
    size_t count;
    struct s_socket sockets[];
};

static void s_set_options(const struct acceptor *self, int fd)
{
    int on = 1, idle_s = 60;
    unsigned timeout_ms = (unsigned)self->options.user_timeout_ms;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    /* A peer that takes nothing for so long is dead, whatever it still owes us. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

static void s_watch_all(struct acceptor *self)
{
    for (size_t at = 0; at < self->count; at++)
        if (self->sockets[at].fd >= 0)
            (void)loop_watch(self->loop, self->sockets[at].fd, EPOLLIN | EPOLLEXCLUSIVE,
                             &self->sockets[at].watch);
}

static void s_rested(struct timer *timer, int64_t now_ms)
{
    (void)now_ms;
    s_watch_all((struct acceptor *)((char *)timer - offsetof(struct acceptor, rest)));
}

/* No descriptor is left: a listen socket that stays readable would spin the loop. */
static void s_take_rest(struct acceptor *self)
{
    log_error("accept", "error=\"%s\"", strerror(errno));
    for (size_t at = 0; at < self->count; at++)
        if (self->sockets[at].fd >= 0)
            loop_unwatch(self->loop, self->sockets[at].fd);
    timer_start(&self->loop->timers, &self->rest, self->loop->now_ms + REST_MS);
}

static void s_take(struct acceptor *self, int fd, const union http_address *peer)
{
    struct admission_ticket *ticket = admission_enter(self->admission, &peer->any);
    if (!ticket) {
        gateway_metrics_rejected();
        http_server_reject(self->server, fd, 503, "too many connections");
        return;
    }
    if (peer->any.sa_family != AF_UNIX)
        s_set_options(self, fd);
    http_server_add(self->server, fd, peer, ticket);
}

static void s_ready(struct loop_watch *watch, uint32_t events)
{
    struct s_socket *listener = (struct s_socket *)watch;
    struct acceptor *self = listener->acceptor;
    (void)events;
    for (int count = 0; count < ACCEPTS_MAX && listener->fd >= 0; count++) {
        struct sockaddr_storage peer;
        union http_address address;
        socklen_t size = sizeof peer;
        memset(&peer, 0, sizeof peer);
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        memcpy(&address, &peer, sizeof address);
        if (fd >= 0)
            s_take(self, fd, &address);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                 errno == ENOMEM)
            return s_take_rest(self);
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* What is accepted inherits it. */
static void s_set_send_buffer(int fd, int size)
{
    if (size > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

struct acceptor *acceptor_new(const struct listen_address *addresses, size_t count,
                              const struct acceptor_options *options)
{
    struct acceptor *self = mem_alloc(sizeof *self + count * sizeof self->sockets[0]);
    self->options = *options;
    self->rest.on_due = s_rested;
    for (; self->count < count; self->count++) {
        struct s_socket *listener = &self->sockets[self->count];
        const struct listen_address *address = &addresses[self->count];
        listener->watch.on_ready = s_ready;
        listener->acceptor = self;
        listener->is_shared = address->path != NULL;
        listener->fd =
            address->path ? address->shared_fd : s_listen_ip(&address->address, true);
        if (listener->fd < 0) {
            int error = -listener->fd;
            acceptor_destroy(&self);
            errno = error;
            return NULL;
        }
        s_set_send_buffer(listener->fd, options->send_buffer);
    }
    return self;
}

void acceptor_start(struct acceptor *self, struct loop *loop, struct http_server *server,
                    struct admission *admission)
{
    self->loop = loop;
    self->server = server;
    self->admission = admission;
    s_watch_all(self);
}

void acceptor_stop(struct acceptor *self)
{
    for (size_t at = 0; at < self->count; at++) {
        struct s_socket *listener = &self->sockets[at];
        if (listener->fd < 0)
            continue;
        if (self->loop)
            loop_unwatch(self->loop, listener->fd);
        if (!listener->is_shared)
            close(listener->fd);
        listener->fd = -1;
    }
    if (self->loop)
        timer_stop(&self->loop->timers, &self->rest);
}

void acceptor_destroy(struct acceptor **self_p)
{
    struct acceptor *self = *self_p;
    if (!self)
        return;
    acceptor_stop(self);
    free(self);
    *self_p = NULL;
}
