/* cursor: a position as clients and the gateway have it: where something stands in all
 * that the broker has numbered, "epoch:number".  Pure.  docs/protocol/1-bus.md section 3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CURSOR_ROOM = 40 }; // bytes of one as text, NUL included

struct cursor {
    uint64_t epoch, number;
    uint8_t digits; // of the epoch as text, 8 to 16; 0: no position at all
};

/* The position of an epoch that no broker has: everything that is held comes after it. */
extern const struct cursor cursor_unknown;

/* 0, or -EINVAL: 8 to 16 small hexadecimal digits, a colon and 1 to 20 decimal digits
 * are a position; the broker writes no other. */
int cursor_read(const char *text, size_t size, struct cursor *out);
/* As text, with a NUL; "" for no position. */
void cursor_write(const struct cursor *self, char out[CURSOR_ROOM]);
bool cursor_is_of_epoch(const struct cursor *self, const struct cursor *other);
/* Is it of another epoch than `other`, or does it stand behind it? */
bool cursor_is_after(const struct cursor *self, const struct cursor *other);
