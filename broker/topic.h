/* topic: which edges want which topic, and the position of its newest publication.  Pure.
 * One counter numbers all publications of this life of the broker; a topic that was
 * forgotten answers with the newest position of all forgotten ones, so that no gap goes
 * unseen. */
#pragma once

#include "broker/edge.h"
#include "broker/list.h"
#include "common/table.h"

#include <stdbool.h>

enum { TOPIC_NAME_MAX = 255 };

struct topic {
    struct table_entry by_name;
    uint64_t position;     // of the newest publication, or what is known of it
    struct link interests; // edges that want it
    struct link idle;      // among those that no edge wants, oldest first
    uint8_t size;
    char name[];
};

/* An edge wants a topic. */
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
    struct link idle;
    size_t count, limit;
    uint64_t position;  // of the newest publication of all
    uint64_t forgotten; // newest position of the topics that were forgotten
};

void topics_init(struct topics *self, size_t limit);
/* No edge may want anything any more. */
void topics_clear(struct topics *self);
bool topic_name_is_valid(struct wire_text name);

struct topic *topic_find(const struct topics *self, struct wire_text name);
/* Finds or makes it; makes room by forgetting the oldest that nobody wants.  NULL when
 * all are wanted and `limit` is reached. */
struct topic *topic_get(struct topics *self, struct wire_text name);
/* The topic has a publication with the next position; NULL, a topic that cannot be kept,
 * is allowed.  Returns the position. */
uint64_t topic_publish(struct topics *self, struct topic *topic);

/* NULL when the edge does not want it. */
struct interest *interest_find(const struct topic *topic, const struct edge *edge);
/* Finds or makes it. */
struct interest *interest_get(struct topic *topic, struct edge *edge);
void interest_destroy(struct topics *self, struct interest **self_p);
/* A publication did not fit into the edge's ring. */
void interest_lose(struct interest *self, uint64_t position);
