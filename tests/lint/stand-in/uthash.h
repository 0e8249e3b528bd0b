/* Stands in for uthash.h when clang-tidy reads our files (tests/lint/tidy.sh): the same
 * names and types without what the macros contain, so that limits of size and complexity,
 * and the search for bugs, judge our code.  Declares the macros in use; add one when it
 * is used. */
#pragma once

#include <stddef.h>

typedef struct UT_hash_handle {
    void *prev, *next, *key;
} UT_hash_handle;

void *stand_in_find(const void *head, const void *key, size_t size);
void *stand_in_add(const void *head, const void *key, size_t size, void *item);
void *stand_in_delete(const void *head, const void *item);
unsigned stand_in_count(const void *head);

#define HASH_FIND(hh, head, key, size, out) ((out) = stand_in_find(head, key, size))
#define HASH_FIND_STR(head, key, out)       HASH_FIND(hh, head, key, 0, out)
#define HASH_ADD_KEYPTR(hh, head, key, size, item)                                       \
    ((head) = stand_in_add(head, key, size, item))
#define HASH_ADD(hh, head, field, size, item)                                            \
    HASH_ADD_KEYPTR(hh, head, &(item)->field, size, item)
#define HASH_ADD_STR(head, field, item) HASH_ADD_KEYPTR(hh, head, (item)->field, 0, item)
#define HASH_CLEAR(hh, head)            ((head) = stand_in_delete(head, head))
#define HASH_DELETE(hh, head, item)     ((head) = stand_in_delete(head, item))
#define HASH_DEL(head, item)            HASH_DELETE(hh, head, item)
#define HASH_CNT(hh, head)              stand_in_count(head)
#define HASH_COUNT(head)                HASH_CNT(hh, head)
#define HASH_ITER(hh, head, item, after)                                                 \
    for ((item) = (head), (after) = (item) ? (item)->hh.next : NULL; (item);             \
         (item) = (after), (after) = (item) ? (item)->hh.next : NULL)
