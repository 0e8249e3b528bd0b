/* table: objects found by a key of bytes.  Pure.  The only file that knows uthash, whose
 * macros would otherwise be repeated in every noun. */
#pragma once

#include <stddef.h>
#include <uthash.h>

/* Inside the object; the key is inside the object too and does not change while it is
 * held. */
struct table_entry {
    UT_hash_handle hh;
};

/* All zero is an empty table; an empty table holds no memory. */
struct table {
    struct table_entry *first; // in the order of arrival
};

/* The object around an entry. */
#define table_item(entry, type, field)                                                   \
    ((type *)(void *)((char *)(entry)-offsetof(type, field)))

/* NULL when there is none. */
struct table_entry *table_find(const struct table *self, const void *key, size_t size);
/* The key must not be in the table yet. */
void table_add(struct table *self, struct table_entry *entry, const void *key,
               size_t size);
void table_remove(struct table *self, struct table_entry *entry);
size_t table_count(const struct table *self);
/* NULL after the last. */
struct table_entry *table_after(const struct table_entry *entry);
