/* fence: names that are over, for a while: lives of edges, so that nobody comes back with
 * one; channels, so that nobody is told a second end.  Pure. */
#pragma once

#include "broker/list.h"
#include "common/table.h"

#include <stdbool.h>
#include <stdint.h>

enum { FENCE_MAX = 100000 }; // names; the oldest is forgotten beyond

struct fence {
    struct table names;
    struct link order; // oldest first
    size_t count;
};

void fence_init(struct fence *self);
void fence_clear(struct fence *self);
/* From now on name is dead, until until_ms. */
void fence_add(struct fence *self, const char *name, size_t size, int64_t until_ms);
bool fence_has(const struct fence *self, const char *name, size_t size);
void fence_expire(struct fence *self, int64_t now_ms);
