/* once: the keys of publications that were taken, so that the same one is not taken
 * twice.  Pure.  A key belongs to its topic. */
#pragma once

#include "broker/list.h"
#include "common/table.h"
#include "common/wire.h"

enum {
    ONCE_KEY_MAX = 128,        // bytes
    ONCE_REMEMBER_MS = 600000, // for how long
};

struct once {
    struct table by_key;
    struct link order; // the oldest first
    size_t count, limit;
};

void once_init(struct once *self, size_t limit);
void once_clear(struct once *self);
/* The position of the publication with this key; 0: there was none. */
uint64_t once_find(const struct once *self, struct wire_text topic, struct wire_text key);
/* There must be none.  The oldest goes when there are too many. */
void once_add(struct once *self, struct wire_text topic, struct wire_text key, uint64_t g,
              int64_t now_ms);
/* It was not taken after all. */
void once_remove(struct once *self, struct wire_text topic, struct wire_text key);
void once_expire(struct once *self, int64_t now_ms);
