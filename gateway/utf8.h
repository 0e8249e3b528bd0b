/* utf8: incremental check of UTF-8.  Pure.  RFC 3629: no overlong forms, surrogates, or
 * values over U+10FFFF; wrong bytes are found at the first byte that cannot be right. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct utf8 {
    uint8_t need; // continuation bytes still to come, 0..3
    uint8_t low;  // least value of the next one
    uint8_t high; // greatest value of the next one
};

void utf8_init(struct utf8 *self);
/* True while everything so far can be the start of valid text. */
bool utf8_feed(struct utf8 *self, const void *data, size_t size);
/* True if the text may end here. */
bool utf8_is_complete(const struct utf8 *self);
/* The whole text at once. */
bool utf8_is_valid(const void *data, size_t size);
