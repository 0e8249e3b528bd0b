/* transport: bytes to and from one client's connection, whatever protects them.  Carriers
 * read and write through this table only. */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

struct transport_ops {
    /* Bytes read, 0 at the end, or a negative errno; -EAGAIN: none yet. */
    ssize_t (*read)(struct transport *self, void *data, size_t size);
    /* Bytes written, at least 1, or a negative errno; -EAGAIN: the kernel takes none now.
     */
    ssize_t (*write)(struct transport *self, const struct iovec *parts, int count);
    /* Bytes written that the client's kernel has not acknowledged yet. */
    size_t (*unsent)(struct transport *self);
    /* No more bytes in either direction; the descriptor stays. */
    void (*shutdown)(struct transport *self);
    /* Shut down for writing only: what was written still arrives. */
    void (*finish)(struct transport *self);
    void (*close)(struct transport *self);
};

struct transport {
    const struct transport_ops *ops;
    int fd; // what to watch for readiness
};

/* Over a plain socket.  close() closes it. */
struct transport transport_plain(int fd);
