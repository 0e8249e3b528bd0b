#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    S_IDS_MAX = 64,       // of 127 bytes: they fit a header
    S_TTL_MAX = 31536000, // seconds
};

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

/* A text that nobody gave is right. */
static bool s_add_key(struct wire_header *header, const char *key, const char *value)
{
    if (!value)
        return true;
    size_t before = header->size + 1 + strlen(key) + 1;
    wire_add_option(header, key, value);
    return *value && header->size - before <= RW_LABEL_MAX;
}

int rw_publish_with(struct rw_app *self, const char *topic, const struct iovec *data,
                    unsigned flags, const struct rw_publication *options)
{
    struct wire_header header;
    int result = s_begin(&header, topic);
    if (result < 0 || options->ttl_s > S_TTL_MAX ||
        !s_add_key(&header, "key", options->key) ||
        !s_add_key(&header, "collapse", options->collapse))
        return -EINVAL;
    if (data->iov_len > RW_MESSAGE_MAX)
        return -EMSGSIZE;
    if (options->but)
        wire_add_option(&header, "except", options->but->id);
    if (options->live_only)
        wire_add_option(&header, "hist", "0");
    if (options->ttl_s)
        wire_add_option_u64(&header, "ttl", options->ttl_s);
    if (options->is_durable)
        wire_add_option(&header, "durable", "1");
    if (flags & RW_BINARY)
        wire_add_option(&header, "bin", "1");
    struct rw_command *command = rw_command_new(self, &header, data, 1);
    if (!command)
        return -EINVAL;
    command->placed = options->done;
    command->placed_context = options->context;
    return rw_command_post(self, &command);
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

/* A line of a set, escaped, with its LF; 0 when it is none. */
static size_t s_add_line(char *out, const char *line, size_t size)
{
    struct wire_header header;
    char name[RW_ID_ROOM * 3];
    size_t kind = line[0] == '-' ? 3 : 2;
    bool right = size > kind && size - kind < sizeof name && line[kind - 1] == ':' &&
                 strchr("cut", line[kind - 2]);
    if (!right)
        return 0;
    memcpy(name, line + kind, size - kind);
    name[size - kind] = 0;
    wire_begin(&header, "W");
    size_t before = header.size + 1;
    wire_add_escaped(&header, name);
    size_t used = header.size - before;
    bool is_topic = line[kind - 2] == 't';
    if (used > (is_topic ? RW_TOPIC_MAX : RW_LABEL_MAX) ||
        (is_topic && memchr(line, '*', size)))
        return 0;
    memcpy(out, line, kind);
    memcpy(out + kind, header.text + before, used);
    out[kind + used] = '\n';
    return kind + used + 1;
}

int rw_cast(struct rw_app *self, const char *set, const void *data, size_t size,
            unsigned flags)
{
    struct wire_header header;
    size_t all = strlen(set), used = 0, lines = 0;
    if (all == 0 || size > RW_MESSAGE_MAX || all > RW_MESSAGE_MAX)
        return all == 0 ? -EINVAL : -EMSGSIZE;
    char *payload = mem_alloc(all * 3 + size); // of each byte three at most
    int result = 0;
    for (const char *at = set, *end; result == 0 && *at; at = end + 1) {
        end = strchr(at, '\n');
        size_t more = end ? s_add_line(payload + used, at, (size_t)(end - at)) : 0;
        used += more;
        lines++;
        if (more == 0)
            result = -EINVAL;
    }
    if (result == 0) {
        memcpy(payload + used, data, size);
        wire_begin(&header, "CAST");
        wire_add_u64(&header, lines);
        struct iovec whole = {payload, used + size};
        result = s_post(self, &header, &whole, flags);
    }
    free(payload);
    return result;
}
