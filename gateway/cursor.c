#include "gateway/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { EPOCH_LEAST = 8, EPOCH_MOST = 16, NUMBER_MOST = 20 };

const struct cursor cursor_unknown = {.digits = EPOCH_MOST};

static int s_hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The number in all of these characters; false over 64 bits. */
static bool s_number(const char *text, size_t size, uint64_t *out)
{
    uint64_t value = 0;
    if (size == 0 || size > NUMBER_MOST)
        return false;
    for (size_t at = 0; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[at] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

int cursor_read(const char *text, size_t size, struct cursor *out)
{
    struct cursor read = {.digits = 0};
    size_t at = 0;
    for (; at < size && at < EPOCH_MOST && s_hex(text[at]) >= 0; at++)
        read.epoch = read.epoch << 4 | (uint64_t)s_hex(text[at]);
    if (at < EPOCH_LEAST || at == size || text[at] != ':')
        return -EINVAL;
    read.digits = (uint8_t)at++;
    if (!s_number(text + at, size - at, &read.number))
        return -EINVAL;
    *out = read;
    return 0;
}

void cursor_write(const struct cursor *self, char out[CURSOR_ROOM])
{
    out[0] = 0;
    if (self->digits > 0)
        snprintf(out, CURSOR_ROOM, "%0*" PRIx64 ":%" PRIu64, self->digits, self->epoch,
                 self->number);
}

bool cursor_is_of_epoch(const struct cursor *self, const struct cursor *other)
{
    return self->digits == other->digits && self->epoch == other->epoch;
}

bool cursor_is_after(const struct cursor *self, const struct cursor *other)
{
    return !cursor_is_of_epoch(self, other) || self->number > other->number;
}
