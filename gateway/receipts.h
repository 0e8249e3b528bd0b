/* receipts: commands of one channel that are answered when what was queued before them
 * has come further: written, or known to be with the client.  Pure.
 *
 * A mark is the number of bytes that the channel had queued.  A channel that owes nothing
 * costs a NULL pointer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct receipts;

enum receipt_kind {
    RECEIPT_WRITTEN,  // the kernel has it
    RECEIPT_RECEIVED, // the client's stack has it
    RECEIPT_KINDS,
};

/* Command c is owed an answer when `kind` has come up to mark; marks never fall. */
void receipts_add(struct receipts **self_p, enum receipt_kind kind, uint64_t mark,
                  uint64_t c);
/* The next command that is owed an answer of this kind up to mark, and forgets it;
 * 0: none. */
uint64_t receipts_take(struct receipts **self_p, enum receipt_kind kind, uint64_t mark);
bool receipts_are_owed(const struct receipts *self, enum receipt_kind kind);
