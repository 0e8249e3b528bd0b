#include "gateway/http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 16, TEXTS_MAX = 3 + 2 * LINES_MAX };

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

static size_t s_count(const struct http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t at = 0; at < request->header_count; at++)
        count += strcasecmp(request->headers[at].name, name) == 0;
    return count;
}

/* What no request that passed may have: two readers could take it for different ones. */
static void s_check_passed(const struct http_request *request,
                           const struct http_body *body)
{
    bool is_11 = strcmp(request->version, "HTTP/1.1") == 0;
    s_must(is_11 || strcmp(request->version, "HTTP/1.0") == 0);
    s_must(s_count(request, "Host") == 1 || (!is_11 && s_count(request, "Host") == 0));
    size_t lengths = s_count(request, "Content-Length");
    size_t codings = s_count(request, "Transfer-Encoding");
    s_must(lengths + codings <= 1);
    s_must(body->has_length == (lengths == 1) && body->chunked == (codings == 1));
    s_must(body->has_length || body->length == 0);
    s_must(is_11 || codings == 0);
    s_must(strlen(request->target) <= HTTP_TARGET_MAX);
    for (const char *at = request->target; *at; at++)
        s_must(*at > ' ' && *at < 0x7F);
    for (size_t at = 0; at < request->header_count; at++) {
        s_must(!strpbrk(request->headers[at].name, " \t\r\n:") &&
               request->headers[at].name[0]);
        s_must(!strpbrk(request->headers[at].value, "\r\n"));
    }
}

static void s_check_target(const char *target)
{
    const char *path;
    const char *query;
    size_t path_size;
    size_t query_size;
    char value[16];
    const char *end = target + strlen(target);
    http_request_split(target, &path, &path_size, &query, &query_size);
    s_must(path >= target && path + path_size <= end);
    s_must(!query || (query > path && query + query_size == end));
    int got = http_request_query(query, query_size, "a", value, sizeof value);
    s_must(got < 0 || ((size_t)got < sizeof value && strlen(value) == (size_t)got));
}

/* The texts of the input, which NULs separate, as in the vectors; at least three. */
static size_t s_split(char *copy, size_t size, const char **texts)
{
    size_t count = 0;
    for (char *at = copy; at <= copy + size && count < TEXTS_MAX; at += strlen(at) + 1)
        texts[count++] = at;
    while (count < 3)
        texts[count++] = "";
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *texts[TEXTS_MAX];
    struct http_header headers[LINES_MAX];
    char *copy = calloc(1, size + 1);
    s_must(copy != NULL);
    memcpy(copy, data, size);
    size_t lines = (s_split(copy, size, texts) - 3) / 2;
    for (size_t at = 0; at < lines; at++)
        headers[at] = (struct http_header){texts[3 + 2 * at], texts[4 + 2 * at]};
    const struct http_request request = {texts[0], texts[1], texts[2], headers, lines};
    struct http_body body;
    const char *why = NULL;
    int status = http_request_check(&request, &body, &why);
    s_must(status == 0 || status == 400 || status == 414 || status == 431 ||
           status == 501 || status == 505);
    s_must(status == 0 || why);
    if (status == 0)
        s_check_passed(&request, &body);
    s_check_target(request.target);
    (void)http_request_has_token(&request, "connection", "upgrade");
    free(copy);
    return 0;
}
