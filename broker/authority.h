/* authority: what the holder of a key may do.  Pure.  docs/security.md has it in words.
 *
 * A list is words separated by blanks.  A word of names or services that ends in `*`
 * stands for all that begin so; a topic that ends in `/` and `*` for one level, in `/`
 * and `**` for all below, and `*` alone for every topic. */
#pragma once

#include "common/wire.h"

#include <stdbool.h>

enum authority_kind {
    AUTHORITY_NONE, // a key that was taken away
    AUTHORITY_EDGE, // a gateway
    AUTHORITY_APP,  // an application
};

enum { AUTHORITY_NAME_MAX = 64 };

struct authority {
    enum authority_kind kind;
    char name[AUTHORITY_NAME_MAX + 1]; // of the key's file, for the log
    char *edges;                       // an edge's: names that it may have
    char *services;                    // an application's
    char *topics;                      // that it may publish to
    bool every_service, every_topic;
};

/* Copies the lists.  NULL, or what is wrong with one of them, a static text; then nothing
 * was set.  `self` is all zero or was set before. */
const char *authority_set_edge(struct authority *self, const char *name,
                               const char *edges, const char *topics);
const char *authority_set_app(struct authority *self, const char *name,
                              const char *services, const char *topics);
/* It may do nothing any more. */
void authority_clear(struct authority *self);

/* self NULL: a port without keys, where everybody may do everything. */
bool authority_has_edge(const struct authority *self, struct wire_text name);
bool authority_has_service(const struct authority *self, struct wire_text service);
bool authority_has_topic(const struct authority *self, struct wire_text topic);
/* Every service there is and will be. */
bool authority_has_every_service(const struct authority *self);
/* And every topic: such a key may watch the tap. */
bool authority_has_everything(const struct authority *self);
