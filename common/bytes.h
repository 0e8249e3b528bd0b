/* bytes: a growing buffer with a limit: what is appended stays until all is given away.
 * Memory follows the bytes that are held, never a length that a peer declared. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data; // NULL when empty
    size_t size;   // bytes held
    size_t limit;  // most bytes that may be held
    size_t room;   // size of the allocation; private
};

void bytes_init(struct bytes *self, size_t limit);
/* Frees what is held; the object can be used again. */
void bytes_clear(struct bytes *self);
/* 0, or -EMSGSIZE when size + held would pass the limit (nothing is appended then),
 * -ENOMEM. */
int bytes_append(struct bytes *self, const void *data, size_t size)
    __attribute__((warn_unused_result));
int bytes_printf(struct bytes *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives the content away: malloc()ed, NULL when empty; *size_out gets the size. */
uint8_t *bytes_take(struct bytes *self, size_t *size_out);
