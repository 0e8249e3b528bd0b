/* json_text: a text as a JSON string, quotes included.  Pure.  RFC 8259 section 7:
 * escaped are the quote, the backslash, control characters, and 0x7F. */
#pragma once

#include "common/bytes.h"

/* The text must be UTF-8; it is copied as it is. */
int json_text_write(struct bytes *out, const void *text, size_t size);
/* Bytes 0x80 to 0xFF become U+0080 to U+00FF. */
int json_text_write_latin1(struct bytes *out, const void *text, size_t size);
/* The bytes in base64 with padding; RFC 4648 section 4. */
int json_text_write_base64(struct bytes *out, const void *data, size_t size);
