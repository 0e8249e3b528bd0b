/* message: what an application sent or published, and its encodings.  Pure.
 * However many channels get it, each wire form is made once for a worker. */
#pragma once

#include "common/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_form {
    MESSAGE_RAW,        // the bytes: a stream of HTTP/1.0
    MESSAGE_CHUNK,      // one chunk of a chunked stream
    MESSAGE_WS,         // a WebSocket frame, text or binary
    MESSAGE_SSE,        // an event without id, HTTP/1.0
    MESSAGE_SSE_CHUNK,  // the same as a chunk
    MESSAGE_LINE,       // bytes and a newline, HTTP/1.0
    MESSAGE_LINE_CHUNK, // the same as a chunk
    MESSAGE_TOPIC_JSON, // {"cursor":...,"topic":...,"data":...}
    MESSAGE_TOPIC_WS,   // the same in a text frame
    MESSAGE_TOPIC_LINE, // the same and a newline, HTTP/1.0
    MESSAGE_TOPIC_LINE_CHUNK,
    MESSAGE_TOPIC_SSE, // an event with the cursor as id
    MESSAGE_TOPIC_SSE_CHUNK,
    MESSAGE_TOPIC_SSE_JSON, // an event with the cursor as id, and the JSON as data
    MESSAGE_TOPIC_SSE_JSON_CHUNK,
    MESSAGE_FORMS,
};

struct message {
    const uint8_t *data; // borrowed, within source
    struct blob *source; // borrowed
    size_t size;
    bool is_binary;
    const char *topic, *cursor; // of a publication; borrowed
    const char *collapse;       // ... its key, as on the wire; NULL: its topic is the key
    size_t collapse_size;
    int8_t text_state; // private: 0 unknown, 1 UTF-8, -1 not
    struct blob *form[MESSAGE_FORMS];
};

/* Publications that a client did not get.  Texts are borrowed. */
struct gap {
    const char *topic;     // NULL: any of the client's
    const char *from, *to; // positions: the last that is not lost, the last that may be
    const char *cursor;    // what the client shows from here on; NULL: what it did before
    const char *reason;    // docs/protocol/2-client.md section 3
    uint64_t count;        // messages, where it is known, else 0
};

/* What follows the first `offset` bytes, as a message of its own. */
struct message message_part(const struct message *self, size_t offset);
/* Drops the encodings. */
void message_clear(struct message *self);
/* Is the payload UTF-8?  Looked at once. */
bool message_is_text(struct message *self);
/* The message in a form, with a reference for the caller; NULL when the machine has no
 * memory. */
struct blob *message_form(struct message *self, enum message_form form);

/* Single pieces in the same encodings. */
struct blob *message_chunk(const void *data, size_t size);
struct blob *message_ws_frame(uint8_t opcode, const void *data, size_t size);
