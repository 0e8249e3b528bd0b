#include "gateway/receipts.h"

#include "common/mem.h"

#include <stdlib.h>

struct s_receipt {
    struct s_receipt *next;
    uint64_t mark, c;
};

struct receipts {
    struct {
        struct s_receipt *first, *last;
    } owed[RECEIPT_KINDS];
};

void receipts_add(struct receipts **self_p, enum receipt_kind kind, uint64_t mark,
                  uint64_t c)
{
    struct s_receipt *receipt = mem_new(struct s_receipt);
    receipt->mark = mark;
    receipt->c = c;
    if (!*self_p)
        *self_p = mem_new(struct receipts);
    struct receipts *self = *self_p;
    if (self->owed[kind].last)
        self->owed[kind].last->next = receipt;
    else
        self->owed[kind].first = receipt;
    self->owed[kind].last = receipt;
}

static void s_free_if_empty(struct receipts **self_p)
{
    for (int kind = 0; kind < RECEIPT_KINDS; kind++)
        if ((*self_p)->owed[kind].first)
            return;
    free(*self_p);
    *self_p = NULL;
}

uint64_t receipts_take(struct receipts **self_p, enum receipt_kind kind, uint64_t mark)
{
    struct receipts *self = *self_p;
    struct s_receipt *receipt = self ? self->owed[kind].first : NULL;
    if (!receipt || receipt->mark > mark)
        return 0;
    uint64_t c = receipt->c;
    self->owed[kind].first = receipt->next;
    if (!receipt->next)
        self->owed[kind].last = NULL;
    free(receipt);
    s_free_if_empty(self_p);
    return c;
}

bool receipts_are_owed(const struct receipts *self, enum receipt_kind kind)
{
    return self && self->owed[kind].first;
}
