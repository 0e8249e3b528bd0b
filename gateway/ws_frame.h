/* ws_frame: one WebSocket frame header, read and written.  RFC 6455 section 5.2.
 *
 * Pure: no sockets, no heap, no state between calls.  A header is at most 14 bytes, so
 * the caller leaves an unfinished one in its input buffer and calls again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WS_HEADER_MAX = 14, WS_CONTROL_MAX = 125 }; // bytes

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xA,
};

struct ws_frame {
    bool fin;        // last frame of its message
    uint8_t rsv;     // three reserved bits, RSV1 is 4
    uint8_t opcode;  // enum ws_opcode, or an unknown value 0..15
    bool masked;     // a client's frames must be
    uint8_t mask[4]; // meaningful if masked
    uint64_t length; // payload bytes that follow, 0..2^63-1
};

/* Read a frame header from the front of the input.
 *
 *   data, size   what has arrived and is not yet used; size may be 0
 *   frame        written only when a header was read
 *
 * Returns the header's size, 2..14 bytes; 0 if it has not all arrived; -EPROTO if no
 * further bytes can make it valid (a length not in its shortest form, a long or
 * fragmented control frame).  Keeps no pointer.  RFC 6455 sections 5.2 and 5.5.
 */
int ws_frame_read(const uint8_t *data, size_t size, struct ws_frame *frame);

/* Write the header of an unmasked, final frame: 2 to WS_HEADER_MAX bytes.  Returns its
 * size. */
int ws_frame_write(uint8_t opcode, uint64_t length, uint8_t *out);
