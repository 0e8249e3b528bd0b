/* blob: immutable bytes with a reference count, shared by queues.  The count is atomic: a
 * blob may be held by several threads. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    atomic_uint refs;
    uint32_t size;
    uint8_t data[];
};

/* A new blob with one reference; data is copied, or left for the caller to fill when
 * NULL. NULL when the machine has no memory for it. */
struct blob *blob_new(const void *data, size_t size);
struct blob *blob_ref(struct blob *self);
/* Gives up a reference and nulls the pointer; NULL is allowed. */
void blob_unref(struct blob **self_p);
