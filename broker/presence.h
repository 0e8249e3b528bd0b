/* presence: who is in which topic, as edges say it, and who watches.  A topic is known as
 * long as somebody is in it, or watches it.  docs/protocol/1-bus.md section 4.6. */
#pragma once

#include "broker/edge.h"
#include "broker/list.h"
#include "common/table.h"

#include <stdbool.h>

struct core;
struct request;

struct presence {
    struct table_entry by_name;
    struct table present; // by id, in the order in which they came
    size_t count;
    struct link watches;
    bool full; // somebody could not be taken
    uint8_t size;
    char name[];
};

/* Somebody who is there. */
struct present {
    struct table_entry by_id;
    struct presence *topic;
    struct link of_edge;
    char *label; // "" without
    bool unseen; // its edge has not said it since its last HELLO
    uint8_t size;
    char id[];
};

/* An application peer that is told. */
struct watch {
    struct table_entry by_key;
    struct presence *topic;
    uint64_t peer;
    const struct authority *authority;
    struct link of_topic;
    struct link due;  // it is owed a PRESENT, and is told nothing before
    uint64_t n;       // records that it was sent
    int64_t until_ms; // it has to WATCH again before
    size_t key_size;
    char key[]; // peer and topic
};

struct presences {
    struct table topics, watches;
    struct link due; // watches, by their due
    size_t count;    // of all who are present
    size_t watch_count;
};

void presence_init(struct presences *self);
void presence_clear(struct presences *self);

/* A channel of the edge is there; again: it may have another label. */
void presence_enter(struct core *core, struct edge *edge, struct wire_text topic,
                    struct wire_text id, struct wire_text label);
void presence_exit(struct core *core, struct wire_text topic, struct wire_text id);
/* The edge greets: whom it does not name until presence_end is gone. */
void presence_begin(struct edge *edge);
void presence_end(struct core *core, struct edge *edge);
/* The edge is dead. */
void presence_abandon(struct core *core, struct edge *edge);

/* presence_watch.c: WATCH and UNWATCH of an application. */
void presence_watch(struct request *request);
void presence_unwatch(struct request *request);
/* Somebody came (label not NULL) or went. */
void presence_tell(struct core *core, struct presence *topic, const struct present *who,
                   bool came);
/* Once a second: what is owed, who has gone. */
void presence_tick(struct core *core);
/* Keys allow less than before. */
void presence_judge(struct core *core);
void presence_drop_watch(struct presences *self, struct watch **self_p);

struct presence *presence_find(const struct presences *self, struct wire_text topic);
struct presence *presence_get(struct presences *self, struct wire_text topic);
/* It may be forgotten. */
void presence_release(struct presences *self, struct presence *topic);
