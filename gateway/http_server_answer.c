#include "gateway/http_server_private.h"

#include "common/mem.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_BLOCK = 16, // bytes that MHD sets aside for a reader
    SIZED_BLOCK = 32 * 1024,
    REFUSED_MS = 2000, // that a client has to notice that its body is not wanted
};

/* ---- giving an answer to MHD ---- */

bool http_exchange_queue(struct http_exchange *self)
{
    struct MHD_Response *response = self->response;
    self->response = NULL;
    self->streamed = response;
    self->queued = true;
    enum MHD_Result queued =
        MHD_queue_response(self->mhd, (unsigned)self->status, response);
    MHD_destroy_response(response);
    return queued == MHD_YES;
}

/* An answer can be given at any time; MHD takes it once the request is complete. */
static void s_answer(struct http_exchange *self, int status,
                     struct MHD_Response *response)
{
    self->answered = true;
    self->status = status;
    self->response = response;
    if (self->in_handler)
        return; // the handler queues it
    if (self->suspended && self->ended && !http_exchange_queue(self))
        self->abort = true;
    http_exchange_resume(self); // a paused upload: the rest of the body is swallowed
}

static void s_add_fields(struct http_exchange *self, struct MHD_Response *response,
                         const struct http_reply *reply)
{
    const char *server = self->server->settings.server_header;
    bool has_server = false;
    for (size_t at = 0; at < reply->count; at++) {
        has_server |= strcasecmp(reply->fields[at].name, "Server") == 0;
        MHD_add_response_header(response, reply->fields[at].name,
                                reply->fields[at].value);
    }
    if (!has_server && server && *server)
        MHD_add_response_header(response, "Server", server);
    if (reply->close)
        MHD_add_response_header(response, "Connection", "close");
}

/* The client may send no more of its body until it has an answer, and MHD would not be
 * asked before. */
static void s_refuse_in_body(struct http_exchange *self, int status, const char *why)
{
    struct http_connection *connection = self->connection;
    self->answered = self->abort = true;
    http_connection_reject(connection, status, why);
    if (self->suspended)
        http_exchange_resume(self);
    else
        timer_start(&self->server->loop->timers, &connection->timer,
                    self->server->loop->now_ms + REFUSED_MS);
}

void http_refuse(struct http_exchange *self, int status, const char *why, bool close)
{
    if (!self->ended && !self->in_handler) {
        s_refuse_in_body(self, status, why);
        return;
    }
    size_t size = strlen(why);
    char *text = mem_alloc(size + 2);
    snprintf(text, size + 2, "%s\n", why);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    struct http_field fields[4] = {
        {.name = "Content-Type", .value = "text/plain; charset=utf-8"},
        {.name = "X-Content-Type-Options", .value = "nosniff"},
    };
    struct http_reply reply = {
        .status = status, .fields = fields, .count = 2, .close = close};
    if (status == 503 || status == 429)
        fields[reply.count++] = (struct http_field){.name = "Retry-After", .value = "1"};
    if (status == 426) { // RFC 9110 section 15.5.22, RFC 6455 section 4.4
        fields[reply.count++] =
            (struct http_field){.name = "Upgrade", .value = "websocket"};
        fields[reply.count++] =
            (struct http_field){.name = "Sec-WebSocket-Version", .value = "13"};
    }
    if (status == 405)
        fields[reply.count++] =
            (struct http_field){.name = "Allow", .value = "GET, HEAD"};
    s_add_fields(self, response, &reply);
    s_answer(self, status, response);
}

static void s_unref(void *context)
{
    struct blob *blob = context;
    blob_unref(&blob);
}

/* MHD asks a reader for nothing when there is no body on the wire. */
static ssize_t s_read_nothing(void *context, uint64_t position, char *out, size_t room)
{
    (void)context;
    (void)position;
    (void)out;
    (void)room;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *s_complete(struct blob *blob, size_t offset, int64_t length)
{
    if (length >= 0)
        return MHD_create_response_from_callback((uint64_t)length, STREAM_BLOCK,
                                                 s_read_nothing, NULL, NULL);
    if (!blob)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    return MHD_create_response_from_buffer_with_free_callback_cls(
        blob->size - offset, blob->data + offset, s_unref, blob_ref(blob));
}

void http_answer(struct http_exchange *self, const struct http_reply *reply,
                 struct blob *blob, size_t offset, int64_t length)
{
    struct MHD_Response *response = s_complete(blob, offset, length);
    s_add_fields(self, response, reply);
    s_answer(self, reply->status, response);
}

/* ---- streams ---- */

static enum MHD_Result s_first_field(void *context, enum MHD_ValueKind kind,
                                     const char *name, const char *value)
{
    struct http_field *field = context;
    if (kind != MHD_HEADER_KIND || strcasecmp(name, "Connection") == 0)
        return MHD_YES; // what ends the connection is still needed
    *field = (struct http_field){.name = name, .value = value};
    return MHD_NO;
}

/* The head has left: its fields, some hundred bytes, would be kept for the stream's life.
 */
static void s_drop_fields(struct MHD_Response *response)
{
    for (;;) {
        struct http_field field = {0};
        MHD_get_response_headers(response, s_first_field, &field);
        if (!field.name ||
            MHD_del_response_header(response, field.name, field.value) != MHD_YES)
            return;
    }
}

/* MHD has sent the head when it asks for the first byte.  From then on the connection is
 * suspended and the owner writes; see http_server.h. */
static ssize_t s_read_stream(void *context, uint64_t position, char *out, size_t room)
{
    struct http_exchange *self = context;
    (void)position;
    (void)out;
    (void)room;
    if (self->connection->gone && !self->abort && !self->ending)
        http_exchange_lose(self, HTTP_GONE_CLIENT);
    if (!self->streaming && !self->abort) {
        self->streaming = true;
        s_drop_fields(self->streamed);
        self->server->callbacks.on_stream(self->owner,
                                          transport_plain(self->connection->fd));
    }
    if (self->abort)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (self->ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    http_exchange_suspend(self);
    return 0;
}

void http_stream(struct http_exchange *self, const struct http_reply *reply)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, s_read_stream, self, NULL);
    self->is_stream = true;
    s_add_fields(self, response, reply);
    s_answer(self, reply->status, response);
}

void http_end(struct http_exchange *self)
{
    self->ending = true;
    if (self->queued)
        http_exchange_resume(self);
}

/* ---- sized answers ---- */

static ssize_t s_read_sized(void *context, uint64_t position, char *out, size_t room)
{
    struct http_exchange *self = context;
    (void)position;
    if (self->connection->gone && !self->abort)
        http_exchange_lose(self, HTTP_GONE_CLIENT);
    if (self->abort)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t got = self->server->callbacks.on_pull(self->owner, (uint8_t *)out, room);
    if (got > 0)
        return (ssize_t)got;
    if (self->abort ||
        self->ending) // ended before its length: the client must see the cut
        return MHD_CONTENT_READER_END_WITH_ERROR;
    http_exchange_suspend(self);
    return 0;
}

void http_sized(struct http_exchange *self, const struct http_reply *reply,
                uint64_t length)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(length, SIZED_BLOCK, s_read_sized, self, NULL);
    self->is_sized = true;
    s_add_fields(self, response, reply);
    s_answer(self, reply->status, response);
}

void http_pull(struct http_exchange *self)
{
    if (self->queued)
        http_exchange_resume(self);
}

void http_abort(struct http_exchange *self)
{
    self->abort = true;
    if (self->suspended)
        http_exchange_resume(self);
    else if (!self->in_handler)
        (void)shutdown(self->connection->fd, SHUT_RDWR); // MHD notices and closes
}

/* ---- upgrade ---- */

/* The 101 has left.  The descriptor is duplicated and MHD's half given up at once: an
 * idle WebSocket then costs nothing in MHD. */
/* NOLINTNEXTLINE(readability-function-size): the parameters are MHD's. */
static void s_upgraded(void *context, struct MHD_Connection *mhd,
                       void *connection_context, const char *extra, size_t extra_size,
                       MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_exchange *self = context;
    struct http_connection *connection = self->connection;
    (void)mhd;
    (void)connection_context;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (connection->watched)
        loop_unwatch(self->server->loop, fd); // close() would not, while the copy lives
    connection->watched = false;
    connection->upgraded = true;
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    connection->daemon->run = true;
    self->upgraded = true;
    if (copy < 0) {
        self->server->callbacks.on_gone(self->owner, HTTP_GONE_CLIENT);
        return;
    }
    int on = 1; // MHD turned it off
    (void)setsockopt(copy, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct admission_ticket *ticket = connection->ticket;
    connection->ticket = NULL;
    struct iovec rest = {.iov_base = (void *)extra, .iov_len = extra_size};
    self->server->callbacks.on_upgraded(self->owner, transport_plain(copy), ticket, rest);
}

void http_upgrade(struct http_exchange *self, const struct http_reply *reply)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(s_upgraded, self);
    MHD_add_response_header(response, "Upgrade", "websocket");
    s_add_fields(self, response, reply);
    s_answer(self, 101, response);
}
