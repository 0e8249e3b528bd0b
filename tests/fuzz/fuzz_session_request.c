#include "gateway/session_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

/* What is told apart from others by its token must be a token in its one form. */
static void s_check_token(const char *token)
{
    char again[SESSION_TOKEN_ROOM], id[SESSION_ID_ROOM];
    s_must(session_token_read(token, strlen(token), again) == 0);
    s_must(strcmp(again, token) == 0);
    session_token_id(token, id);
    s_must(strlen(id) == SESSION_ID_ROOM - 7 && strncmp(id, "session.", 8) == 0);
}

static void s_check_read(const struct session_request *got, const char *method)
{
    s_must(got->carrier < SESSION_CARRIERS);
    s_must((got->carrier == SESSION_POST) == (strcmp(method, "POST") == 0));
    s_must(got->carrier < SESSION_POST || got->token[0]);
    if (got->token[0])
        s_check_token(got->token);
    s_must(got->n <= SESSION_N_MAX);
    s_must(got->wait_ms >= 0 && got->wait_ms <= SESSION_WAIT_MAX_MS);
    s_must(strlen(got->cursor) < sizeof got->cursor);
    for (const char *at = got->cursor; *at; at++)
        s_must(*at > 0x20 && *at < 0x7F && *at != '%'); // goes into a record as it is
}

/* Method, target, and the values of two headers, as texts that NULs separate. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *texts[4];
    char *copy = calloc(size + 1, 1);
    s_must(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    const char *at = copy;
    for (size_t index = 0; index < 4; index++) {
        texts[index] = at;
        at += at < copy + size ? strlen(at) + 1 : 0;
        at = at > copy + size ? copy + size : at;
    }
    const struct http_header headers[] = {{.name = "Ringway-Session", .value = texts[2]},
                                          {.name = "Last-Event-ID", .value = texts[3]}};
    const struct http_request request = {.method = texts[0],
                                         .target = texts[1],
                                         .version = "HTTP/1.1",
                                         .headers = headers,
                                         .header_count =
                                             (size_t)(*texts[2] != 0) + (*texts[3] != 0)};
    struct session_request got;
    const char *why = NULL;
    int status = session_request_read(&request, &got, &why);
    s_must(status == 0 || ((status == 400 || status == 405) && why && *why));
    if (status == 0)
        s_check_read(&got, texts[0]);
    free(copy);
    return 0;
}
