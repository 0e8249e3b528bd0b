#include "broker/branch.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct branch *s_new(const char *name, size_t size)
{
    struct branch *self = mem_alloc(sizeof *self + size);
    self->size = (uint8_t)size;
    if (size)
        memcpy(self->name, name, size);
    list_init(&self->of_parent);
    list_init(&self->branches);
    list_init(&self->topics);
    return self;
}

void branches_init(struct branches *self)
{
    *self = (struct branches){.root = s_new(NULL, 0)};
}

void branches_clear(struct branches *self)
{
    assert(self->count == 0);
    free(self->root);
    self->root = NULL;
}

/* The name without its last level; .data NULL when it has only one. */
static struct wire_text s_above(struct wire_text name)
{
    const char *slash = memrchr(name.data, '/', name.size);
    return slash ? (struct wire_text){name.data, (size_t)(slash - name.data)}
                 : (struct wire_text){NULL, 0};
}

static struct branch *s_find(const struct branches *self, struct wire_text name)
{
    struct table_entry *found = table_find(&self->by_name, name.data, name.size);
    return found ? table_item(found, struct branch, by_name) : NULL;
}

struct branch *branch_get(struct branches *self, struct wire_text topic)
{
    struct branch *first = NULL, *below = NULL, *branch;
    for (struct wire_text name = s_above(topic); name.data; name = s_above(name)) {
        branch = s_find(self, name);
        bool known = branch != NULL;
        if (!known) {
            branch = s_new(name.data, name.size);
            table_add(&self->by_name, &branch->by_name, branch->name, name.size);
            self->count++;
        }
        if (below) {
            below->parent = branch;
            list_append(&branch->branches, &below->of_parent);
        }
        first = first ? first : branch;
        below = known ? NULL : branch;
        if (known)
            return first;
    }
    if (below) {
        below->parent = self->root;
        list_append(&self->root->branches, &below->of_parent);
    }
    return first ? first : self->root;
}

struct branch *branch_nearest(const struct branches *self, struct wire_text topic)
{
    for (struct wire_text name = s_above(topic); name.data; name = s_above(name)) {
        struct branch *branch = s_find(self, name);
        if (branch)
            return branch;
    }
    return self->root;
}

bool branch_is_of(const struct branch *self, struct wire_text topic)
{
    struct wire_text above = s_above(topic);
    return self->parent ? above.data && above.size == self->size : !above.data;
}

void branch_release(struct branches *self, struct branch *branch)
{
    while (branch->parent && list_is_empty(&branch->topics) &&
           list_is_empty(&branch->branches) && !branch->one && !branch->all) {
        struct branch *parent = branch->parent;
        list_remove(&branch->of_parent);
        table_remove(&self->by_name, &branch->by_name);
        self->count--;
        free(branch);
        branch = parent;
    }
}

void branch_walk_begin(struct branch_walk *self, const struct branch *branch, bool below)
{
    *self = (struct branch_walk){branch, branch, NULL, below};
}

/* The next branch: the first below, else the next one beside it or beside one above. */
static const struct branch *s_next(const struct branch_walk *self)
{
    const struct branch *branch = self->branch;
    struct link *at = list_first(&branch->branches);
    while (!at && branch != self->top) {
        at = list_after(&branch->parent->branches, &branch->of_parent);
        branch = branch->parent;
    }
    return at ? list_item(at, struct branch, of_parent) : NULL;
}

struct link *branch_walk_next(struct branch_walk *self)
{
    if (!self->branch)
        return NULL;
    self->at = self->at ? list_after(&self->branch->topics, self->at)
                        : list_first(&self->branch->topics);
    while (!self->at) {
        self->branch = self->below ? s_next(self) : NULL;
        if (!self->branch)
            return NULL;
        self->at = list_first(&self->branch->topics);
    }
    return self->at;
}
