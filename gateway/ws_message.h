/* ws_message: frames to messages, and the closing state machine.  Pure: bytes in, events
 * out. RFC 6455 sections 5 to 7.
 *
 *   OPEN --we send Close--> CLOSING --Close arrives--> CLOSED
 *     `----Close arrives (answer it)----------------------^
 *     `----the client breaks a rule: FAILED (send Close with the code, then end) */
#pragma once

#include "common/bytes.h"
#include "gateway/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_event_kind {
    WS_EVENT_NONE,   // more bytes please
    WS_EVENT_TEXT,   // a whole text message, valid UTF-8
    WS_EVENT_BINARY, // a whole binary message
    WS_EVENT_PING,   // answer with a pong of the same payload
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,  // the client's Close; code 1005 when it has none
    WS_EVENT_FAILED, // the client broke a rule: code is what to close with, reason says
                     // which
};

struct ws_event {
    enum ws_event_kind kind;
    const uint8_t
        *data; // payload, or the reason of a Close; borrowed until the next call
    size_t size;
    uint16_t code;      // CLOSE, FAILED
    const char *reason; // FAILED: a fixed English text
};

struct ws_message; // state of one connection; small while no message is under way

/* message_limit: bytes of one message; over it, even only announced, the connection fails
 * with 1009. */
struct ws_message *ws_message_new(size_t message_limit);
void ws_message_destroy(struct ws_message **self_p);

/* Take bytes from the front of the input, at most until the next event.
 *
 *   data, size   input; unmasked in place
 *   event        always written
 *
 * Returns the number of bytes used, at most size.  Call again with the rest until it
 * returns a WS_EVENT_NONE with everything used; an unfinished header (at most 13 bytes)
 * is kept inside.  After CLOSE or FAILED all input is swallowed.  A message that lies
 * whole in the input is not copied; another is freed by the next call, which may have
 * size 0.  Memory follows the bytes that came, not the length that a header declares. */
size_t ws_message_read(struct ws_message *self, uint8_t *data, size_t size,
                       struct ws_event *event);
/* True when a close code may be sent by an endpoint: 1000-1003, 1007-1014, 3000-4999. */
bool ws_close_code_is_valid(int code);
