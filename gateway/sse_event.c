#include "gateway/sse_event.h"

#include <stdbool.h>
#include <string.h>

static int s_field(struct bytes *out, const char *name, const void *value, size_t size)
{
    int result = bytes_append(out, name, strlen(name));
    if (result == 0)
        result = bytes_append(out, value, size);
    return result < 0 ? result : bytes_append(out, "\n", 1);
}

/* Bytes before the next CR or LF. */
static size_t s_line_size(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t line = end ? (size_t)(end - data) : size;
    end = memchr(data, '\r', line);
    return end ? (size_t)(end - data) : line;
}

/* How many bytes end the line at the front: CRLF is one end. */
static size_t s_end_size(const uint8_t *data, size_t size)
{
    return size >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 1;
}

static int s_data(struct bytes *out, const uint8_t *data, size_t size)
{
    for (;;) {
        size_t line = size ? s_line_size(data, size) : 0;
        int result = s_field(out, "data: ", data, line);
        if (result < 0 || line == size)
            return result;
        size_t used = line + s_end_size(data + line, size - line);
        data += used;
        size -= used;
    }
}

int sse_event_write(struct bytes *out, const char *id, const char *event,
                    const void *data, size_t size)
{
    int result = 0;
    if (id)
        result = s_field(out, "id: ", id, strlen(id));
    if (result == 0 && event)
        result = s_field(out, "event: ", event, strlen(event));
    if (result == 0)
        result = s_data(out, data, size);
    return result < 0 ? result : bytes_append(out, "\n", 1);
}
