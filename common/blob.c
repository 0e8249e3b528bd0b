#include "common/blob.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct blob *blob_new(const void *data, size_t size)
{
    if (size > UINT32_MAX)
        return NULL;
    struct blob *self = malloc(sizeof *self + size);
    if (!self)
        return NULL;
    atomic_init(&self->refs, 1);
    self->size = (uint32_t)size;
    if (data && size)
        memcpy(self->data, data, size);
    return self;
}

struct blob *blob_ref(struct blob *self)
{
    unsigned before = atomic_fetch_add_explicit(&self->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return self;
}

void blob_unref(struct blob **self_p)
{
    struct blob *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    /* Release: what this thread did with the bytes is over; acquire: the last one sees
     * that. */
    unsigned before = atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(self);
}
