/* pull: the HGETs of one edge: what channels still lack.  Pure.  docs/protocol/1-bus.md
 * section 5.2, rules 15 to 17. */
#pragma once

#include "broker/list.h"
#include "broker/sequence.h"
#include "common/table.h"
#include "common/wire.h"

#include <stdbool.h>

enum {
    PULLS_MAX = 100000,    // of one edge
    PULL_LINES_MAX = 1024, // subscriptions of one channel
};

enum pull_from {
    PULL_FROM_TOP,    // the cursor is "-"
    PULL_FROM_BEFORE, // it is of another epoch, which has not been said yet
    PULL_FROM_CURSOR,
};

/* A subscription of the channel. */
struct pull_line {
    struct wire_text name; // of a topic or pattern
    uint64_t start;        // position at which it began
    uint64_t told;         // gaps up to here were told
};

struct pull {
    struct table_entry by_channel;
    struct link order;
    enum pull_from from;
    uint64_t at;        // the channel has all up to here
    uint64_t told_hole; // holes up to here were told
    uint64_t told_ring; // lost SENDs to the session up to here were told
    uint64_t limit;     // records that it takes still
    uint64_t bytes;     // bytes of payload that it takes still
    uint64_t number;    // n= of HGET; 0: none
    bool begun;         // it got a record: bytes counts then
    struct wire_text channel, cursor;
    size_t line_count;
    struct pull_line *line;
    char text[]; // of all the texts
};

struct pulls {
    struct table by_channel;
    struct link order; // the oldest first
    size_t count;
};

void pulls_init(struct pulls *self);
void pulls_clear(struct pulls *self);
/* Takes a record HGET, whose channel is valid; it replaces another one of that channel.
 * -EPROTO: a value is not allowed; -ENOBUFS: too many are under way. */
int pulls_add(struct pulls *self, const struct sequence *sequence,
              const struct wire_record *record) __attribute__((warn_unused_result));
/* The one whose turn it is; NULL when there is none. */
struct pull *pulls_first(const struct pulls *self);
void pull_destroy(struct pulls *self, struct pull **self_p);
