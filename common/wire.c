#include "common/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
    WIRE_VERB_MAX = 16,   // bytes
    WIRE_DIGITS_MAX = 20, // of a decimal number
};

static bool s_is_vchar(unsigned char byte)
{
    return byte >= 0x21 && byte <= 0x7E;
}

/* Are these eight bytes VCHARs, each of them?  Each record passes through here several
 * times. */
static bool s_are_vchars(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    /* A byte over 7E has its top bit set, or gets it with one more; one under 21 borrows
     * when 21 is taken away, or its neighbour below has borrowed and is bad itself. */
    return !((word | (word + ones) | (word - ones * 0x21)) & tops);
}

/* How many VCHARs there are at the front. */
static size_t s_span(const char *data, size_t size)
{
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= size; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        if (!s_are_vchars(word))
            break;
    }
    while (at < size && s_is_vchar((unsigned char)data[at]))
        at++;
    return at;
}

/* Copies bytes; false if one of them is no VCHAR. */
static bool s_copy(char *out, const char *data, size_t size)
{
    bool good = true;
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= size; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        memcpy(out + at, &word, sizeof word);
        good &= s_are_vchars(word);
    }
    for (; at < size; at++) {
        out[at] = data[at];
        good &= s_is_vchar((unsigned char)data[at]);
    }
    return good;
}

static bool s_is_verb(struct wire_text text)
{
    if (text.size > WIRE_VERB_MAX)
        return false;
    for (size_t at = 0; at < text.size; at++)
        if (text.data[at] < 'A' || text.data[at] > 'Z')
            return false;
    return true;
}

/* Splits at single spaces; record->count tells how many tokens were good. */
static int s_read_header(const char *data, size_t size, struct wire_record *record)
{
    size_t at = 0;
    for (;;) {
        size_t start = at;
        at += s_span(data + at, size - at);
        if (at == start || (at < size && data[at] != ' '))
            return -EPROTO;
        if (record->count == WIRE_TOKENS_MAX)
            return -EMSGSIZE;
        struct wire_text token = {data + start, at - start};
        if (record->count == 0 && !s_is_verb(token))
            return -EPROTO;
        record->token[record->count++] = token;
        if (at == size)
            return 0;
        at++;
    }
}

int wire_read(const void *data, size_t size, struct wire_record *record)
{
    record->count = 0;
    record->payload = NULL;
    record->payload_size = 0;
    record->has_payload = false;
    if (size == 0)
        return -EPROTO;

    size_t most = size > WIRE_HEADER_MAX ? WIRE_HEADER_MAX + 1 : size;
    const char *bytes = data;
    const char *end = memchr(bytes, '\n', most);
    if (!end && size > WIRE_HEADER_MAX)
        return -EMSGSIZE;
    size_t header = end ? (size_t)(end - bytes) : size;
    int result = s_read_header(bytes, header, record);
    if (result < 0 || !end)
        return result;
    record->payload = (const uint8_t *)end + 1;
    record->payload_size = size - header - 1;
    record->has_payload = true;
    return record->payload_size > WIRE_PAYLOAD_MAX ? -EFBIG : 0;
}

struct wire_text wire_option(const struct wire_record *record, size_t first,
                             const char *key)
{
    size_t size = strlen(key);
    for (size_t at = first; at < record->count; at++) {
        struct wire_text token = record->token[at];
        if (token.size > size && token.data[size] == '=' &&
            memcmp(token.data, key, size) == 0)
            return (struct wire_text){token.data + size + 1, token.size - size - 1};
    }
    return (struct wire_text){NULL, 0};
}

static int s_hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

/* The byte of "%XX" at the front, or -EPROTO. */
static int s_escape(struct wire_text text)
{
    if (text.size < 3)
        return -EPROTO;
    int high = s_hex(text.data[1]);
    int low = s_hex(text.data[2]);
    if (high < 0 || low < 0)
        return -EPROTO;
    int byte = high * 16 + low;
    return byte == 0 ? -EPROTO : byte;
}

int wire_unescape(struct wire_text text, char *out, size_t room)
{
    size_t size = 0;
    while (text.size) {
        int byte = (unsigned char)text.data[0];
        size_t used = 1;
        if (byte == '%') {
            byte = s_escape(text);
            used = 3;
        }
        if (byte < 0)
            return byte;
        if (size + 1 >= room)
            return -EMSGSIZE;
        out[size++] = (char)byte;
        text.data += used;
        text.size -= used;
    }
    if (room == 0 || size > INT_MAX)
        return -EMSGSIZE;
    out[size] = 0;
    return (int)size;
}

int wire_u64(struct wire_text text, uint64_t *out)
{
    if (text.size == 0 || text.size > WIRE_DIGITS_MAX)
        return -EPROTO;
    uint64_t value = 0;
    for (size_t at = 0; at < text.size; at++) {
        unsigned digit = (unsigned)(unsigned char)text.data[at] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return -EPROTO;
    }
    *out = value;
    return 0;
}

int wire_int(struct wire_text text, int *out)
{
    bool negative = text.size && text.data[0] == '-';
    if (negative) {
        text.data++;
        text.size--;
    }
    uint64_t value;
    if (wire_u64(text, &value) < 0 || value > (uint64_t)INT_MAX + negative)
        return -EPROTO;
    *out = (int)(negative ? -(int64_t)value : (int64_t)value);
    return 0;
}

/* Room for `size` more bytes, or NULL and overflow. */
static char *s_grow(struct wire_header *self, size_t size)
{
    if (self->overflow || size > WIRE_HEADER_MAX - self->size) {
        self->overflow = true;
        return NULL;
    }
    char *at = self->text + self->size;
    self->size += size;
    self->text[self->size] = 0;
    return at;
}

void wire_begin_text(struct wire_header *self, struct wire_text verb)
{
    self->size = 0;
    self->overflow = false;
    self->text[0] = 0;
    char *at = s_grow(self, verb.size);
    if (at)
        (void)s_copy(at, verb.data, verb.size);
}

void wire_begin(struct wire_header *self, const char *verb)
{
    wire_begin_text(self, (struct wire_text){verb, strlen(verb)});
}

void wire_add_text(struct wire_header *self, struct wire_text token)
{
    if (token.size == 0)
        token = (struct wire_text){"-", 1};
    if (token.size > WIRE_HEADER_MAX) {
        self->overflow = true;
        return;
    }
    char *at = s_grow(self, token.size + 1);
    if (!at)
        return;
    *at++ = ' ';
    /* A space or LF would forge tokens or a payload: such a header is never sent. */
    self->overflow = !s_copy(at, token.data, token.size);
}

void wire_add(struct wire_header *self, const char *token)
{
    wire_add_text(self, (struct wire_text){token, strlen(token)});
}

static void s_add_bytes_escaped(struct wire_header *self, const char *value)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *value; value++) {
        unsigned char byte = (unsigned char)*value;
        bool plain = s_is_vchar(byte) && byte != '%';
        char *at = s_grow(self, plain ? 1 : 3);
        if (!at)
            return;
        *at = *value;
        if (!plain) {
            at[0] = '%';
            at[1] = digits[byte >> 4];
            at[2] = digits[byte & 15];
        }
    }
}

void wire_add_escaped(struct wire_header *self, const char *token)
{
    if (!*token)
        token = "-";
    char *at = s_grow(self, 1);
    if (at)
        *at = ' ';
    s_add_bytes_escaped(self, token);
}

/* Writes digits so that they end before `end`; returns their start. */
static char *s_decimal(uint64_t value, char *end)
{
    do
        *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}

void wire_add_u64(struct wire_header *self, uint64_t value)
{
    char digits[WIRE_DIGITS_MAX];
    char *end = digits + sizeof digits;
    char *start = s_decimal(value, end);
    wire_add_text(self, (struct wire_text){start, (size_t)(end - start)});
}

void wire_add_int(struct wire_header *self, int value)
{
    char digits[WIRE_DIGITS_MAX];
    char *end = digits + sizeof digits;
    char *start = s_decimal(value < 0 ? -(uint64_t)value : (uint64_t)value, end);
    if (value < 0)
        *--start = '-';
    wire_add_text(self, (struct wire_text){start, (size_t)(end - start)});
}

void wire_add_option(struct wire_header *self, const char *key, const char *value)
{
    wire_add(self, key);
    char *at = s_grow(self, 1);
    if (at)
        *at = '=';
    s_add_bytes_escaped(self, value);
}

size_t wire_line(char *out, struct wire_text token, uint64_t number)
{
    char digits[WIRE_DIGITS_MAX];
    char *end = digits + sizeof digits, *start = s_decimal(number, end), *at = out;
    (void)s_copy(at, token.data, token.size);
    at += token.size;
    *at++ = ' ';
    while (start < end)
        *at++ = *start++;
    *at++ = '\n';
    return (size_t)(at - out);
}

void wire_add_option_u64(struct wire_header *self, const char *key, uint64_t value)
{
    char digits[WIRE_DIGITS_MAX + 1];
    char *end = digits + WIRE_DIGITS_MAX;
    *end = 0;
    wire_add_option(self, key, s_decimal(value, end));
}

bool wire_next_line(struct wire_text *text, struct wire_text *line)
{
    const char *end = text->size ? memchr(text->data, '\n', text->size) : NULL;
    if (!end)
        return false;
    *line = (struct wire_text){text->data, (size_t)(end - text->data)};
    text->data = end + 1;
    text->size -= line->size + 1;
    return true;
}
