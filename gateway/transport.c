#include "gateway/transport.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t s_read(struct transport *self, void *data, size_t size)
{
    ssize_t got = recv(self->fd, data, size, 0);
    return got >= 0 ? got : -errno;
}

static ssize_t s_write(struct transport *self, const struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = (size_t)count};
    ssize_t sent = sendmsg(self->fd, &message, MSG_NOSIGNAL);
    return sent >= 0 ? sent : -errno;
}

static size_t s_unsent(struct transport *self)
{
    int bytes = 0;
    return ioctl(self->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static void s_shutdown(struct transport *self)
{
    (void)shutdown(self->fd, SHUT_RDWR);
}

static void s_finish(struct transport *self)
{
    (void)shutdown(self->fd, SHUT_WR);
}

static void s_close(struct transport *self)
{
    close(self->fd);
    self->fd = -1;
}

static const struct transport_ops s_plain = {
    .read = s_read,
    .write = s_write,
    .unsent = s_unsent,
    .shutdown = s_shutdown,
    .finish = s_finish,
    .close = s_close,
};

struct transport transport_plain(int fd)
{
    return (struct transport){.ops = &s_plain, .fd = fd};
}
