/* bare_loop: the least that a fan-out can cost: the yardstick of bench_fanout.
 *
 * Accepts connections on the loopback, prints the port, and sends every message that
 * comes on standard input (of the fixed size in argv[1]) to all of them: framed once as a
 * WebSocket frame, and written with one writev for each connection with everything that
 * came in the turn, at most argv[2] messages.  No parsing, no limits, no slow clients:
 * what does not fit into a socket ends the program.  Its CPU time on SIGTERM is its
 * result; the benchmark reads it from /proc. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 16384,
    BATCH_MAX = 64,
    EVENTS_MAX = 64,
    FRAME_HEAD = 2,
    PAYLOAD_MAX = 125
};

struct bare {
    int listener, epoll;
    int clients[CLIENTS_MAX];
    int count;
    size_t size;  // of a message
    size_t batch; // most messages of one turn
    uint8_t frames[BATCH_MAX][FRAME_HEAD + PAYLOAD_MAX];
};

static void s_die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void s_listen(struct bare *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(self->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(self->listener, 4096) != 0 ||
        getsockname(self->listener, (struct sockaddr *)&address, &size) != 0)
        s_die("listen");
    printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
}

static void s_watch(struct bare *self, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        s_die("epoll_ctl");
}

static void s_accept(struct bare *self)
{
    int on = 1;
    for (;;) {
        int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        self->clients[self->count++] = fd;
        s_watch(self, fd);
    }
}

/* One message of the turn, framed; false when the input has no whole one. */
static int s_read_messages(struct bare *self)
{
    uint8_t input[BATCH_MAX * PAYLOAD_MAX];
    ssize_t got = read(STDIN_FILENO, input, self->batch * self->size);
    if (got <= 0)
        exit(EXIT_SUCCESS);
    while ((size_t)got % self->size != 0) {
        ssize_t more =
            read(STDIN_FILENO, input + got, self->size - (size_t)got % self->size);
        if (more <= 0)
            exit(EXIT_SUCCESS);
        got += more;
    }
    int count = (int)((size_t)got / self->size);
    for (int at = 0; at < count; at++) {
        self->frames[at][0] = 0x81;
        self->frames[at][1] = (uint8_t)self->size;
        memcpy(self->frames[at] + FRAME_HEAD, input + (size_t)at * self->size,
               self->size);
    }
    return count;
}

static void s_broadcast(struct bare *self)
{
    struct iovec parts[BATCH_MAX];
    int count = s_read_messages(self);
    size_t whole = 0;
    for (int at = 0; at < count; at++) {
        parts[at] = (struct iovec){self->frames[at], FRAME_HEAD + self->size};
        whole += parts[at].iov_len;
    }
    for (int at = 0; at < self->count; at++)
        if (writev(self->clients[at], parts, count) != (ssize_t)whole)
            s_die("writev");
}

int main(int argc, char **argv)
{
    static struct bare bare;
    struct epoll_event events[EVENTS_MAX];
    if (argc != 3)
        return EXIT_FAILURE;
    bare.size = strtoul(argv[1], NULL, 10);
    bare.batch = strtoul(argv[2], NULL, 10);
    if (bare.size > PAYLOAD_MAX || bare.batch > BATCH_MAX)
        return EXIT_FAILURE;
    bare.epoll = epoll_create1(0);
    s_listen(&bare);
    s_watch(&bare, bare.listener);
    s_watch(&bare, STDIN_FILENO);
    for (;;) {
        int count = epoll_wait(bare.epoll, events, EVENTS_MAX, -1);
        for (int at = 0; at < count; at++) {
            if (events[at].data.fd == bare.listener)
                s_accept(&bare);
            else if (events[at].data.fd == STDIN_FILENO)
                s_broadcast(&bare);
        }
    }
}
