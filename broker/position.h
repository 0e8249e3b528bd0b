/* position: `epoch:g`, the number of a publication or of a SEND to a session, as text.
 * Pure.  docs/protocol/1-bus.md section 5.2, rule 14. */
#pragma once

#include "common/wire.h"

#include <stdint.h>

enum { POSITION_MAX = 16 + 1 + 20 }; // bytes of one

/* Writes it, NUL-terminated; epoch has at most 16 bytes. */
void position_write(const char *epoch, uint64_t number, char out[POSITION_MAX + 1]);
/* 0; -ESTALE when it is of another epoch (number_out is set then too); -EPROTO when it is
 * no position. */
int position_read(struct wire_text text, const char *epoch, uint64_t *number_out)
    __attribute__((warn_unused_result));
