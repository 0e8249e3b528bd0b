#include "gateway/backlog.h"

#include "common/mem.h"
#include "common/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct s_entry {
    struct table_entry by_key; // in the table when it has a key
    struct s_entry *prev, *next;
    struct blob *blob;
    uint64_t number; // in the order of arrival
    char cursor[BACKLOG_CURSOR_ROOM];
    size_t key_size;
    bool has_key;
    char key[];
};

struct backlog {
    struct s_entry *first, *last;
    struct table keys;
    struct backlog_gap gap; // of what was dropped since the last pop
    uint64_t gap_number;    // of its newest one
    uint64_t next_number;
    size_t bytes;
};

static void s_copy(char out[BACKLOG_CURSOR_ROOM], const char *cursor)
{
    snprintf(out, BACKLOG_CURSOR_ROOM, "%s", cursor ? cursor : "");
}

static size_t s_size(const struct s_entry *entry)
{
    return sizeof *entry + entry->key_size + entry->blob->size;
}

/* Out of the list and the table. */
static void s_take(struct backlog *self, struct s_entry *entry)
{
    if (entry->has_key)
        table_remove(&self->keys, &entry->by_key);
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        self->first = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    else
        self->last = entry->prev;
    self->bytes -= s_size(entry);
}

/* Keys are replaced in any order: the gap ends at the newest that went. */
static void s_drop(struct backlog *self, struct s_entry *entry)
{
    if (self->gap.count++ == 0 || entry->number > self->gap_number) {
        self->gap_number = entry->number;
        s_copy(self->gap.to, entry->cursor);
    }
    s_take(self, entry);
    blob_unref(&entry->blob);
    free(entry);
}

/* The oldest one, out of the list. */
static struct s_entry *s_shift(struct backlog *self)
{
    struct s_entry *entry = self->first;
    assert(!entry->prev);
    s_take(self, entry);
    return entry;
}

static size_t s_replace(struct backlog *self, const struct backlog_item *item)
{
    struct table_entry *found =
        item->key ? table_find(&self->keys, item->key, item->key_size) : NULL;
    if (!found)
        return 0;
    s_drop(self, table_item(found, struct s_entry, by_key));
    return 1;
}

static void s_append(struct backlog *self, struct s_entry *entry)
{
    entry->number = self->next_number++;
    entry->prev = self->last;
    if (self->last)
        self->last->next = entry;
    else
        self->first = entry;
    self->last = entry;
    self->bytes += s_size(entry);
    if (entry->has_key)
        table_add(&self->keys, &entry->by_key, entry->key, entry->key_size);
}

size_t backlog_push(struct backlog **self_p, struct blob *blob,
                    const struct backlog_item *item)
{
    if (!*self_p) {
        *self_p = mem_new(struct backlog);
        s_copy((*self_p)->gap.from, item->before);
    }
    size_t replaced = s_replace(*self_p, item);
    struct s_entry *entry = mem_alloc(sizeof *entry + item->key_size);
    entry->blob = blob;
    s_copy(entry->cursor, item->cursor);
    entry->has_key = item->key != NULL;
    entry->key_size = item->key ? item->key_size : 0;
    if (item->key)
        memcpy(entry->key, item->key, item->key_size);
    s_append(*self_p, entry);
    return replaced;
}

bool backlog_drop(struct backlog *self)
{
    if (!self || self->first == self->last)
        return false;
    s_drop(self, self->first);
    return true;
}

/* A client that comes back with the cursor of a gap must get all that was still to come
 * after it: the end of the gap will do only where nothing older is left. */
static void s_take_gap(struct backlog *self, struct backlog_gap *gap)
{
    *gap = self->gap;
    s_copy(gap->cursor, self->first->number > self->gap_number ? gap->to : gap->from);
    self->gap = (struct backlog_gap){.count = 0};
    s_copy(self->gap.from, self->first->cursor);
}

struct blob *backlog_pop(struct backlog **self_p, struct backlog_gap *gap)
{
    struct backlog *self = *self_p;
    gap->count = 0;
    if (!self)
        return NULL;
    s_take_gap(self, gap);
    struct s_entry *entry = s_shift(self);
    struct blob *blob = entry->blob;
    free(entry);
    if (!self->first) {
        free(self);
        *self_p = NULL;
    }
    return blob;
}

size_t backlog_bytes(const struct backlog *self)
{
    return self ? self->bytes : 0;
}

void backlog_destroy(struct backlog **self_p)
{
    struct backlog *self = *self_p;
    *self_p = NULL;
    while (self && self->first) {
        struct s_entry *entry = s_shift(self);
        blob_unref(&entry->blob);
        free(entry);
    }
    free(self);
}
