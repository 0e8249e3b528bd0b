#include "broker/fence.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

struct fenced {
    struct table_entry by_name;
    struct link order;
    int64_t until_ms;
    char name[];
};

void fence_init(struct fence *self)
{
    *self = (struct fence){.names = {NULL}};
    list_init(&self->order);
}

static void s_forget_first(struct fence *self)
{
    struct fenced *first = list_item(list_first(&self->order), struct fenced, order);
    table_remove(&self->names, &first->by_name);
    list_remove(&first->order);
    self->count--;
    free(first);
}

void fence_clear(struct fence *self)
{
    while (!list_is_empty(&self->order))
        s_forget_first(self);
}

void fence_add(struct fence *self, const char *name, size_t size, int64_t until_ms)
{
    if (fence_has(self, name, size))
        return;
    if (self->count == FENCE_MAX)
        s_forget_first(self);
    struct fenced *added = mem_alloc(sizeof *added + size);
    memcpy(added->name, name, size);
    added->until_ms = until_ms;
    table_add(&self->names, &added->by_name, added->name, size);
    list_append(&self->order, &added->order);
    self->count++;
}

bool fence_has(const struct fence *self, const char *name, size_t size)
{
    return table_find(&self->names, name, size) != NULL;
}

void fence_expire(struct fence *self, int64_t now_ms)
{
    while (!list_is_empty(&self->order)) {
        struct link *first = list_first(&self->order);
        if (list_item(first, struct fenced, order)->until_ms > now_ms)
            return;
        s_forget_first(self);
    }
}
