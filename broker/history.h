/* history: publications that are held, so that who missed them can get them.  Pure.
 *
 * Each topic has a shelf, on which its publications stand by position; all of them are
 * also in one order, so that the oldest of all goes when there are too many.  What goes
 * raises the mark `lost` of its shelf: a subscriber that is not beyond it has a gap. */
#pragma once

#include "broker/list.h"
#include "common/blob.h"
#include "common/wire.h"

#include <stdbool.h>

enum {
    HISTORY_COST = 128,     // bytes that a publication counts with beside its payload
    HISTORY_WHEEL = 256,    // seconds; what lives longer is looked at once in this time
    HISTORY_TEXT_MAX = 512, // bytes of collapse and except together
};

struct history_limits {
    size_t count; // 0: nothing is held
    int64_t age_ms;
    size_t bytes; // HISTORY_COST included
};

/* Topics of a name or pattern have limits of their own. */
struct history_rule {
    const char *pattern;
    struct history_limits limits;
};

struct history_settings {
    struct history_limits limits;
    size_t total_bytes;               // of all topics
    const struct history_rule *rules; // the first that matches counts
    size_t rule_count;
};

struct publication {
    struct link order; // among all, by g
    struct link due;   // among those that end in the same second
    struct shelf *shelf;
    struct blob *payload;
    uint64_t g;
    int64_t expires_ms;
    bool binary;
    uint16_t collapse_size;
    uint16_t except_size;
    char text[]; // collapse, except
};

/* Of one topic; all zero is an empty one. */
struct shelf {
    struct publication **slot; // from first on, by g
    uint32_t room, first, count;
    size_t bytes;
    uint64_t lost; // position of the newest publication that is not held
};

/* What is to be held. */
struct history_entry {
    const struct history_limits *limits; // of its topic
    struct blob *payload;
    uint64_t g;
    int64_t age_ms; // since it was published
    int64_t ttl_ms; // 0: none of its own
    bool binary;
    struct wire_text collapse, except; // .data NULL: none
};

struct history {
    struct history_settings settings; // with rules of our own
    struct history_rule *rules;
    size_t bytes, count;
    struct link order;
    struct link wheel[HISTORY_WHEEL];
    int64_t looked_s;   // second up to which the wheel was looked at
    uint64_t evictions; // publications that went before they were too old
    /* One goes: called before it is freed.  NULL: nobody wants to know. */
    void (*removed)(void *context, const struct publication *publication);
    void *context;
};

/* The settings are copied. */
void history_init(struct history *self, const struct history_settings *settings,
                  int64_t now_ms);
/* All shelves must be empty. */
void history_clear(struct history *self);
/* The limits of a topic; valid as long as the history. */
const struct history_limits *history_limits_of(const struct history *self,
                                               const char *topic, size_t size);

/* Is a new publication with so many bytes one that is held? */
bool history_takes(const struct history *self, const struct history_limits *limits,
                   size_t payload_size);
/* Puts a publication on the shelf, and takes away what is too much then.  g must be above
 * all on the shelf.  Takes a reference of the payload.  False when it is not held,
 * because of its size, its age or the limits; the mark is raised then. */
bool history_add(struct history *self, struct shelf *shelf,
                 const struct history_entry *entry, int64_t now_ms);
/* Once a second: takes away what is too old. */
void history_expire(struct history *self, int64_t now_ms);
/* Takes everything away. */
void history_empty(struct history *self, struct shelf *shelf);

/* Index of the first publication after g, count when there is none. */
uint32_t shelf_after(const struct shelf *self, uint64_t g);
/* index < count */
static inline const struct publication *shelf_at(const struct shelf *self, uint32_t index)
{
    return self->slot[self->first + index];
}
/* A publication was not held. */
static inline void shelf_lose(struct shelf *self, uint64_t g)
{
    if (g > self->lost)
        self->lost = g;
}

static inline struct wire_text publication_collapse(const struct publication *self)
{
    return (struct wire_text){self->collapse_size ? self->text : NULL,
                              self->collapse_size};
}

static inline struct wire_text publication_except(const struct publication *self)
{
    return (struct wire_text){self->except_size ? self->text + self->collapse_size : NULL,
                              self->except_size};
}
