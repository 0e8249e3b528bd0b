/* topic: which edges want which topic or pattern, the position of its newest publication,
 * and what is held of it.  Pure.
 * A topic that was forgotten answers with the newest position of all forgotten ones, so
 * that no gap goes unseen. */
#pragma once

#include "broker/branch.h"
#include "broker/edge.h"
#include "broker/history.h"
#include "broker/list.h"
#include "common/table.h"
#include "common/topic_pattern.h"

#include <stdbool.h>

enum { TOPIC_MATCHES_MAX = TOPIC_MAX + 3 }; // topic and patterns of one publication

struct topic {
    struct table_entry by_name;
    uint64_t position;     // of the newest publication, or what is known of it
    struct link interests; // edges that want it
    struct link idle;      // among those that no edge wants, oldest first
    struct branch *branch;
    struct link of_branch;               // not of a pattern
    struct shelf shelf;                  // a pattern has only its mark
    const struct history_limits *limits; // NULL: of a pattern
    uint64_t replay;                     // the newest replay that it takes part in
    uint32_t source;                     // its place there
    bool stored;                         // the store knows of it
    uint8_t size;
    char name[];
};

/* An edge wants a topic or a pattern. */
struct interest {
    struct topic *topic;
    struct edge *edge;
    struct link of_topic;
    struct link of_edge;
    struct link lost;            // among the edge's, while publications are lost
    uint64_t since_c;            // of the newest SUB or TOP
    uint64_t lost_from, lost_to; // positions
    bool top_due;                // the edge is owed a TOP, which says all that LOST would
};

struct topics {
    struct table by_name;
    struct branches branches;
    struct history *history;
    struct link idle;
    size_t count, limit;
    size_t patterns;    // among them
    uint64_t forgotten; // newest position of the topics that were forgotten
    uint64_t top;       // newest position that was delivered
    /* One is forgotten: called before it is freed.  NULL: nobody wants to know. */
    void (*on_forget)(void *context, const struct topic *topic);
    void *context;
};

/* Limits of topics come from the history. */
void topics_init(struct topics *self, size_t limit, struct history *history);
/* No edge may want anything any more. */
void topics_clear(struct topics *self);
/* Of topics and patterns. */
bool topic_name_is_valid(struct wire_text name);

/* A topic or a pattern. */
struct topic *topic_find(const struct topics *self, struct wire_text name);
/* Finds or makes it; makes room by forgetting the oldest that nobody wants.  NULL when
 * all are wanted and `limit` is reached. */
struct topic *topic_get(struct topics *self, struct wire_text name);
static inline bool topic_is_pattern(const struct topic *self)
{
    return !self->limits;
}
/* The topic has a publication with this position. */
void topic_publish(struct topics *self, struct topic *topic, uint64_t g);
/* All under which a topic is known: itself, if it is, and the patterns that match.
 *   topic  what topic_get gave for the name; may be NULL
 * Returns how many. */
size_t topics_match(const struct topics *self, struct topic *topic, struct wire_text name,
                    struct topic *out[TOPIC_MATCHES_MAX]);

/* NULL when the edge does not want it. */
struct interest *interest_find(const struct topic *topic, const struct edge *edge);
/* Finds or makes it. */
struct interest *interest_get(struct topic *topic, struct edge *edge);
void interest_destroy(struct topics *self, struct interest **self_p);
/* A publication did not fit into the edge's ring. */
void interest_lose(struct interest *self, uint64_t position);
