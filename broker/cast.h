/* cast: the set of a CAST while it is carried out: channels, which are named by id or by
 * label, and topics, less exceptions.  Each channel gets the message once, each edge one
 * record.  docs/protocol/1-bus.md section 4.2.
 *
 * A set with topics is a publication: it has one position.  Edges know who is subscribed,
 * so it is them who see to it that a channel that is named, too, gets it once. */
#pragma once

#include "broker/command.h"
#include "broker/post.h"
#include "common/bytes.h"

enum {
    CAST_LINE_MAX = 3 + CHANNEL_ID_MAX + 1,
    CAST_TOPICS_MAX = 128, // of one set, exceptions too
};

/* A channel that was named. */
struct target {
    struct table_entry by_id;
    struct link order; // among those of its edge
    bool excepted;
    struct wire_text name; // as its edge knows it: of a session, its carrier
    uint8_t size;
    char id[CHANNEL_ID_MAX];
};

/* An edge that is told. */
struct part {
    struct table_entry by_edge;
    struct edge *edge;
    struct link targets;
    struct link exceptions; // channels of it that do not get the publication
    size_t lines;           // for both
};

struct cast_topic {
    struct wire_text name;
    bool excepted;
};

struct cast {
    struct request *request;
    struct table targets, parts;
    size_t count;      // of targets
    size_t exceptions; // among them
    struct cast_topic topic[CAST_TOPICS_MAX];
    size_t topics, published; // published: those that are no exceptions
    uint64_t g;               // its position; 0: it has none
    bool again;               // it was taken before: what is not allowed is left out
    struct post *post;        // what it is as a publication
    uint32_t lines;           // before those of channels, for the edge that is told
    uint32_t gone;            // channels that no edge has
    uint32_t refused;         // for which there was no room
    struct wire_text data;    // that is sent
    const char *code;         // of what is wrong; NULL: nothing
    char why[160];
};

static inline bool cast_is_same(struct wire_text a, struct wire_text b)
{
    return a.size == b.size && __builtin_memcmp(a.data, b.data, a.size) == 0;
}

/* cast.c */
/* Reads all lines of the request; false: code and why say what is wrong. */
bool cast_read(struct cast *self);
/* Tells every edge and session, and answers the question, which may be NULL. */
void cast_send(struct cast *self, struct question *question);
struct part *cast_part(struct cast *self, struct edge *edge);
void cast_clear(struct cast *self);

/* cast_publish.c */
/* What a set with topics does not allow; result of cast_read. */
bool cast_check(struct cast *self);
/* A set that names topics: in its turn among the publications. */
void cast_publish(struct cast *self);
/* Edges get the options of the publication, and its position. */
void cast_add_options(const struct cast *self, struct wire_header *header);
/* The lines of topics and exceptions; returns how many. */
uint32_t cast_add_lines(const struct cast *self, const struct part *part,
                        struct bytes *payload);
/* Whatever the edge lost before has been told. */
bool cast_has_caught_up(const struct cast *self, struct edge *edge);
/* It did not fit into the ring of the edge: its subscribers ask for it. */
void cast_lose(const struct cast *self, struct edge *edge);
/* Does the broker send it to this session, which was named?  Else the session gets it as
 * a subscriber, or not at all. */
bool cast_is_for_session(const struct cast *self, struct wire_text id,
                         struct question *question);
