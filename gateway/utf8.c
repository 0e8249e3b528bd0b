#include "gateway/utf8.h"

#include <string.h>

enum { UTF8_LEAST = 0x80, UTF8_MOST = 0xBF }; // of a continuation byte

#define HIGH_BITS 0x8080808080808080u

void utf8_init(struct utf8 *self)
{
    *self = (struct utf8){.need = 0};
}

static void s_expect(struct utf8 *self, uint8_t need, uint8_t low, uint8_t high)
{
    *self = (struct utf8){.need = need, .low = low, .high = high};
}

/* A byte that begins a sequence.  RFC 3629 section 4: which second bytes it allows. */
static bool s_begin(struct utf8 *self, uint8_t byte)
{
    if (byte < 0x80)
        return true;
    if (byte < 0xC2 || byte > 0xF4)
        return false;
    if (byte < 0xE0)
        s_expect(self, 1, UTF8_LEAST, UTF8_MOST);
    else if (byte < 0xF0)
        s_expect(self, 2, byte == 0xE0 ? 0xA0 : UTF8_LEAST,
                 byte == 0xED ? 0x9F : UTF8_MOST);
    else
        s_expect(self, 3, byte == 0xF0 ? 0x90 : UTF8_LEAST,
                 byte == 0xF4 ? 0x8F : UTF8_MOST);
    return true;
}

static bool s_next(struct utf8 *self, uint8_t byte)
{
    if (self->need == 0)
        return s_begin(self, byte);
    if (byte < self->low || byte > self->high)
        return false;
    s_expect(self, (uint8_t)(self->need - 1), UTF8_LEAST, UTF8_MOST);
    return true;
}

/* How many whole words of ASCII stand at the front, in bytes. */
static size_t s_ascii_words(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, data + at, sizeof word);
        if (word & HIGH_BITS)
            break;
    }
    return at;
}

bool utf8_feed(struct utf8 *self, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    while (at < size) {
        if (self->need == 0 && bytes[at] < 0x80)
            at += s_ascii_words(bytes + at, size - at);
        if (at < size && !s_next(self, bytes[at++]))
            return false;
    }
    return true;
}

bool utf8_is_complete(const struct utf8 *self)
{
    return self->need == 0;
}

bool utf8_is_valid(const void *data, size_t size)
{
    struct utf8 text;
    utf8_init(&text);
    return utf8_feed(&text, data, size) && utf8_is_complete(&text);
}
