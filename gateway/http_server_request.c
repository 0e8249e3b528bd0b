#include "gateway/http_server_private.h"

#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 512 }; // lines; MHD's memory for the head ends before that

void *http_server_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct http_server *server = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_exchange *self = mem_new(struct http_exchange);
    self->server = server;
    self->mhd = mhd;
    self->target = mem_strdup(target);
    self->connection = info->socket_context;
    self->connection->exchange = self;
    return self;
}

void http_forget_head(struct http_exchange *self)
{
    free(self->target);
    free(self->headers);
    self->target = NULL;
    self->headers = NULL;
    self->request = (struct http_request){.method = "", .target = "", .version = ""};
}

void http_exchange_free(struct http_exchange *self)
{
    if (!self)
        return;
    http_forget_head(self);
    if (self->response)
        MHD_destroy_response(self->response);
    free(self);
}

const struct http_request *http_exchange_request(const struct http_exchange *self)
{
    return &self->request;
}

bool http_exchange_is_head(const struct http_exchange *self)
{
    return self->is_head;
}

bool http_exchange_is_http10(const struct http_exchange *self)
{
    return self->is_http10;
}

const union http_address *http_exchange_peer(const struct http_exchange *self)
{
    return &self->connection->peer;
}

int http_exchange_fd(const struct http_exchange *self)
{
    return self->connection->fd;
}

/* ---- suspend and resume ---- */

void http_exchange_suspend(struct http_exchange *self)
{
    MHD_suspend_connection(self->mhd);
    self->suspended = true;
}

void http_exchange_resume(struct http_exchange *self)
{
    if (!self->suspended)
        return;
    self->suspended = false;
    self->connection->daemon->run = true;
    self->server->loop->again = true;
    MHD_resume_connection(self->mhd);
}

void http_exchange_lose(struct http_exchange *self, enum http_gone why)
{
    if (self->abort)
        return;
    self->abort = true;
    if (self->owner)
        self->server->callbacks.on_gone(self->owner, why);
    http_exchange_resume(self);
}

void http_resume_body(struct http_exchange *self)
{
    if (!self->ended)
        http_exchange_resume(self);
}

/* ---- the handler's three kinds of call ---- */

struct s_collect {
    struct http_exchange *exchange;
    bool has_nul;
};

/* RFC 9112 section 5: white space behind a value is not part of it, but the library
 * leaves it there.  The value lies in the connection's own memory. */
static void s_trim(const char *value, size_t size)
{
    size_t end = size;
    while (end > 0 && (value[end - 1] == ' ' || value[end - 1] == '\t'))
        end--;
    if (end < size)
        ((char *)value)[end] = 0;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are MHD's. */
static enum MHD_Result s_collect_header(void *context, enum MHD_ValueKind kind,
                                        const char *name, size_t name_size,
                                        const char *value, size_t value_size)
{
    struct s_collect *collect = context;
    struct http_request *request = &collect->exchange->request;
    (void)kind;
    if (!value)
        value = "";
    collect->has_nul |= strlen(name) != name_size || strlen(value) != value_size;
    s_trim(value, strlen(value));
    collect->exchange->headers[request->header_count++] =
        (struct http_header){.name = name, .value = value};
    return request->header_count < HEADERS_MAX ? MHD_YES : MHD_NO;
}

/* Returns the status to refuse with, or 0. */
static int s_read_head(struct http_exchange *self, const char *method,
                       const char *version, const char **why)
{
    int count = MHD_get_connection_values(self->mhd, MHD_HEADER_KIND, NULL, NULL);
    if (count > HEADERS_MAX) {
        *why = "too many header lines";
        return 431;
    }
    struct s_collect collect = {.exchange = self};
    self->headers = mem_alloc((size_t)(count + 1) * sizeof *self->headers);
    self->request = (struct http_request){.method = method,
                                          .target = self->target,
                                          .version = version,
                                          .headers = self->headers};
    MHD_get_connection_values_n(self->mhd, MHD_HEADER_KIND, s_collect_header, &collect);
    self->is_head = strcmp(method, "HEAD") == 0;
    self->is_http10 = strcmp(version, "HTTP/1.0") == 0;
    *why = "a header line contains a NUL";
    return collect.has_nul ? 400 : http_request_check(&self->request, &self->body, why);
}

static bool s_has_body(const struct http_exchange *self)
{
    return self->body.chunked || self->body.length > 0;
}

static enum MHD_Result s_first_call(struct http_exchange *self, const char *method,
                                    const char *version)
{
    struct http_server *server = self->server;
    const char *why = NULL;
    self->seen = true;
    timer_stop(&server->loop->timers, &self->connection->timer);
    int status = s_read_head(self, method, version, &why);
    if (status == 0 && self->body.length > server->settings.body_limit) {
        status = 413;
        why = "the body is larger than body-limit";
    }
    if (status == 414 || status == 431) { // MHD's memory may be too full for a response
        http_connection_reject(self->connection, status, why);
        return MHD_NO;
    }
    if (status != 0)
        http_refuse(self, status, why, true);
    else
        self->owner = server->callbacks.on_request(server->callbacks.context, self);
    if (s_has_body(self))
        timer_start(&server->loop->timers, &self->connection->timer,
                    server->loop->now_ms + server->settings.body_timeout_ms);
    /* An answer queued in this call closes the connection; without a body the final call
     * comes at once and keeps it. */
    if (self->answered && !self->upgraded && (s_has_body(self) || status != 0))
        return http_exchange_queue(self) ? MHD_YES : MHD_NO;
    return MHD_YES;
}

static enum MHD_Result s_body_call(struct http_exchange *self, const char *data,
                                   size_t *size_p)
{
    struct http_server *server = self->server;
    if (self->abort)
        return MHD_NO;
    timer_start(&server->loop->timers, &self->connection->timer,
                server->loop->now_ms + server->settings.body_timeout_ms);
    size_t taken = *size_p;
    if (!self->answered && self->owner)
        taken = server->callbacks.on_body(self->owner, (const uint8_t *)data, *size_p);
    self->received += taken;
    *size_p -= taken;
    if (self->received > server->settings.body_limit) {
        http_connection_reject(self->connection, 413,
                               "the body is larger than body-limit");
        http_exchange_lose(self, HTTP_GONE_LIMIT);
        return MHD_NO;
    }
    if (*size_p > 0) {
        timer_stop(&server->loop->timers, &self->connection->timer); // it is we who wait
        http_exchange_suspend(self);
    }
    return MHD_YES;
}

static enum MHD_Result s_final_call(struct http_exchange *self)
{
    struct http_server *server = self->server;
    if (!self->ended) {
        self->ended = true;
        timer_stop(&server->loop->timers, &self->connection->timer);
        if (!self->answered && !self->abort && self->owner)
            server->callbacks.on_end(self->owner);
    }
    if (self->abort || (!self->owner && !self->answered))
        return MHD_NO;
    if (self->answered)
        return self->queued || http_exchange_queue(self) ? MHD_YES : MHD_NO;
    bool over_limit = http_connection_pipelines_too_much(self->connection);
    if (self->connection->gone || over_limit) {
        self->abort = true;
        server->callbacks.on_gone(self->owner,
                                  over_limit ? HTTP_GONE_LIMIT : HTTP_GONE_CLIENT);
        return MHD_NO;
    }
    http_exchange_suspend(self);
    return MHD_YES;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are MHD's. */
enum MHD_Result http_server_handle(void *context, struct MHD_Connection *mhd,
                                   const char *url, const char *method,
                                   const char *version, const char *upload_data,
                                   size_t *upload_size, void **exchange_p)
{
    struct http_exchange *self = *exchange_p;
    enum MHD_Result result;
    (void)context;
    (void)mhd;
    (void)url;
    self->in_handler = true;
    if (!self->seen)
        result = s_first_call(self, method, version);
    else if (*upload_size > 0)
        result = s_body_call(self, upload_data, upload_size);
    else
        result = s_final_call(self);
    self->in_handler = false;
    return result;
}
