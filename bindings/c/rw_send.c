#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* RFC 9110 section 5.6.2. */
static bool s_is_token(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (!isalnum((unsigned char)text[at]) && !strchr("!#$%&'*+-.^_`|~", text[at]))
            return false;
    return size > 0;
}

static bool s_is_value(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        unsigned char byte = (unsigned char)text[at];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7F)
            return false;
    }
    return true;
}

/* Are these "Name: value\n" lines?  The last LF may be missing; *has_type tells whether
 * Content-Type is among them. */
static bool s_check_headers(const char *headers, bool *has_type)
{
    for (const char *line = headers; *line;) {
        size_t size = strcspn(line, "\n");
        size_t name = strcspn(line, ":");
        if (name >= size || !s_is_token(line, name) ||
            !s_is_value(line + name + 1, size - name - 1))
            return false;
        *has_type |= name == 12 && strncasecmp(line, "content-type", 12) == 0;
        line += size + (line[size] == '\n');
    }
    return true;
}

static bool s_may_have_body(int status)
{
    return status != 204 && status != 205 && status != 304;
}

/* The head in front of a body, malloc()ed; NULL for headers that break the grammar.  A
 * body is never left without a type: what a browser would have to guess it could guess
 * wrong. */
static char *s_head(const struct rw_head *head, unsigned flags)
{
    const char *headers = head->headers ? head->headers : "";
    bool has_type = !s_may_have_body(head->status) || (flags & RW_SSE);
    if (!s_check_headers(headers, &has_type))
        return NULL;
    const char *type =
        flags & RW_BINARY ? "application/octet-stream" : "text/plain; charset=utf-8";
    size_t size = strlen(headers);
    char *text = mem_alloc(size + 128);
    snprintf(text, size + 128, "%s%s%s%s%s\n", headers,
             size && headers[size - 1] != '\n' ? "\n" : "",
             has_type ? "" : "Content-Type: ", has_type ? "" : type,
             has_type ? "" : "\nX-Content-Type-Options: nosniff\n");
    return text;
}

static int s_status(const struct rw_head *head)
{
    return head->status ? head->status : 200;
}

static void s_add_flags(struct wire_header *header, unsigned flags)
{
    if (flags & RW_BINARY)
        wire_add_option(header, "bin", "1");
    if (flags & RW_SSE)
        wire_add_option(header, "format", "sse");
    if (flags & RW_CLOSE)
        wire_add_option(header, "close", "1");
}

/* What a send is: its data, head and flags, and who wants to know what becomes of it. */
struct s_send {
    const struct iovec *data;
    const struct rw_head *head;
    unsigned flags;
    const struct rw_receipt *receipt;
};

static int s_push(struct rw_channel *self, struct wire_header *header,
                  const struct iovec *payload, int parts)
{
    struct rw_command *command = rw_command_new(self->app, header, payload, parts);
    if (!command)
        return header->overflow ? -EINVAL : -EMSGSIZE;
    return rw_channel_push(self, &command, NULL);
}

static int s_push_send(struct rw_channel *self, struct wire_header *header,
                       const struct iovec payload[2], const struct rw_receipt *receipt)
{
    if (receipt)
        wire_add_option(header, "want", receipt->want);
    struct rw_command *command = rw_command_new(self->app, header, payload, 2);
    if (!command)
        return header->overflow ? -EINVAL : -EMSGSIZE;
    if (receipt)
        command->receipt = *receipt;
    return rw_channel_push(self, &command, NULL);
}

static int s_send_message(struct rw_channel *self, const struct s_send *send)
{
    if (send->data->iov_len > RW_MESSAGE_MAX)
        return -EMSGSIZE;
    struct wire_header header;
    rw_channel_begin(self, &header, "SEND");
    s_add_flags(&header, send->flags & ~(unsigned)RW_SSE);
    const struct iovec payload[2] = {*send->data, {NULL, 0}};
    return s_push_send(self, &header, payload, send->receipt);
}

/* The answer to HEAD: nobody reads the body, its size is enough. */
static int s_send_size(struct rw_channel *self, const struct rw_head *head, int64_t size,
                       unsigned flags)
{
    const struct rw_head none = {0};
    char *text = s_head(head ? head : &none, flags);
    if (!text)
        return -EINVAL;
    char length[64];
    int used = snprintf(length, sizeof length, "Content-Length: %" PRId64 "\n\n", size);
    struct iovec payload[2] = {{text, strlen(text) - 1}, {length, (size_t)used}};
    struct wire_header header;
    rw_channel_begin(self, &header, "SEND");
    wire_add_option_u64(&header, "status", (uint64_t)s_status(head ? head : &none));
    s_add_flags(&header, flags & ~(unsigned)RW_BINARY);
    int result = s_push(self, &header, payload, 2);
    free(text);
    return result;
}

/* A body in parts; takes the stream whatever the result is. */
static int s_send_body(struct rw_channel *self, const struct rw_stream *stream,
                       const struct rw_head *head, unsigned flags)
{
    bool is_sized = stream->size >= 0 && (flags & RW_CLOSE) && !self->is_begun;
    if (is_sized && strcmp(rw_request_method(self), "HEAD") == 0) {
        if (stream->done)
            stream->done(stream->context);
        return s_send_size(self, head, stream->size, flags);
    }
    struct rw_body *body = mem_new(struct rw_body);
    body->number = ++self->app->last_body;
    body->stream = *stream;
    body->flags = flags;
    body->is_sized = is_sized;
    if (head && !self->is_begun) {
        body->status = s_status(head);
        body->head = s_head(head, flags);
    }
    if (body->status && !body->head) {
        rw_body_destroy(&body);
        return -EINVAL;
    }
    return rw_channel_push(self, NULL, &body);
}

/* Bytes that were copied, as a stream. */
struct s_memory {
    size_t size, at;
    uint8_t data[];
};

static ssize_t s_memory_read(void *context, void *data, size_t size)
{
    struct s_memory *self = context;
    size_t left = self->size - self->at;
    if (size > left)
        size = left;
    memcpy(data, self->data + self->at, size);
    self->at += size;
    return (ssize_t)size;
}

static int s_send_long(struct rw_channel *self, const struct rw_head *head,
                       const struct iovec *data, unsigned flags)
{
    struct s_memory *memory = mem_alloc(sizeof *memory + data->iov_len);
    memory->size = data->iov_len;
    memcpy(memory->data, data->iov_base, data->iov_len);
    struct rw_stream stream = {.read = s_memory_read,
                               .done = free,
                               .context = memory,
                               .size = (int64_t)data->iov_len};
    return s_send_body(self, &stream, head, flags);
}

static int s_send_answer(struct rw_channel *self, const struct s_send *send)
{
    unsigned flags = send->flags;
    if (send->data->iov_len > RW_PART_MAX)
        return send->receipt ? -EMSGSIZE
                             : s_send_long(self, send->head, send->data, flags);
    struct wire_header header;
    rw_channel_begin(self, &header, "SEND");
    struct iovec payload[2] = {{NULL, 0}, *send->data};
    char *text = NULL;
    if (send->head && !self->is_begun) {
        text = s_head(send->head, flags);
        if (!text)
            return -EINVAL;
        wire_add_option_u64(&header, "status", (uint64_t)s_status(send->head));
        payload[0] = (struct iovec){text, strlen(text)};
    }
    if (self->is_begun)
        flags &= ~(unsigned)RW_SSE;
    s_add_flags(&header, flags & ~(unsigned)RW_BINARY);
    int result = s_push_send(self, &header, payload, send->receipt);
    free(text);
    return result;
}

static bool s_is_message(const struct rw_channel *self, const struct rw_head *head)
{
    return rw_is_session(self) || (self->is_websocket && (!head || self->is_accepted));
}

static void s_sent(struct rw_channel *self, unsigned flags)
{
    self->is_begun = true;
    if (flags & RW_CLOSE) {
        self->is_open = false;
        rw_channel_ended(self, 0, NULL);
    }
}

/* What every send does: the hook, the carrier, and what becomes of the channel. */
static int s_send(struct rw_channel *self, struct s_send send)
{
    if (!self->is_open)
        return -EPIPE;
    struct iovec made = {NULL, 0};
    int result = self->hook ? self->hook(self->hook_context, send.data, &made) : 0;
    if (result < 0)
        return result;
    if (self->hook)
        send.data = &made;
    result = s_is_message(self, send.head) ? s_send_message(self, &send)
                                           : s_send_answer(self, &send);
    free(made.iov_base);
    if (result == 0)
        s_sent(self, send.flags);
    return result;
}

int rw_send(struct rw_channel *self, const void *data, size_t size, unsigned flags)
{
    struct iovec all = {(void *)(uintptr_t)data, size};
    return s_send(self, (struct s_send){.data = &all, .flags = flags});
}

int rw_send_text(struct rw_channel *self, const char *text, unsigned flags)
{
    return rw_send(self, text, strlen(text), flags);
}

int rw_send_response(struct rw_channel *self, const struct rw_head *head,
                     const void *body, size_t size, unsigned flags)
{
    struct iovec all = {(void *)(uintptr_t)body, size};
    return s_send(self, (struct s_send){&all, head, flags, NULL});
}

int rw_send_receipt(struct rw_channel *self, const struct iovec *data, unsigned flags,
                    const struct rw_receipt *receipt)
{
    bool is_received = strcmp(receipt->want, "received") == 0;
    if (!is_received && strcmp(receipt->want, "written") != 0 &&
        strcmp(receipt->want, "accepted") != 0)
        return -EINVAL;
    if (is_received && !self->is_websocket && !rw_is_session(self))
        return -ENOTSUP;
    return s_send(self, (struct s_send){data, NULL, flags, receipt});
}

int rw_send_parts(struct rw_channel *self, const struct iovec *parts, size_t count,
                  unsigned flags)
{
    size_t size = 0;
    for (size_t at = 0; at < count; at++)
        size += parts[at].iov_len;
    uint8_t *all = mem_alloc(size + 1);
    size_t used = 0;
    for (size_t at = 0; at < count; at++) {
        if (parts[at].iov_len)
            memcpy(all + used, parts[at].iov_base, parts[at].iov_len);
        used += parts[at].iov_len;
    }
    int result = rw_send(self, all, size, flags);
    free(all);
    return result;
}

/* A stream as one WebSocket message. */
static int s_send_stream_whole(struct rw_channel *self, const struct rw_stream *stream,
                               unsigned flags)
{
    uint8_t *all = mem_alloc(RW_MESSAGE_MAX + 1);
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size <= RW_MESSAGE_MAX) {
        got = stream->read(stream->context, all + size, RW_MESSAGE_MAX + 1 - size);
        if (got > 0)
            size += (size_t)got;
    }
    struct iovec data = {all, size};
    const struct s_send send = {.data = &data, .flags = flags | RW_BINARY};
    int result = got < 0 ? (int)got : s_send_message(self, &send);
    free(all);
    if (stream->done)
        stream->done(stream->context);
    return result;
}

int rw_send_stream(struct rw_channel *self, const struct rw_stream *stream,
                   const struct rw_head *head, unsigned flags)
{
    int result;
    if (!self->is_open) {
        if (stream->done)
            stream->done(stream->context);
        return -EPIPE;
    }
    if (s_is_message(self, head))
        result = s_send_stream_whole(self, stream, flags);
    else
        result = s_send_body(self, stream, head, flags);
    if (result == 0)
        s_sent(self, flags);
    return result;
}

static ssize_t s_file_read(void *context, void *data, size_t size)
{
    ssize_t got;
    do
        got = read((int)(intptr_t)context, data, size);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static void s_file_done(void *context)
{
    close((int)(intptr_t)context);
}

int rw_send_file(struct rw_channel *self, const char *path, const struct rw_head *head,
                 unsigned flags)
{
    if (!self->is_open)
        return -EPIPE;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (file < 0)
        return -errno;
    struct rw_stream stream = {.read = s_file_read,
                               .done = s_file_done,
                               .context = (void *)(intptr_t)file,
                               .size = -1};
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode))
        stream.size = about.st_size;
    return rw_send_stream(self, &stream, head, flags);
}

int rw_accept(struct rw_channel *self, const char *protocol, const char *headers)
{
    if (!self->is_open)
        return -EPIPE;
    bool has_type = false;
    if (headers && !s_check_headers(headers, &has_type))
        return -EINVAL;
    struct wire_header header;
    rw_channel_begin(self, &header, "ACCEPT");
    if (protocol)
        wire_add_option(&header, "protocol", protocol);
    size_t size = headers ? strlen(headers) : 0;
    bool is_whole = size && headers[size - 1] == '\n';
    char end[] = "\n";
    struct iovec payload[2] = {{(void *)(uintptr_t)headers, size}, {end, !is_whole}};
    int result = s_push(self, &header, payload, size ? 2 : 0);
    if (result == 0)
        self->is_accepted = true;
    return result;
}
