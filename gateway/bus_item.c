#include "gateway/bus_item.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

struct bus_item *bus_item_new(enum bus_item_kind kind, const void *data, size_t size)
{
    struct bus_item *self = malloc(sizeof *self + size + 1);
    if (!self)
        abort(); // bounded by the windows: see common/mem.h
    *self = (struct bus_item){.kind = kind, .size = size};
    if (data)
        memcpy(self->data, data, size);
    self->data[size] = 0;
    return self;
}

void bus_item_destroy(struct bus_item **self_p)
{
    struct bus_item *self = *self_p;
    if (!self)
        return;
    blob_unref(&self->blob);
    free(self);
    *self_p = NULL;
}
