/* route: which route a path belongs to.  Pure.  docs/protocol/2-client.md section 1. */
#pragma once

#include "gateway/slow_policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum route_kind { ROUTE_SERVICE, ROUTE_TOPIC };
enum {
    ROUTE_PARAMS_MAX = 16,
    ROUTE_PARAM_ROOM = 256,
    ROUTE_TOPICS_MAX = 64,
    ROUTE_TOPIC_ROOM = 256,
    ROUTE_LABEL_ROOM = 129
};

/* Options of a route; values the file does not give come from the settings. */
struct route {
    char *name;
    char *path; // pattern
    enum route_kind kind;
    char *service; // ROUTE_SERVICE
    char **topics; // ROUTE_TOPIC: names with {x}, and patterns
    size_t topic_count;
    enum slow_policy slow;
    bool accept_by_backend;
    bool redeliver_all;
    bool presence;      // its channels are told to be in the topic
    char *label;        // of its channels, with {x}; or NULL
    char *label_header; // header that says it, or NULL
    bool has_sessions;
    char *session_subject;          // header that says whose a session is, or NULL
    char *params[ROUTE_PARAMS_MAX]; // names of the path's {x}, in order
    size_t param_count;
    char **origins; // allowed besides the request's own host
    size_t origin_count;
    int64_t open_timeout_ms, answer_timeout_ms; // -1: the setting's value; 0: none
};

struct route_table;

struct route_table *route_table_new(void);
void route_table_destroy(struct route_table **self_p);
/* Add a route; names and values of its options as in the file (path, service, topic
 * (repeatable), slow, accept, presence, label, label-header, redeliver, origin
 * (repeatable), open-timeout, answer-timeout, session, session-subject). Returns 0, or
 * -EINVAL and *why gets a malloc()ed line that names route, key, value and rule. */
int route_table_add(struct route_table *self, const char *name, const char *const *keys,
                    const char *const *values, size_t count, char **why);
/* The default route, everything to service "default"; when no routes were given. */
void route_table_add_default(struct route_table *self);
size_t route_table_size(const struct route_table *self);
const struct route *route_table_at(const struct route_table *self, size_t at);

struct route_match {
    const struct route *route;
    size_t count;
    const char *name[ROUTE_PARAMS_MAX]; // borrowed from the route
    char value[ROUTE_PARAMS_MAX][ROUTE_PARAM_ROOM];
};
/* The first route whose segments are those of the path, decoded: {x} is one that is not
 * empty, "**" at the end is any number of them, or none.
 * 0; 404 no route; 400 a parameter with "/", "*", a space, a control or non-ASCII byte,
 * or a bad escape. */
int route_table_match(const struct route_table *self, const char *path, size_t path_size,
                      struct route_match *match);
/* Topic number `at` of a ROUTE_TOPIC match with its {x} filled in: size, or -EMSGSIZE
 * over 255 bytes. */
int route_match_topic(const struct route_match *match, size_t at, char *out, size_t room);
/* The same for the label of a route that has one: -EMSGSIZE over 128 bytes. */
int route_match_label(const struct route_match *match, char *out, size_t room);
