#include "gateway/json_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What stands for a byte: an escape, or its two bytes of UTF-8. */
static size_t s_replace(uint8_t byte, char out[8])
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    out[0] = '\\';
    if (byte < sizeof letters && letters[byte]) {
        out[1] = letters[byte];
        return 2;
    }
    if (byte < 0x80)
        return (size_t)snprintf(out, 8, "\\u%04x", byte);
    out[0] = (char)(0xC0 | byte >> 6);
    out[1] = (char)(0x80 | (byte & 0x3F));
    return 2;
}

static bool s_stays(uint8_t byte, bool is_latin1)
{
    if (byte >= 0x80)
        return !is_latin1;
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7F;
}

static int s_inner(struct bytes *out, const uint8_t *text, size_t size, bool is_latin1)
{
    size_t at = 0;
    while (at < size) {
        size_t start = at;
        while (at < size && s_stays(text[at], is_latin1))
            at++;
        int result = bytes_append(out, text + start, at - start);
        if (result == 0 && at < size) {
            char other[8];
            size_t length = s_replace(text[at++], other);
            result = bytes_append(out, other, length);
        }
        if (result < 0)
            return result;
    }
    return 0;
}

static int s_write(struct bytes *out, const void *text, size_t size, bool is_latin1)
{
    int result = bytes_append(out, "\"", 1);
    if (result == 0)
        result = s_inner(out, text, size, is_latin1);
    return result < 0 ? result : bytes_append(out, "\"", 1);
}

int json_text_write(struct bytes *out, const void *text, size_t size)
{
    return s_write(out, text, size, false);
}

int json_text_write_latin1(struct bytes *out, const void *text, size_t size)
{
    return s_write(out, text, size, true);
}

/* One to three bytes to four characters. */
static void s_base64_group(const uint8_t *data, size_t size, char out[4])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    for (size_t at = 0; at < 3; at++)
        bits = bits << 8 | (at < size ? data[at] : 0);
    for (size_t at = 0; at < 4; at++)
        out[at] = '=';
    for (size_t at = 0; at <= size; at++)
        out[at] = alphabet[bits >> (18 - 6 * at) & 63];
}

static int s_base64(struct bytes *out, const uint8_t *data, size_t size)
{
    char text[1024];
    size_t filled = 0;
    for (size_t at = 0; at < size; at += 3) {
        s_base64_group(data + at, size - at < 3 ? size - at : 3, text + filled);
        filled += 4;
        if (filled < sizeof text && at + 3 < size)
            continue;
        int result = bytes_append(out, text, filled);
        if (result < 0)
            return result;
        filled = 0;
    }
    return 0;
}

int json_text_write_base64(struct bytes *out, const void *data, size_t size)
{
    int result = bytes_append(out, "\"", 1);
    if (result == 0)
        result = s_base64(out, data, size);
    return result < 0 ? result : bytes_append(out, "\"", 1);
}
