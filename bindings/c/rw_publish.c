#include "bindings/c/rw_private.h"

#include <errno.h>
#include <string.h>

enum { S_IDS_MAX = 64 }; // of 127 bytes: they fit a header

static int s_post(struct rw_app *self, struct wire_header *header,
                  const struct iovec *data, unsigned flags)
{
    if (data->iov_len > RW_MESSAGE_MAX)
        return -EMSGSIZE;
    if (flags & RW_BINARY)
        wire_add_option(header, "bin", "1");
    if (flags & RW_CLOSE)
        wire_add_option(header, "close", "1");
    struct rw_command *command = rw_command_new(self, header, data, 1);
    return command ? rw_command_post(self, &command) : -EINVAL;
}

static int s_begin(struct wire_header *header, const char *topic)
{
    wire_begin(header, "PUB");
    size_t before = header->size;
    wire_add_escaped(header, topic);
    return !*topic || header->size - before > RW_TOPIC_MAX + 1 ? -EINVAL : 0;
}

int rw_publish(struct rw_app *self, const char *topic, const void *data, size_t size,
               unsigned flags)
{
    struct wire_header header;
    struct iovec all = {(void *)(uintptr_t)data, size};
    int result = s_begin(&header, topic);
    return result < 0 ? result : s_post(self, &header, &all, flags & RW_BINARY);
}

int rw_publish_others(struct rw_channel *but, const char *topic, const void *data,
                      size_t size, unsigned flags)
{
    struct wire_header header;
    struct iovec all = {(void *)(uintptr_t)data, size};
    int result = s_begin(&header, topic);
    wire_add_option(&header, "except", but->id);
    return result < 0 ? result : s_post(but->app, &header, &all, flags & RW_BINARY);
}

static bool s_are_ids(const char *ids)
{
    int count = 1;
    for (const char *at = ids; *at; at++) {
        if (*at <= ' ' || *at > '~')
            return false;
        count += *at == ',';
    }
    return *ids && count <= S_IDS_MAX;
}

int rw_send_to(struct rw_app *self, const char *ids, const void *data, size_t size,
               unsigned flags)
{
    struct wire_header header;
    struct iovec all = {(void *)(uintptr_t)data, size};
    if (!s_are_ids(ids))
        return -EINVAL;
    wire_begin(&header, "SEND");
    wire_add(&header, ids);
    return s_post(self, &header, &all, flags);
}
