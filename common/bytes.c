#include "common/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BYTES_ROOM_LEAST = 256,   // smallest allocation
    BYTES_PRINTF_STACK = 512, // texts below this need no allocation of their own
};

void bytes_init(struct bytes *self, size_t limit)
{
    *self = (struct bytes){.limit = limit};
}

void bytes_clear(struct bytes *self)
{
    free(self->data);
    bytes_init(self, self->limit);
}

/* Half as much again as is needed, so that many small appends copy each byte a constant
 * number of times; never more than the limit. */
static size_t s_next_room(const struct bytes *self, size_t need)
{
    size_t room = need + need / 2;
    if (room < BYTES_ROOM_LEAST)
        room = BYTES_ROOM_LEAST;
    if (room > self->limit)
        room = self->limit;
    return room < need ? need : room;
}

static int s_reserve(struct bytes *self, size_t need)
{
    if (need <= self->room)
        return 0;
    size_t room = s_next_room(self, need);
    uint8_t *data = realloc(self->data, room);
    if (!data)
        return -ENOMEM;
    self->data = data;
    self->room = room;
    return 0;
}

int bytes_append(struct bytes *self, const void *data, size_t size)
{
    if (size > self->limit - self->size)
        return -EMSGSIZE;
    if (size == 0)
        return 0;
    int result = s_reserve(self, self->size + size);
    if (result < 0)
        return result;
    memcpy(self->data + self->size, data, size);
    self->size += size;
    return 0;
}

int bytes_printf(struct bytes *self, const char *format, ...)
{
    char text[BYTES_PRINTF_STACK];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        return -EINVAL;
    if ((size_t)size < sizeof text)
        return bytes_append(self, text, (size_t)size);

    if ((size_t)size > self->limit - self->size)
        return -EMSGSIZE;
    char *copy = NULL;
    va_start(arguments, format);
    size = vasprintf(&copy, format, arguments);
    va_end(arguments);
    if (size < 0)
        return -ENOMEM;
    int result = bytes_append(self, copy, (size_t)size);
    free(copy);
    return result;
}

uint8_t *bytes_take(struct bytes *self, size_t *size_out)
{
    uint8_t *data = self->data;
    *size_out = self->size;
    bytes_init(self, self->limit);
    return data;
}
