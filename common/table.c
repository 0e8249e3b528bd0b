#include "common/table.h"

/* NOLINTBEGIN(readability-function-cognitive-complexity,readability-function-size,bugprone-*)
 * What is measured here is the inside of uthash's macros. */
struct table_entry *table_find(const struct table *self, const void *key, size_t size)
{
    struct table_entry *found = NULL;
    HASH_FIND(hh, self->first, key, size, found);
    return found;
}

void table_add(struct table *self, struct table_entry *entry, const void *key,
               size_t size)
{
    HASH_ADD_KEYPTR(hh, self->first, key, size, entry);
}

void table_remove(struct table *self, struct table_entry *entry)
{
    HASH_DELETE(hh, self->first, entry);
}
/* NOLINTEND(readability-function-cognitive-complexity,readability-function-size,bugprone-*)
 */

size_t table_count(const struct table *self)
{
    return HASH_COUNT(self->first);
}

struct table_entry *table_after(const struct table_entry *entry)
{
    return entry->hh.next;
}
