#include "common/bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BYTES_ROOM_LEAST = 256,      // smallest allocation
    BYTES_ROOM_IDLE = 64 * 1024, // an allocation up to this is not shrunk while in use
    BYTES_PRINTF_STACK = 512,    // texts below this need no allocation of their own
};

void bytes_init(struct bytes *self, size_t limit)
{
    *self = (struct bytes){.limit = limit};
}

void bytes_clear(struct bytes *self)
{
    free(self->base);
    bytes_init(self, self->limit);
}

static size_t s_gap(const struct bytes *self)
{
    return self->base ? (size_t)(self->data - self->base) : 0;
}

static void s_to_front(struct bytes *self)
{
    if (self->base && self->data != self->base)
        memmove(self->base, self->data, self->size);
    self->data = self->base;
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
    size_t gap = s_gap(self);
    if (self->base && need <= self->room - gap)
        return 0;
    /* Moving pays when at least as much was consumed as is moved. */
    if (need <= self->room && gap >= self->size) {
        s_to_front(self);
        return 0;
    }
    size_t room = s_next_room(self, need);
    uint8_t *base = malloc(room);
    if (!base)
        return -ENOMEM;
    if (self->size)
        memcpy(base, self->data, self->size);
    free(self->base);
    self->base = base;
    self->data = base;
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

/* A burst must not keep its memory for as long as the last few bytes stay. */
static void s_shrink(struct bytes *self)
{
    if (self->room <= BYTES_ROOM_IDLE || self->size > self->room / 8)
        return;
    s_to_front(self);
    size_t room = s_next_room(self, self->size);
    uint8_t *base = realloc(self->base, room);
    if (!base)
        return;
    self->base = base;
    self->data = base;
    self->room = room;
}

void bytes_consume(struct bytes *self, size_t size)
{
    assert(size <= self->size);
    self->size -= size;
    if (self->size == 0) {
        bytes_clear(self);
        return;
    }
    self->data += size;
    s_shrink(self);
}

uint8_t *bytes_take(struct bytes *self, size_t *size_out)
{
    s_to_front(self);
    uint8_t *data = self->base;
    *size_out = self->size;
    bytes_init(self, self->limit);
    return data;
}
