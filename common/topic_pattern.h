/* topic_pattern: names of topics, and patterns of them.  Pure.
 * docs/protocol/1-bus.md section 3.
 *
 * "x/" and a star are the topics one level below x; with two stars all that are below,
 * however deep.  x itself is not below x. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { TOPIC_MAX = 255 }; // bytes of a topic or a pattern

enum topic_kind {
    TOPIC_INVALID, // empty, too long, a byte that is not visible ASCII, a star elsewhere
    TOPIC_NAME,
    TOPIC_PATTERN,
};

enum topic_kind topic_kind(const char *text, size_t size);
/* Does the topic match?  A pattern that is a name matches itself only. */
bool topic_pattern_matches(const char *pattern, size_t pattern_size, const char *topic,
                           size_t size);

/* All names under which a topic may be wanted: itself, then the patterns that match it.
 * A table by name needs no other index for patterns. */
struct topic_walk {
    const char *topic; // borrowed
    size_t size;
    size_t at;      // private: where the next "/" is looked for
    bool one_level; // private: x/ and a star was not given yet
    char name[TOPIC_MAX + 3];
    size_t name_size;
};

/* topic: TOPIC_NAME, borrowed as long as the walk goes on. */
void topic_walk_begin(struct topic_walk *self, const char *topic, size_t size);
/* The next one into name and name_size; false after the last. */
bool topic_walk_next(struct topic_walk *self);
