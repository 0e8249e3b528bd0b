/* wire: records of RW/1 to bytes and back.  Pure.  docs/protocol/1-bus.md section 3 is
 * the specification, tests/vectors/wire.tsv the examples. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_HEADER_MAX = 8192,             // bytes
    WIRE_PAYLOAD_MAX = 4 * 1024 * 1024, // bytes
    WIRE_TOKENS_MAX = 160,   // verb, positional tokens and options of one record
    WIRE_CHANNELS_MAX = 128, // channels in one SEND
    WIRE_LINE_MORE = 22,     // bytes of a line that are not its token
};

/* A piece of the input; not NUL-terminated. */
struct wire_text {
    const char *data;
    size_t size;
};

struct wire_record {
    struct wire_text token[WIRE_TOKENS_MAX]; // token[0] is the verb
    size_t count;                            // tokens, the verb included
    const uint8_t *payload;                  // NULL if there is no LF
    size_t payload_size;
    bool has_payload;
};

/* Read one record.  Borrows the input: tokens point into it.
 * Returns 0; -EPROTO for bytes that break the grammar; -EMSGSIZE for a header over
 * WIRE_HEADER_MAX or more tokens than WIRE_TOKENS_MAX; -EFBIG for a payload over
 * WIRE_PAYLOAD_MAX (tokens are set then, so that it can be answered).  After -EPROTO and
 * -EMSGSIZE the record holds the tokens before the fault, perhaps none, so that an `id=`
 * among them can be answered.  An escape is checked by wire_unescape only. */
int wire_read(const void *data, size_t size, struct wire_record *record);

/* Inline: with a literal it is one comparison. */
static inline bool wire_is(struct wire_text text, const char *word)
{
    size_t size = __builtin_strlen(word);
    return text.size == size && __builtin_memcmp(text.data, word, size) == 0;
}
/* Value of option `key=` (key without "="), the first among tokens from index `first` on;
 * .data NULL if absent. */
struct wire_text wire_option(const struct wire_record *record, size_t first,
                             const char *key);
/* Undo %XX.  Writes a NUL-terminated text of at most room-1 bytes; returns its size,
 * -EPROTO for a bad escape or %00, -EMSGSIZE when room is too small. */
int wire_unescape(struct wire_text text, char *out, size_t room);
/* Unsigned decimal; 0 or -EPROTO (empty, a sign, another character, over 20 digits,
 * overflow). */
int wire_u64(struct wire_text text, uint64_t *out);
/* Decimal with optional '-', within int. */
int wire_int(struct wire_text text, int *out);

/* Build a record.  The header has a fixed buffer, the payload stays outside. */
struct wire_header {
    char text[WIRE_HEADER_MAX + 1]; // NUL-terminated
    size_t size;
    bool overflow; // did not fit, or was not a token: the record must not be sent
};
void wire_begin(struct wire_header *self, const char *verb);
void wire_begin_text(struct wire_header *self, struct wire_text verb);
void wire_add(struct wire_header *self, const char *token); // as it is; "" becomes "-"
void wire_add_text(struct wire_header *self, struct wire_text token); // as it is
void wire_add_escaped(struct wire_header *self, const char *token);   // %XX where needed
void wire_add_u64(struct wire_header *self, uint64_t value);
void wire_add_int(struct wire_header *self, int value);
void wire_add_option(struct wire_header *self, const char *key,
                     const char *value); // escaped
void wire_add_option_u64(struct wire_header *self, const char *key, uint64_t value);
/* Takes the first line off the front of a text, without its LF; false when it has none.
 */
bool wire_next_line(struct wire_text *text, struct wire_text *line);
/* A line "token number" of a payload, LF included: writes and returns at most token.size
 * + WIRE_LINE_MORE bytes. */
size_t wire_line(char *out, struct wire_text token, uint64_t number);
