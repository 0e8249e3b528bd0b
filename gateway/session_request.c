#include "gateway/session_request.h"

#include "gateway/ws_handshake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WAIT_DEFAULT_MS = 25000, VALUE_ROOM = 128, DIGITS_MAX = 16 };

const char *session_carrier_name(enum session_carrier carrier)
{
    static const char *const names[] = {
        [SESSION_WS] = "ws",     [SESSION_SSE] = "sse",   [SESSION_STREAM] = "stream",
        [SESSION_POLL] = "poll", [SESSION_POST] = "post", [SESSION_DELETE] = "post",
    };
    return names[carrier];
}

/* A query under way. */
struct s_query {
    const char *text;
    size_t size;
};

/* The size, or a negative errno. */
static int s_value(const struct s_query *query, const char *name, char out[VALUE_ROOM])
{
    return http_request_query(query->text, query->size, name, out, VALUE_ROOM);
}

static bool s_is(const struct s_query *query, const char *name, const char *text)
{
    char value[VALUE_ROOM];
    return s_value(query, name, value) > 0 && strcmp(value, text) == 0;
}

/* A number of at most 16 digits, or -1. */
static int64_t s_number(const char *text)
{
    int64_t value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > DIGITS_MAX || strspn(text, "0123456789") != size)
        return -1;
    for (; *text; text++)
        value = value * 10 + (*text - '0');
    return value;
}

static int s_read_carrier(const struct http_request *request, const struct s_query *query,
                          struct session_request *out)
{
    const char *accept = http_request_header(request, "Accept");
    if (ws_handshake_is_wanted(request))
        out->carrier = SESSION_WS;
    else if (strcmp(request->method, "POST") == 0)
        out->carrier = SESSION_POST;
    else if (strcmp(request->method, "DELETE") == 0)
        out->carrier = SESSION_DELETE;
    else if (strcmp(request->method, "GET") != 0)
        return 405;
    else if (s_is(query, "carrier", "stream"))
        out->carrier = SESSION_STREAM;
    else if (accept && strcasestr(accept, "text/event-stream"))
        out->carrier = SESSION_SSE;
    else
        out->carrier = SESSION_POLL;
    return 0;
}

static int s_read_token(const struct http_request *request, const struct s_query *query,
                        struct session_request *out)
{
    char value[VALUE_ROOM];
    int size = s_value(query, "session", value);
    const char *text =
        size == -ENOENT ? http_request_header(request, "Ringway-Session") : value;
    if (!text)
        return 0;
    if (size < 0 && size != -ENOENT)
        return -EPROTO;
    return session_token_read(text, strlen(text), out->token);
}

/* Last-Event-ID counts first: an EventSource shows in it what it got since its URL was
 * made. */
static void s_read_cursor(const struct http_request *request, const struct s_query *query,
                          struct session_request *out)
{
    char value[VALUE_ROOM];
    const char *shown = http_request_header(request, "Last-Event-ID");
    if (!shown && s_value(query, "cursor", value) > 0)
        shown = value;
    if (!shown || !*shown)
        return;
    size_t size = strlen(shown);
    bool is_one = size < sizeof out->cursor;
    for (size_t at = 0; is_one && at < size; at++)
        is_one = shown[at] > 0x20 && shown[at] < 0x7F && shown[at] != '%';
    snprintf(out->cursor, sizeof out->cursor, "%s", is_one ? shown : "0:0");
}

static int s_read_n(const struct s_query *query, struct session_request *out)
{
    char value[VALUE_ROOM];
    int size = s_value(query, "n", value);
    if (size == -ENOENT)
        return 0;
    int64_t n = size < 0 ? -1 : s_number(value);
    if (n < 1 || (uint64_t)n > SESSION_N_MAX)
        return -EPROTO;
    out->n = (uint64_t)n;
    return 0;
}

static void s_read_wait(const struct s_query *query, struct session_request *out)
{
    char value[VALUE_ROOM];
    out->wait_ms = WAIT_DEFAULT_MS;
    if (s_value(query, "wait", value) <= 0)
        return;
    int64_t wait_s = s_number(value);
    if (wait_s >= 0)
        out->wait_ms =
            wait_s > SESSION_WAIT_MAX_MS / 1000 ? SESSION_WAIT_MAX_MS : wait_s * 1000;
}

static bool s_has_binary_body(const struct http_request *request)
{
    static const char bytes[] = "application/octet-stream";
    const char *type = http_request_header(request, "Content-Type");
    if (!type || strncasecmp(type, bytes, sizeof bytes - 1) != 0)
        return false;
    char next = type[sizeof bytes - 1];
    return next == 0 || next == ';' || next == ' ';
}

static int s_refuse(const char **why, int status, const char *rule)
{
    *why = rule;
    return status;
}

int session_request_read(const struct http_request *request, struct session_request *out,
                         const char **why)
{
    const char *path;
    size_t path_size;
    struct s_query query;
    memset(out, 0, sizeof *out);
    http_request_split(request->target, &path, &path_size, &query.text, &query.size);
    if (s_read_carrier(request, &query, out) != 0)
        return s_refuse(why, 405, "a session knows GET, POST and DELETE");
    if (s_read_token(request, &query, out) < 0)
        return s_refuse(why, 400, "a session is shown by a token of 43 characters");
    if (s_read_n(&query, out) < 0)
        return s_refuse(why, 400, "n is a number from 1 to 2^53");
    if (out->carrier >= SESSION_POST && !out->token[0])
        return s_refuse(why, 400, "a message, or an end, shows its session");
    s_read_cursor(request, &query, out);
    s_read_wait(&query, out);
    out->ends = out->carrier == SESSION_DELETE || s_is(&query, "end", "1");
    out->as_json = s_is(&query, "format", "json");
    out->is_binary = s_has_binary_body(request);
    return 0;
}
