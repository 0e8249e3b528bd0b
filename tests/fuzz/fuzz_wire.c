#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

/* Whatever was read lies inside the input, in order, and has the bytes of a token. */
static void s_check_tokens(const struct wire_record *record, const char *data,
                           size_t size)
{
    const char *at = data;
    s_must(record->count <= WIRE_TOKENS_MAX);
    for (size_t token = 0; token < record->count; token++) {
        struct wire_text text = record->token[token];
        s_must(text.size > 0 && text.data >= at && text.data + text.size <= data + size);
        for (size_t byte = 0; byte < text.size; byte++)
            s_must(text.data[byte] >= 0x21 && text.data[byte] <= 0x7E);
        at = text.data + text.size;
    }
}

/* What any token says as a number or a text stays within its room. */
static void s_check_values(struct wire_text token)
{
    char text[64];
    uint64_t number;
    int small;
    int size = wire_unescape(token, text, sizeof text);
    s_must(size < 0 || strlen(text) == (size_t)size);
    s_must(size <= (int)token.size);
    if (wire_int(token, &small) == 0 && small >= 0)
        s_must(wire_u64(token, &number) < 0 || number == (uint64_t)small);
}

/* A record that was read and is built again has the same header, escaped or not. */
static void s_check_built(const struct wire_record *record, const char *data)
{
    static struct wire_header header;
    static char text[WIRE_HEADER_MAX + 1];
    const struct wire_text *last = &record->token[record->count - 1];
    size_t size = (size_t)(last->data + last->size - data);
    memcpy(text, data, record->token[0].size);
    text[record->token[0].size] = 0;
    wire_begin(&header, text);
    for (size_t token = 1; token < record->count; token++)
        wire_add_text(&header, record->token[token]);
    s_must(!header.overflow && header.size == size);
    s_must(memcmp(header.text, data, size) == 0);
}

/* Any text becomes one token that gives the text back. */
static void s_check_escape(const uint8_t *data, size_t size)
{
    static struct wire_header header;
    static struct wire_record record;
    char text[256];
    char again[256];
    size = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = 0;
    wire_begin(&header, "X");
    wire_add_escaped(&header, text);
    wire_add_option(&header, "k", text);
    s_must(!header.overflow && wire_read(header.text, header.size, &record) == 0);
    s_must(record.count == 3);
    s_must(wire_unescape(wire_option(&record, 2, "k"), again, sizeof again) >= 0);
    s_must(strcmp(again, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_record record;
    const char *bytes = (const char *)data;
    int result = wire_read(data, size, &record);
    s_must(result == 0 || result == -EPROTO || result == -EMSGSIZE || result == -EFBIG);
    s_check_tokens(&record, bytes, size);
    for (size_t token = 0; token < record.count; token++)
        s_check_values(record.token[token]);
    (void)wire_option(&record, 1, "id");
    if (result == 0)
        s_check_built(&record, bytes);
    if (record.has_payload)
        s_must(record.payload + record.payload_size == data + size);
    s_check_escape(data, size);
    return 0;
}
