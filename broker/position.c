#include "broker/position.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void position_write(const char *epoch, uint64_t number, char out[POSITION_MAX + 1])
{
    snprintf(out, POSITION_MAX + 1, "%.16s:%" PRIu64, epoch, number);
}

int position_read(struct wire_text text, const char *epoch, uint64_t *number_out)
{
    const char *colon = text.size ? memchr(text.data, ':', text.size) : NULL;
    if (!colon)
        return -EPROTO;
    size_t size = (size_t)(colon - text.data);
    for (size_t at = 0; at < size; at++)
        if (!isxdigit((unsigned char)text.data[at]))
            return -EPROTO;
    if (size < 8 || size > 16 ||
        wire_u64((struct wire_text){colon + 1, text.size - size - 1}, number_out) < 0)
        return -EPROTO;
    return size == strlen(epoch) && memcmp(text.data, epoch, size) == 0 ? 0 : -ESTALE;
}
