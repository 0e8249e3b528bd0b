/* session_copies: what a worker of the gateway knows of the sessions that it serves, or
 * served last, so that a broker that starts anew can be told.  Nothing of what was sent
 * is among it.  Pure.  docs/protocol/1-bus.md section 5.4, rule 10. */
#pragma once

#include "common/table.h"
#include "gateway/attachment.h"

/* Texts are as they stand in records, escaped. */
struct session_copy {
    char id[SESSION_ID_ROOM], as[SESSION_AS_ROOM];
    char position[SESSION_POSITION_ROOM];
    uint64_t att, up;
    uint64_t channel; // that serves it now; 0: none
    const char *service;
    char *worker, *label; // NULL: none
    char *topics;         // lines of a BIND
    char *slow;           // policy that the application chose; NULL: none
    char *adopt;          // JSON for a new worker
    int64_t grace_ms;
    int64_t until_ms;         // when it is forgotten, while nothing serves it
    uint64_t older;           // carriers whose messages come first
    struct table_entry by_id; // private
};

struct session_copies;

/* limit: how many are remembered that are not served now; the oldest are forgotten. */
struct session_copies *session_copies_new(size_t limit);
void session_copies_destroy(struct session_copies **self_p);
/* The copy of a session, which is made where there is none; or NULL then. */
struct session_copy *session_copies_make(struct session_copies *self, const char *id);
/* Channel serves it now. */
void session_copies_serve(struct session_copies *self, struct session_copy *copy,
                          uint64_t channel);
struct session_copy *session_copies_find(struct session_copies *self, const char *id);
/* Replaces one of its texts; NULL: none. */
void session_copy_set(char **text, const char *data, size_t size);
/* A topic or pattern, the position from which on it is wanted, and whether the session is
 * present in it, in place of an earlier line of it; as they stand in records. */
struct session_follow {
    const char *topic;
    size_t size;
    const char *position;
    size_t position_size;
    bool is_present;
};
void session_copy_follow(struct session_copy *copy, const struct session_follow *follow);
/* Is there a line of this topic among these? */
bool session_copy_has(const char *lines, const char *topic, size_t size);
void session_copy_unfollow(struct session_copy *copy, const char *topic, size_t size);
/* Channel serves it no more: it is remembered for its grace.  Nothing, where another one
 * serves it by now. */
void session_copies_leave(struct session_copies *self, const char *id, uint64_t channel,
                          int64_t now_ms);
void session_copies_forget(struct session_copies *self, const char *id);
/* Forgets those whose time is over. */
void session_copies_expire(struct session_copies *self, int64_t now_ms);
/* NULL: the first; NULL after the last. */
struct session_copy *session_copies_next(const struct session_copies *self,
                                         const struct session_copy *after);
size_t session_copies_count(const struct session_copies *self);
