#include "gateway/ws_frame.h"

#include <errno.h>
#include <string.h>

static uint64_t s_big_endian(const uint8_t *data, size_t size)
{
    uint64_t value = 0;
    for (size_t at = 0; at < size; at++)
        value = value << 8 | data[at];
    return value;
}

/* How many bytes hold the length, beyond the seven bits in the second byte. */
static size_t s_extra_length_size(uint8_t seven_bits)
{
    if (seven_bits == 126)
        return 2;
    if (seven_bits == 127)
        return 8;
    return 0;
}

/* RFC 6455 section 5.2: "the minimal number of bytes MUST be used". */
static bool s_length_is_minimal(uint64_t length, size_t extra)
{
    if (extra == 2)
        return length >= 126;
    if (extra == 8)
        return length > UINT16_MAX && length >> 63 == 0;
    return true;
}

static bool s_is_control(uint8_t opcode)
{
    return opcode >= WS_CLOSE;
}

int ws_frame_read(const uint8_t *data, size_t size, struct ws_frame *frame)
{
    if (size < 2)
        return 0;

    struct ws_frame got = {
        .fin = data[0] >> 7,
        .rsv = data[0] >> 4 & 7,
        .opcode = data[0] & 15,
        .masked = data[1] >> 7,
        .length = data[1] & 127,
    };
    if (s_is_control(got.opcode) && (!got.fin || got.length > WS_CONTROL_MAX))
        return -EPROTO;

    size_t extra = s_extra_length_size((uint8_t)got.length);
    size_t header = 2 + extra + (got.masked ? 4 : 0);
    if (size < header)
        return 0;

    if (extra > 0)
        got.length = s_big_endian(data + 2, extra);
    if (!s_length_is_minimal(got.length, extra))
        return -EPROTO;
    if (got.masked)
        memcpy(got.mask, data + 2 + extra, 4);

    *frame = got;
    return (int)header;
}

int ws_frame_write(uint8_t opcode, uint64_t length, uint8_t *out)
{
    size_t extra = length > UINT16_MAX ? 8 : length >= 126 ? 2 : 0;
    out[0] = (uint8_t)(0x80 | opcode);
    out[1] = (uint8_t)(extra == 8 ? 127 : extra == 2 ? 126 : length);
    for (size_t at = 0; at < extra; at++)
        out[2 + at] = (uint8_t)(length >> 8 * (extra - 1 - at));
    return (int)(2 + extra);
}
