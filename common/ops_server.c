#include "common/ops_server.h"

#include "common/bytes.h"
#include "common/mem.h"
#include "common/metric.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OPS_CONNECTIONS = 32,
    OPS_TIMEOUT_S = 10,
    OPS_HEAD_BYTES = 8 * 1024,       // memory of a connection, its request head included
    OPS_PAGE_MAX = 16 * 1024 * 1024, // bytes of a metrics page
    OPS_SWALLOW_MAX = 16 * 1024 * 1024, // of a body that is too long, so that the client
                                        // reads why
    OPS_BACKLOG = 64,
    OPS_REASON = 256, // bytes of a reason not to be ready
    OPS_ADDRESS = 64, // bytes of "[v6%scope]:port"
    OPS_HOST = 256,   // bytes of the host in an address
};

struct ops_server {
    struct MHD_Daemon *daemon;
    struct ops_callbacks callbacks;
    char address[OPS_ADDRESS];
};

struct ops_post {
    struct MHD_Connection *connection;
    const char *name; // inside the path, which lives as long as the request
    struct bytes body;
    bool too_large;
    unsigned status; // of the answer; 0: not yet
    const char *type;
    char *text;
};

struct answer {
    unsigned status;
    const char *type;
    const char *allow;     // NULL: not in the head
    const char *challenge; // WWW-Authenticate; NULL: not in the head
    void *body;            // malloc()ed
    size_t size;
};

static const char *const s_text_type = "text/plain; charset=utf-8";

static void s_say(struct answer *answer, unsigned status, const char *text)
{
    answer->status = status;
    answer->type = s_text_type;
    answer->body = mem_strdup(text);
    answer->size = strlen(text);
}

static void s_make_metrics(const struct ops_server *self, struct answer *answer)
{
    struct bytes page;
    bytes_init(&page, OPS_PAGE_MAX);
    if (self->callbacks.before_metrics)
        self->callbacks.before_metrics(self->callbacks.context);
    if (metric_page(&page) < 0) {
        bytes_clear(&page);
        s_say(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the page is too large\n");
        return;
    }
    answer->status = MHD_HTTP_OK;
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    answer->body = bytes_take(&page, &answer->size);
}

static void s_make_ready(const struct ops_server *self, struct answer *answer)
{
    char reason[OPS_REASON] = "not ready";
    if (self->callbacks.is_ready(self->callbacks.context, reason, sizeof reason))
        s_say(answer, MHD_HTTP_OK, "ready");
    else
        s_say(answer, MHD_HTTP_SERVICE_UNAVAILABLE, reason);
}

static bool s_is_post_path(const struct ops_server *self, const char *path)
{
    const char *prefix = self->callbacks.post_path;
    return prefix && strncmp(path, prefix, strlen(prefix)) == 0;
}

static void s_make_answer(const struct ops_server *self, const char *method,
                          const char *path, struct answer *answer)
{
    bool metrics = strcmp(path, "/metrics") == 0;
    bool ready = strcmp(path, "/readyz") == 0;
    if (s_is_post_path(self, path)) {
        answer->allow = "POST";
        s_say(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed: POST\n");
    } else if (!metrics && !ready && strcmp(path, "/healthz") != 0) {
        s_say(answer, MHD_HTTP_NOT_FOUND, "not found");
    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        answer->allow = "GET, HEAD";
        s_say(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed");
    } else if (metrics) {
        s_make_metrics(self, answer);
    } else if (ready) {
        s_make_ready(self, answer);
    } else {
        s_say(answer, MHD_HTTP_OK, "ok");
    }
}

static enum MHD_Result s_queue(struct MHD_Connection *connection,
                               const struct answer *answer)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->size, answer->body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer->body);
        return MHD_NO;
    }
    enum MHD_Result result =
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    if (result == MHD_YES)
        result =
            MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (result == MHD_YES && answer->allow)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    if (result == MHD_YES && answer->challenge)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                         answer->challenge);
    if (result == MHD_YES)
        result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- POST ---- */

const char *ops_post_name(const struct ops_post *self)
{
    return self->name;
}

const char *ops_post_header(const struct ops_post *self, const char *name)
{
    return MHD_lookup_connection_value(self->connection, MHD_HEADER_KIND, name);
}

const void *ops_post_body(const struct ops_post *self, size_t *size_out)
{
    *size_out = self->body.size;
    return self->body.data;
}

struct s_visit {
    bool (*visit)(void *context, const char *key, const char *value);
    void *context;
};

static enum MHD_Result s_visit(void *context, enum MHD_ValueKind kind, const char *key,
                               const char *value)
{
    const struct s_visit *self = context;
    (void)kind;
    return self->visit(self->context, key, value ? value : "") ? MHD_YES : MHD_NO;
}

void ops_post_query(const struct ops_post *self,
                    bool (*visit)(void *context, const char *key, const char *value),
                    void *context)
{
    struct s_visit each = {visit, context};
    (void)MHD_get_connection_values(self->connection, MHD_GET_ARGUMENT_KIND, s_visit,
                                    &each);
}

void ops_post_answer(struct ops_post *self, unsigned status, const char *type,
                     const char *text)
{
    self->status = status;
    self->type = type;
    self->text = mem_strdup(text);
    MHD_resume_connection(self->connection);
}

static enum MHD_Result s_refuse(struct MHD_Connection *connection, unsigned status,
                                const char *why)
{
    struct answer answer = {.challenge =
                                status == MHD_HTTP_UNAUTHORIZED ? "Bearer" : NULL};
    s_say(&answer, status, why);
    return s_queue(connection, &answer);
}

static const char s_too_large[] = "the body is longer than 1048576 bytes\n";

/* The head is there: the post is made, or refused at once. */
static enum MHD_Result s_begin_post(const struct ops_server *self,
                                    struct MHD_Connection *connection, const char *path,
                                    void **state)
{
    struct ops_post *post = mem_new(struct ops_post);
    const char *why = "";
    post->connection = connection;
    post->name = path + strlen(self->callbacks.post_path);
    bytes_init(&post->body, OPS_POST_MAX);
    *state = post;
    unsigned status = self->callbacks.check_post(self->callbacks.context, post, &why);
    if (status)
        return s_refuse(connection, status, why);
    const char *length = ops_post_header(post, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length && strtoull(length, NULL, 10) > OPS_SWALLOW_MAX)
        return s_refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, s_too_large);
    return MHD_YES;
}

/* A piece of the body, its end, or the answer is there. */
static enum MHD_Result s_go_on_with_post(const struct ops_server *self,
                                         struct ops_post *post, const char *upload,
                                         size_t *upload_size)
{
    if (*upload_size) {
        post->too_large |= bytes_append(&post->body, upload, *upload_size) < 0;
        *upload_size = 0;
        return MHD_YES;
    }
    if (post->too_large)
        return s_refuse(post->connection, MHD_HTTP_CONTENT_TOO_LARGE, s_too_large);
    if (!post->status) {
        MHD_suspend_connection(post->connection);
        self->callbacks.take_post(self->callbacks.context, post);
        return MHD_YES;
    }
    struct answer answer = {.status = post->status,
                            .type = post->type,
                            .body = post->text,
                            .size = strlen(post->text)};
    post->text = NULL;
    return s_queue(post->connection, &answer);
}

static char s_seen; // the state of a request that is no post

static void s_on_completed(void *context, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct ops_post *post = *state == &s_seen ? NULL : *state;
    *state = NULL;
    if (!post)
        return;
    bytes_clear(&post->body);
    free(post->text);
    free(post);
}

/* libmicrohttpd fixes these parameters.  The first call has the head only: a request is
 * answered at once there when it is no GET, so that no body is taken; else when it is
 * complete. */
// NOLINTNEXTLINE(readability-function-size)
static enum MHD_Result s_on_request(void *context, struct MHD_Connection *connection,
                                    const char *path, const char *method,
                                    const char *version, const char *upload,
                                    size_t *upload_size, void **state)
{
    const struct ops_server *self = context;
    (void)version;
    if (*state && *state != &s_seen)
        return s_go_on_with_post(self, *state, upload, upload_size);
    if (strcmp(method, "POST") == 0 && s_is_post_path(self, path))
        return s_begin_post(self, connection, path, state);
    bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (is_get && (!*state || *upload_size)) {
        *state = &s_seen;
        *upload_size = 0;
        return MHD_YES;
    }
    struct answer answer = {0};
    s_make_answer(context, method, path, &answer);
    return s_queue(connection, &answer);
}

/* "host:port" or "[v6]:port" to its parts; port points into address.  0 or -EINVAL. */
static int s_split(const char *address, char host[OPS_HOST], const char **port_out)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || !colon[1])
        return -EINVAL;
    size_t size = (size_t)(colon - address);
    if (address[0] == '[' && colon[-1] == ']') {
        address++;
        size -= 2;
    } else if (memchr(address, ':', size)) {
        return -EINVAL;
    }
    if (size == 0 || size >= OPS_HOST)
        return -EINVAL;
    memcpy(host, address, size);
    host[size] = 0;
    *port_out = colon + 1;
    /* getaddrinfo would take a larger number modulo 65536. */
    size_t digits = strspn(colon + 1, "0123456789");
    if (colon[1 + digits] || digits > 5 || strtoul(colon + 1, NULL, 10) > UINT16_MAX)
        return -EINVAL;
    return 0;
}

static int s_open(const struct addrinfo *info)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, OPS_BACKLOG) < 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

/* A listening socket, or negative errno. */
static int s_listen(const char *address)
{
    char host[OPS_HOST];
    const char *port = NULL;
    int result = s_split(address, host, &port);
    if (result < 0)
        return result;
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return result == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
    int fd = s_open(found);
    freeaddrinfo(found);
    return fd;
}

static void s_describe(int fd, char out[OPS_ADDRESS])
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char host[40] = "?";
    char port[8] = "?";
    if (getsockname(fd, (struct sockaddr *)&name, &size) == 0)
        (void)getnameinfo((struct sockaddr *)&name, size, host, sizeof host, port,
                          sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_v6 = strchr(host, ':') != NULL;
    (void)snprintf(out, OPS_ADDRESS, "%s%s%s:%s", is_v6 ? "[" : "", host,
                   is_v6 ? "]" : "", port);
}

/* The thread takes no signals: they are main's. */
static struct MHD_Daemon *s_start(struct ops_server *self, int fd)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        s_on_request, self, MHD_OPTION_NOTIFY_COMPLETED, s_on_completed, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)OPS_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)OPS_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)OPS_HEAD_BYTES, MHD_OPTION_END);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

struct ops_server *ops_server_new(const char *address,
                                  const struct ops_callbacks *callbacks)
{
    int fd = s_listen(address);
    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    struct ops_server *self = mem_new(struct ops_server);
    self->callbacks = *callbacks;
    s_describe(fd, self->address);
    self->daemon = s_start(self, fd);
    if (!self->daemon) {
        (void)close(fd);
        ops_server_destroy(&self);
        errno = ENOMEM;
    }
    return self;
}

const char *ops_server_address(const struct ops_server *self)
{
    return self->address;
}

void ops_server_destroy(struct ops_server **self_p)
{
    struct ops_server *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    if (self->daemon)
        MHD_stop_daemon(self->daemon);
    free(self);
}
