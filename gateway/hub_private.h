/* hub_private: what hub.c (topics and who wants them) and hub_history.c (what each gets
 * when) share. */
#pragma once

#include "gateway/follower.h"
#include "gateway/hub.h"

struct subscription {
    struct subscription *next_of_follower;
    struct subscription *next, *prev; // of the topic
    struct follower *follower;
    struct hub_topic *topic;
    uint64_t start; // nothing before it is wanted, in the epoch of the cursor; 0: all
};

/* A topic, or a pattern. */
struct hub_topic {
    char *name;
    struct cursor position; // of the newest publication that is known
    bool is_live;           // the broker has told where it stands
    bool is_pattern;
    struct subscription *first;
    struct table_entry by_name;
};

struct hub {
    struct hub_options options;
    struct table topics;
    size_t patterns;
    struct follower *sessions; // carriers of sessions
    struct cursor newest;      // of all that the pipe brought
    struct follower *current;  // whose carrier is called; NULL once it has gone
    uint32_t cast;             // number of the newest set
    bool is_casting;           // what is published now is for it
};

/* hub.c */
struct hub_topic *hub_find(const struct hub *self, const char *name, size_t size);
/* hub_history.c */
void hub_note(struct hub *self, const struct cursor *position);
/* All its topics are live: it begins, goes on or asks. */
void hub_ready(struct hub *self, struct follower *follower);
/* It goes on from its cursor, now or when its queue has room. */
void hub_ask(struct hub *self, struct follower *follower);
/* hub_cast.c: is the publication of the set for this one?  Marks it. */
bool hub_cast_takes(const struct hub *self, struct follower *follower,
                    const struct cursor *position);
/* hub_session.c */
void hub_unlink_session(struct follower *follower);
/* The broker has to hear of them first: hub_announced. */
void hub_hold_sessions(struct hub *self);
/* Those that wait for an answer ask again; all: those that are live too. */
void hub_ask_sessions(struct hub *self, bool all);
