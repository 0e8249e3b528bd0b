#include "gateway/http_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 16 };

/* The next text of the input, up to a newline; the rest is moved on. */
static char *s_text(const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, '\n', *size);
    size_t length = end ? (size_t)(end - *data) : *size;
    char *text = calloc(1, length + 1);
    memcpy(text, *data, length);
    size_t used = end ? length + 1 : length;
    *data += used;
    *size -= used;
    return text;
}

static void s_look(const struct http_request *request)
{
    const char *path, *query;
    size_t path_size, query_size;
    char value[64];
    http_request_split(request->target, &path, &path_size, &query, &query_size);
    if (path < request->target ||
        path + path_size > request->target + strlen(request->target))
        abort();
    int got = http_request_query(query, query_size, "cursor", value, sizeof value);
    if (got >= (int)sizeof value)
        abort();
    (void)http_request_has_token(request, "connection", "upgrade");
}

/* A request that passes has a framing that two readers cannot take for different ones. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *texts[3 + 2 * LINES_MAX];
    struct http_header headers[LINES_MAX];
    size_t count = 0, lines = 0;
    while (count < 3 + 2 * LINES_MAX && (size > 0 || count < 3))
        texts[count++] = s_text(&data, &size);
    for (size_t at = 3; at + 1 < count; at += 2)
        headers[lines++] = (struct http_header){texts[at], texts[at + 1]};
    struct http_request request = {texts[0], texts[1], texts[2], headers, lines};
    struct http_body body = {0};
    const char *why = NULL;
    int status = http_request_check(&request, &body, &why);
    if (status != 0 && (status < 400 || status > 505 || !why))
        abort();
    if (status == 0 && body.chunked && body.has_length)
        abort();
    s_look(&request);
    while (count > 0)
        free(texts[--count]);
    return 0;
}
