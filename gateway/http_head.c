#include "gateway/http_head.h"

#include "gateway/http_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the gateway does with a field of the application. */
enum s_fate {
    FATE_KEEP,
    FATE_DROP,
    FATE_LENGTH,     // kept as a number
    FATE_CONNECTION, // only `close` is kept
    FATE_CACHE_CONTROL,
    FATE_ACCEL_BUFFERING,
    FATE_CONTENT_TYPE,
    FATE_DATE,
    FATE_SERVER,
};

static enum s_fate s_fate_of(const char *name)
{
    static const struct {
        const char *name;
        enum s_fate fate;
    } known[] = {
        {"Content-Length", FATE_LENGTH},
        {"Transfer-Encoding", FATE_DROP},
        {"Keep-Alive", FATE_DROP},
        {"Upgrade", FATE_DROP},
        {"Trailer", FATE_DROP},
        {"Connection", FATE_CONNECTION},
        {"Cache-Control", FATE_CACHE_CONTROL},
        {"X-Accel-Buffering", FATE_ACCEL_BUFFERING},
        {"Content-Type", FATE_CONTENT_TYPE},
        {"Date", FATE_DATE},
        {"Server", FATE_SERVER},
    };
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        if (strcasecmp(name, known[at].name) == 0)
            return known[at].fate;
    return FATE_KEEP;
}

/* What the 101 says of the handshake itself is the gateway's. */
static bool s_is_of_handshake(const char *name)
{
    static const char prefix[] = "Sec-WebSocket-";
    return strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Upgrade") == 0 ||
           strncasecmp(name, prefix, strlen(prefix)) == 0;
}

/* A number of at most 18 digits, or -1: what is no length is no more than dropped. */
static int64_t s_length(const char *text)
{
    int64_t length = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 18 || strspn(text, "0123456789") != size)
        return -1;
    for (; *text; text++)
        length = length * 10 + (*text - '0');
    return length;
}

static bool s_has_close(const char *list)
{
    const char *item;
    size_t size;
    while (http_list_next(&list, &item, &size))
        if (size == strlen("close") && strncasecmp(item, "close", size) == 0)
            return true;
    return false;
}

/* Returns whether the field goes on the wire. */
static bool s_note(struct http_head *head, const char *name, const char *value)
{
    switch (s_fate_of(name)) {
    case FATE_DROP:
        return false;
    case FATE_LENGTH:
        if (head->content_length < 0)
            head->content_length = s_length(value);
        return false;
    case FATE_CONNECTION:
        head->has_connection_close |= s_has_close(value);
        return false;
    case FATE_CACHE_CONTROL:
        head->has_cache_control = true;
        return true;
    case FATE_ACCEL_BUFFERING:
        head->has_accel_buffering = true;
        return true;
    case FATE_CONTENT_TYPE:
        head->has_content_type = true;
        return true;
    case FATE_DATE:
        head->has_date = true;
        return true;
    case FATE_SERVER:
        head->has_server = true;
        return true;
    case FATE_KEEP:
        break;
    }
    return true;
}

/* RFC 9110 section 5.5: VCHAR, obs-text, space and tab. */
static bool s_is_value(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (((uint8_t)text[at] < 0x20 && text[at] != '\t') || text[at] == 0x7F)
            return false;
    return true;
}

static bool s_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Makes two texts of a line.  Returns NULL, or the rule that it breaks. */
static const char *s_split(char *line, size_t size, struct http_field *field)
{
    char *colon = memchr(line, ':', size);
    if (!colon)
        return "a header line has no colon";
    if (!http_is_token(line, (size_t)(colon - line)))
        return "the name of a header is not a token";
    char *value = colon + 1;
    char *end = line + size;
    if (!s_is_value(value, (size_t)(end - value)))
        return "the value of a header has a control character";
    while (value < end && s_is_blank(*value))
        value++;
    while (end > value && s_is_blank(end[-1]))
        end--;
    *colon = 0;
    *end = 0;
    *field = (struct http_field){.name = line, .value = value};
    return NULL;
}

/* Finds the empty line.  Returns the size of the head with it, or -EPROTO; counts the
 * lines. */
static int64_t s_measure(const char *data, size_t size, size_t *lines)
{
    size_t at = 0;
    *lines = 0;
    while (at < size) {
        const char *end = memchr(data + at, '\n', size - at);
        if (!end)
            return -EPROTO;
        size_t next = (size_t)(end - data) + 1;
        if (next == at + 1)
            return (int64_t)next;
        at = next;
        ++*lines;
    }
    return -EPROTO;
}

/* Every line of the copy, which ends with one, to a field.  NULL, or the rule that is
 * broken. */
static const char *s_read_lines(struct http_head *head, size_t size, bool as_protocol)
{
    for (char *line = head->copy, *end = line + size; line < end && *line != '\n';) {
        char *line_end = memchr(line, '\n', (size_t)(end - line));
        struct http_field *field = &head->fields[head->count];
        const char *rule = s_split(line, (size_t)(line_end - line), field);
        if (rule)
            return rule;
        if (as_protocol && s_is_of_handshake(field->name))
            return "Connection, Upgrade and Sec-WebSocket-* are the gateway's";
        head->count += s_note(head, field->name, field->value);
        line = line_end + 1;
    }
    return NULL;
}

/* ACCEPT: the empty line, and the end of the last line, may be missing. */
static int64_t s_measure_protocol(const char *data, size_t size, size_t *lines)
{
    int64_t got = s_measure(data, size, lines);
    if (got == (int64_t)size)
        return got;
    if (got >= 0)
        return -EPROTO;
    *lines += size > 0 && data[size - 1] != '\n';
    return (int64_t)size;
}

int64_t http_head_read(const void *payload, size_t size, bool as_protocol,
                       struct http_head *head, const char **why)
{
    size_t lines;
    int64_t used = as_protocol ? s_measure_protocol(payload, size, &lines)
                               : s_measure(payload, size, &lines);
    *head = (struct http_head){.content_length = -1};
    if (used < 0) {
        *why = as_protocol ? "something follows the header lines"
                           : "the empty line is missing";
        return used;
    }
    head->copy = malloc((size_t)used + 1);
    head->fields = calloc(lines + 1, sizeof *head->fields);
    *why = head->copy && head->fields ? NULL : "no memory for the head";
    if (*why) {
        http_head_clear(head);
        return -ENOMEM;
    }
    if (used > 0)
        memcpy(head->copy, payload, (size_t)used);
    head->copy[used] = '\n';
    *why = s_read_lines(head, (size_t)used + 1, as_protocol);
    if (!*why)
        return used;
    http_head_clear(head);
    return -EPROTO;
}

void http_head_clear(struct http_head *head)
{
    free(head->copy);
    free(head->fields);
    *head = (struct http_head){.content_length = -1};
}

bool http_status_has_body(int status, bool is_head_request)
{
    return !is_head_request && status >= 200 && status != 204 && status != 205 &&
           status != 304;
}
