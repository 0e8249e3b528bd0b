#include "gateway/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 3629 section 4, spelled out: length of the character at the front, 0 when it is
 * wrong. */
static size_t s_character(const uint8_t *data, size_t size)
{
    size_t need = data[0] < 0x80 ? 1 : data[0] >= 0xF0 ? 4 : data[0] >= 0xE0 ? 3 : 2;
    uint32_t value = need == 1 ? data[0] : data[0] & (0xFFu >> (need + 1));
    if (data[0] >= 0xF8 || (data[0] >= 0x80 && data[0] < 0xC0) || size < need)
        return 0;
    for (size_t at = 1; at < need; at++) {
        if ((data[at] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (data[at] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value < least[need] || value > 0x10FFFF || surrogate ? 0 : need;
}

static bool s_reference(const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t used = s_character(data, size);
        if (used == 0)
            return false;
        data += used;
        size -= used;
    }
    return true;
}

/* Fed whole, byte by byte, or checked by the book: the same answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct utf8 state;
    utf8_init(&state);
    bool fed = true;
    for (size_t at = 0; at < size && fed; at++)
        fed = utf8_feed(&state, data + at, 1);
    bool by_bytes = fed && utf8_is_complete(&state);
    if (utf8_is_valid(data, size) != s_reference(data, size) ||
        by_bytes != s_reference(data, size))
        abort();
    return 0;
}
